//! Tests with a Restate server, and the tests of all dispatchers with it. The variable
//! `STEPWRIGHT_TEST_RESTATE` has the path of the server, which `scripts/test-restate.sh` installs;
//! without it, they are skipped.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod balancer;
#[cfg(feature = "lean-command")]
mod command;
mod dispatching;
#[path = "../../../stepwright-engine/tests/it/dispatched.rs"]
mod everywhere;
#[path = "../../../stepwright-store/tests/it/killed.rs"]
mod killed;
mod server;
#[path = "../../../stepwright-engine/tests/it/shapes.rs"]
mod shapes;
