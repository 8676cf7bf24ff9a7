//! Begins runs of workflows without a person, by a schedule or by a request of another service, and
//! tells other services what happens to runs.
//!
//! A [`Schedule`] has a [`Timetable`], and a [`Scheduler`] begins a run at each of its times.
//! Several processes on one store share the work: each time has one run. [`Schedules`] lists,
//! pauses and resumes the schedules in a store, and needs no definition.
//!
//! A [`Webhook`] says which requests begin a run and with which input, and a [`Receiver`] begins
//! it: once for each delivery, also where several servers receive it.
//!
//! A [`Notification`] goes the other way: a [`Notifier`] sends a signed request to a service when
//! something happens to a run. [`Deliveries`] lists those that could not be sent.
//!
//! One invariant holds the first two together: the id of a run is computed from what triggered it,
//! so that the store refuses a second run of a time or of a delivery, over all processes
//! (`tests/it/firing.rs`, `hooks.rs`).

mod about;
mod attempts;
mod delivery;
mod entries;
mod ids;
mod input;
mod notification;
mod notifier;
mod outbox;
mod receiver;
mod schedule;
mod scheduler;
mod schedules;
mod signature;
mod state;
mod timetable;
mod tokens;
mod webhook;

pub use attempts::DELIVERY_ATTEMPTS_MAX;
pub use delivery::{Deliveries, StoredDelivery};
pub use notification::{NOTIFY_TIMEOUT_MAX, Notification, RunEvent};
pub use notifier::{MakeLink, NOTIFY_BODY_BYTES_MAX, Notifier};
pub use outbox::Notifications;
pub use receiver::{Delivery, Received, Receiver, Refused};
pub use schedule::{CATCH_UP_MAX, CatchUp, JITTER_MAX, Overlap, Schedule};
pub use scheduler::Scheduler;
pub use schedules::{LastFiring, Schedules, StoredSchedule};
pub use signature::Signature;
pub use timetable::Timetable;
pub use tokens::{StoredWebhook, Tokens};
pub use webhook::Webhook;
