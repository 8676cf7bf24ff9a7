//! Tests of the store in PostgreSQL, on a real server.

mod conformance;
mod dispatching;
mod dropping;
mod encrypted;
mod faults;
mod losing;
mod migrations;
mod pools;
mod proxy;
mod restarting;
mod watching;
