//! Begins runs of workflows without a person: by a schedule, or by a request of another service.
//!
//! A [`Schedule`] has a [`Timetable`], and a [`Scheduler`] begins a run at each of its times.
//! Several processes on one store share the work: each time has one run. [`Schedules`] lists,
//! pauses and resumes the schedules in a store, and needs no definition.
//!
//! A [`Webhook`] says which requests begin a run and with which input, and a [`Receiver`] begins
//! it: once for each delivery, also where several servers receive it.
//!
//! One invariant holds both together: the id of a run is computed from what triggered it, so that
//! the store refuses a second run of a time or of a delivery, over all processes
//! (`tests/it/firing.rs`, `hooks.rs`).

mod entries;
mod ids;
mod input;
mod receiver;
mod schedule;
mod scheduler;
mod schedules;
mod signature;
mod state;
mod timetable;
mod tokens;
mod webhook;

pub use receiver::{Delivery, Received, Receiver, Refused};
pub use schedule::{CATCH_UP_MAX, CatchUp, JITTER_MAX, Overlap, Schedule};
pub use scheduler::Scheduler;
pub use schedules::{LastFiring, Schedules, StoredSchedule};
pub use signature::Signature;
pub use timetable::Timetable;
pub use tokens::{StoredWebhook, Tokens};
pub use webhook::Webhook;
