//! Runs: a builder that is a future, a stream of events, and a handle to a background run.

mod background;
mod blocking;
mod builder;
mod busy;
mod driven;
mod handle;
mod input;
mod opening;
mod remote;
mod resume;
mod runtime;
mod stream;
mod takeup;

pub use blocking::BlockingEvents;
pub use builder::Run;
pub use handle::RunHandle;
pub use input::{IntoInput, Parts};
pub use resume::Resume;
pub use runtime::block_on;
pub use stream::RunStream;
pub use takeup::{Fork, Retry};
