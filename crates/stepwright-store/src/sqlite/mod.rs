//! A store in one SQLite file.

mod append;
mod connect;
mod database;
mod errors;
mod file;
mod fill;
mod group;
mod locks;
mod open;
mod read;
mod schema;
mod statements;
mod store;
mod write;

pub use open::SqliteOptions;
pub use store::{Sqlite, SqliteBackend};
