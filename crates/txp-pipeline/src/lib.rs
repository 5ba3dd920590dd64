//! Ports, stages and wire formats of the transaction processor.

pub mod generate;
