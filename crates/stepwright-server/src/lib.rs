//! Serves Stepwright workflows and agents over HTTP: an API of our own at `/v1`, those of
//! `AgentOS`, `OpenAI`, MCP, AG-UI and A2A, and a page.
//!
//! [`Server`] has an example. The server adds no second way to drive, follow or answer a run: it
//! stands on [`Runs`](stepwright_engine::Runs) and [`Workflow`](stepwright_engine::Workflow).

mod auth;
mod body;
mod drivers;
mod error;
mod followed;
mod layers;
mod limits;
mod link_page;
mod links;
mod metrics;
mod mounted;
mod openapi;
mod page;
mod router;
mod row_columns;
mod serve;
mod server;
mod state;
mod stream;
mod v1;
mod wire;

pub use auth::{ApiKey, ApiKeys, Jwt, JwtAlgorithm, NewKey, Role};
pub use limits::{
    BODY_BYTES_MAX, CONNECTIONS_MAX, EVENTS_PAGE_MAX, HOOK_BODY_BYTES_MAX, INBOX_RUNS_MAX,
    LINK_BODY_BYTES_MAX, LINK_LIFE_MAX, LINK_NAME_BYTES_MAX, LIST_PAGE_MAX, SEARCH_ROWS_MAX,
    SOCKET_RUNS_MAX, STREAMS_MAX,
};
pub use mounted::Mounted;
pub use server::{Server, ServerBuilder};

/// The examples of `docs/server.md`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/server.md")]
struct ServerPage;
/// The types of requests and answers, for those who hold a server in another one.
pub mod http {
    pub use axum::body::{Body, BodyDataStream};
    pub use http::{Method, Request, Response};
}
