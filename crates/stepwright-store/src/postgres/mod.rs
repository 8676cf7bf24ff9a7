//! A store in a PostgreSQL server.

mod address;
mod append;
mod connections;
mod errors;
mod list;
mod listen;
mod open;
mod schema;
mod sessions;
mod signals;
mod store;

pub use open::PostgresOptions;
pub use store::Postgres;
