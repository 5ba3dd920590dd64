//! Identifiers: what a merchant may call things, and what we call uploads.
