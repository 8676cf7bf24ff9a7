//! Language models for Stepwright: the registry, the guard, and the keyless offline model.
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

pub mod guard;
pub mod offline;
pub mod registry;

pub use guard::{Guarded, guarded, guarded_stream};
pub use offline::Offline;
pub use registry::{Models, UnknownModel, model, register};
