//! Language models for Stepwright: providers, the registry, the guard, retries, and the keyless
//! offline model.
//!
//! ```
//! use stepwright_core::message::Message;
//! use stepwright_core::model::{Model as _, ModelRequest};
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let model = stepwright_models::model("offline").unwrap();
//! assert!(model.notice().unwrap().contains("not a language model"));
//!
//! let messages = vec![Message::user("Rust has no garbage collector. It is fast.")];
//! let request = ModelRequest { messages, ..ModelRequest::default() };
//! let answer = model.complete(request).await.unwrap();
//! assert_eq!(answer.turn.text(), "Rust has no garbage collector. It is fast.");
//! # }
//! ```

#[cfg(feature = "providers")]
mod adapt;
#[cfg(feature = "providers")]
mod answer_tool;
#[cfg(feature = "providers")]
mod attachment;
mod auto;
#[cfg(feature = "providers")]
mod catalogue;
#[cfg(feature = "providers")]
mod connection;
#[cfg(feature = "providers")]
mod embeddings;
mod environment;
#[cfg(feature = "providers")]
mod failure;
mod fallback;
#[cfg(feature = "providers")]
mod faults;
#[cfg(feature = "providers")]
mod finish;
#[cfg(feature = "providers")]
mod framing;
#[cfg(feature = "providers")]
#[doc(hidden)]
pub mod fuzzing;
pub mod guard;
#[cfg(feature = "providers")]
mod halves;
#[cfg(feature = "providers")]
mod http_date;
#[cfg(feature = "providers")]
mod key;
mod limits;
#[cfg(feature = "providers")]
mod literals;
#[cfg(feature = "providers")]
mod long;
pub mod offline;
#[cfg(feature = "providers")]
mod provider;
#[cfg(feature = "providers")]
mod quota;
#[cfg(feature = "providers")]
mod reader;
pub mod registry;
pub mod retry;
#[cfg(feature = "providers")]
mod rig;
#[cfg(feature = "providers")]
mod secret;
#[cfg(feature = "providers")]
mod shape;
mod silent;
#[cfg(feature = "providers")]
mod strict;
#[cfg(feature = "providers")]
mod think;
#[cfg(feature = "providers")]
mod transport;
mod unknown;

#[cfg(feature = "providers")]
pub use embeddings::{EmbeddingsEndpoint, embeddings_at};
pub use fallback::{Fallback, FallbackReason, MODELS_MAX};
pub use guard::{Guarded, guarded, guarded_stream};
pub use limits::{LimitScope, ModelLimits, Slot, close, limit, note_quota, slot, throttled};
pub use offline::Offline;
#[cfg(feature = "providers")]
pub use provider::Provider;
pub use registry::{ApiKey, ModelPlace, Models, model, model_at, register};
pub use retry::{RetryPolicy, Retrying, retrying, retrying_stream};
pub use silent::silent;
pub use unknown::UnknownModel;
