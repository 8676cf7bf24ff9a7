//! A store in a PostgreSQL server.

mod address;
mod append;
mod connections;
mod errors;
mod list;
mod open;
mod schema;
mod sessions;
mod store;

pub use open::PostgresOptions;
pub use store::Postgres;
