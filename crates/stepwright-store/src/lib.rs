//! SQLite behind the store of Stepwright.
