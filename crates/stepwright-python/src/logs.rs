//! Logs go to Python's `logging`.

use crate::convert::bridge;
use crate::jobs;
use pyo3::prelude::*;
use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU8, Ordering};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The level of Python's logger, in steps of ten.
static LEVEL: AtomicU8 = AtomicU8::new(30);

/// Sends records of this level and above to the logger `stepwright`. The levels are those of
/// Python's `logging`.
#[pyfunction]
pub(crate) fn log_to(level: u8) {
    LEVEL.store(level, Ordering::Release);
    // A program that has a subscriber of its own keeps it.
    let _ = tracing::subscriber::set_global_default(Logging);
    tracing::callsite::rebuild_interest_cache();
}

/// The subscriber of this process. It never waits for the interpreter.
struct Logging;

fn level_of(level: Level) -> u8 {
    match level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

impl Subscriber for Logging {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("stepwright")
            && level_of(*metadata.level()) >= LEVEL.load(Ordering::Acquire)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let level = level_of(*event.metadata().level());
        let target = event.metadata().target().replace("::", ".");
        jobs::push(move |py| {
            // An error of the program's own handler is its affair: to log it could go on for ever.
            let log = bridge(py, "log");
            let _ = log.and_then(|log| log.call1((level, target, message.text())));
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The text of a record, with its fields behind it.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Message {
    fn text(self) -> String {
        self.text + &self.fields
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}
