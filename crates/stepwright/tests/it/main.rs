//! Properties of the project as a whole.

#![expect(clippy::unwrap_used, reason = "a test may panic, and so may what it calls")]
#![cfg_attr(
    all(feature = "harness", feature = "mcp", feature = "sqlite"),
    expect(clippy::duplicate_mod, reason = "several examples share a file")
)]

#[cfg(all(feature = "harness", feature = "mcp", feature = "sqlite"))]
mod acting;
mod called;
mod calls;
mod cassettes;
mod combined;
mod complete;
#[cfg(feature = "sqlite")]
mod damage;
mod debug;
mod documented;
mod errors;
mod examples;
mod external;
mod figures;
mod files;
mod floors;
#[cfg(all(unix, feature = "sqlite"))]
mod fork;
#[cfg(feature = "providers")]
mod gateway;
mod guardrails;
mod limits;
#[cfg(feature = "mcp")]
mod mcp;
#[cfg(all(unix, feature = "sqlite"))]
mod media;
mod mutants;
mod own;
mod pages;
mod parity;
mod parity_files;
mod partial_failure;
mod pieces;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
mod readme;
#[cfg(feature = "sqlite")]
mod reloading;
#[cfg(feature = "sqlite")]
mod steering;
mod supervision;
mod takeup;
mod tidy;
mod tools;
