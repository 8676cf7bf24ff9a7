//! Tests of the stores.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

#[cfg(feature = "sqlite")]
mod conformance;
#[cfg(feature = "sqlite")]
mod crowds;
mod decoding;
#[cfg(feature = "sqlite")]
mod faults;
mod formats;
#[cfg(feature = "sqlite")]
mod groups;
#[cfg(feature = "sqlite")]
mod media;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(feature = "sqlite")]
mod reopening;
#[cfg(feature = "sqlite")]
mod size;
mod support;
#[cfg(feature = "sqlite")]
mod verifying;
#[cfg(feature = "sqlite")]
mod waiting;
#[cfg(feature = "sqlite")]
mod watching;
