//! `sleep`: a time that the run waits.

use super::passed_on;
use crate::duration::display;
use crate::effects;
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Referring};
use crate::system::Granted;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{BoxFuture, OnInterrupted, StepContext, StepError, StepInput, StepOutput};

const WAITS: &str = "a `sleep` does nothing but wait: it cannot fail or take too long";

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "sleep",
    read,
    effects: effects::NONE,
    without: &[
        ("on_interrupted", "a `sleep` has no effect that could be repeated"),
        ("retry", WAITS),
        ("timeout", WAITS),
        ("history", WAITS),
    ],
};

#[derive(Debug)]
struct Sleep {
    duration: Duration,
}

/// Parses `1h` or `{duration: 1h}`.
fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let duration = if let Yaml::Map(_) = value.value {
        let mut fields = Fields::of(reader, value, "`sleep`")?;
        if !fields.has("duration") {
            reader.lacks(value, "sleep", "duration", "how long: `duration: 1h`");
        }
        let duration = fields.duration(reader, "duration");
        fields.finish(reader);
        duration
    } else {
        reader.duration(value, "sleep")
    };
    Some(Arc::new(Sleep { duration: duration? }))
}

impl Builtin for Sleep {
    fn referring(&self) -> Vec<Referring<'_>> {
        Vec::new()
    }

    fn details(&self) -> Option<String> {
        Some(display(self.duration))
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            cx.sleep_for("sleep", self.duration).await?;
            Ok(passed_on(&input))
        })
    }
}
