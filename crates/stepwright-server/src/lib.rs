//! Serves Stepwright workflows and agents over HTTP: the API of `AgentOS`, an API of our own at
//! `/v1`, and a page.
//!
//! It adds no second way to drive, follow or answer a run: it stands on
//! [`Runs`](stepwright_engine::Runs) and [`Workflow`](stepwright_engine::Workflow).

mod auth;
mod body;
mod error;
mod layers;
mod limits;
mod mounted;
mod page;
mod router;
mod serve;
mod server;
mod state;
mod stream;
mod v1;
mod wire;

pub use auth::{ApiKey, ApiKeys, NewKey, Role};
pub use limits::{
    BODY_BYTES_MAX, CONNECTIONS_MAX, EVENTS_PAGE_MAX, INBOX_RUNS_MAX, LIST_PAGE_MAX,
    SEARCH_ROWS_MAX, STREAMS_MAX,
};
pub use mounted::Mounted;
pub use server::{Server, ServerBuilder};

/// The types of requests and answers, for those who hold a server in another one.
pub mod http {
    pub use axum::body::{Body, BodyDataStream};
    pub use http::{Method, Request, Response};
}
