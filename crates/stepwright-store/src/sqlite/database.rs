//! A connection together with what the checksums of its file need.

use crate::sums::Sums;
use rusqlite::Connection;
use std::ops::Deref;

/// A connection to a database file.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    pub(super) sums: Sums,
}

impl Database {
    pub(super) fn new(connection: Connection, sums: Sums) -> Self {
        Self { connection, sums }
    }
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}
