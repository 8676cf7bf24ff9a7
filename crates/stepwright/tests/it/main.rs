//! What holds for the project as a whole.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]

mod calls;
mod complete;
mod debug;
mod documented;
mod examples;
mod files;
mod floors;
#[cfg(feature = "providers")]
mod gateway;
mod parity;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
mod readme;
#[cfg(feature = "sqlite")]
mod reloading;
mod tidy;
mod tools;
