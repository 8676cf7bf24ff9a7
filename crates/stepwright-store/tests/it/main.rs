//! Tests of the stores.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

#[cfg(feature = "sqlite")]
mod conformance;
#[cfg(feature = "sqlite")]
mod crowds;
mod decoding;
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
mod dispatched;
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
#[path = "../../../stepwright-engine/tests/it/dispatched.rs"]
mod everywhere;
#[cfg(feature = "sqlite")]
mod faults;
mod formats;
#[cfg(feature = "sqlite")]
mod groups;
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
mod killed;
#[cfg(feature = "sqlite")]
mod media;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(feature = "sqlite")]
mod reopening;
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
#[path = "../../../stepwright-engine/tests/it/shapes.rs"]
mod shapes;
#[cfg(feature = "sqlite")]
mod size;
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
mod supervised;
mod support;
#[cfg(feature = "sqlite")]
mod verifying;
#[cfg(feature = "sqlite")]
mod waiting;
#[cfg(feature = "sqlite")]
mod watching;
