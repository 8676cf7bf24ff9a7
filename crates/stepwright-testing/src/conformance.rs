//! What every store must do, as tests to run on it.
