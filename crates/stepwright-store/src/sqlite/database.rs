//! A connection to a database file.

use crate::sums::Sums;
use rusqlite::Connection;
use std::ops::Deref;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// A connection, together with the checksums of its file.
#[derive(Debug)]
pub(crate) struct Database {
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

/// Finishes work on a file at once: nothing in it waits, so that no runtime is needed.
pub(super) fn at_once<T>(work: impl Future<Output = T>) -> T {
    match pin!(work).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("a statement on a file returns when it is done"),
    }
}
