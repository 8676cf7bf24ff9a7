//! The way to make a connection.

use crate::stdio::Command;
use crate::web::Endpoint;

/// The way to make a connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Recipe {
    Command(Command),
    Url(Endpoint),
}
