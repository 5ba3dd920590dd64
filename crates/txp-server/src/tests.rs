//! Over HTTP, with the real host in a temporary directory.
