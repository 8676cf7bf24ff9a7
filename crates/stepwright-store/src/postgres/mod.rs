//! A store in a PostgreSQL server.

mod address;
mod append;
mod channels;
mod connections;
mod dispatcher;
mod errors;
mod heads;
mod link;
mod listen;
mod open;
mod schema;
mod statements;
mod store;
mod target;

pub use dispatcher::{PostgresDispatcher, QueueState, QueueWaiting, QueueWorker};
pub use open::PostgresOptions;
pub use store::{Postgres, PostgresBackend};
