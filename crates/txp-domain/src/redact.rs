//! Free text that we echo never holds a long run of digits.
