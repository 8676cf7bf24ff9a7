//! Runs: a builder that is a future, a stream of events, and a handle to a background run.

mod blocking;
mod builder;
mod handle;
mod input;
mod live;
mod outbox;
mod remote;
mod resume;
mod stream;

pub use blocking::{BlockingEvents, block_on};
pub use builder::Run;
pub use handle::RunHandle;
pub use input::{IntoInput, Parts};
pub use resume::Resume;
pub(crate) use resume::TakeUp;
pub use stream::RunStream;

pub(crate) use live::{Known, Live, LiveRuns};
pub(crate) use outbox::{Outbox, Tail};
