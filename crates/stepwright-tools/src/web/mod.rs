//! Requests over HTTP, and the toolkits that make them.

mod body;
mod charset;
mod fetch;
mod guard;
mod kits;
mod redirect;

pub use kits::{ANSWER_BYTES_MAX, FETCHED_BYTES_MAX, HTTP_TIMEOUT, Http, WebPage};

pub use fetch::{Page, Reach, Request, address, check_address, fetch};
