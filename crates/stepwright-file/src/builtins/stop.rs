//! `stop`: ends the run early, with a value as its output.

use crate::effects;
use crate::format::form::Form;
use crate::format::reader::{BuiltinKind, Reader};
use crate::format::{Builtin, Computed, Referring};
use crate::reference::OwnedValues;
use crate::system::Granted;
use crate::tree::{Key, Node};
use crate::work::value_of;
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "stop",
    read,
    effects: effects::NONE,
    without: &[("undo", "it ends a run that completes, so there is nothing to undo")],
    form: &Form::Any,
    about: "Ends the run early, with this value as its output.",
};

#[derive(Debug)]
struct Stop {
    value: Computed,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let value = reader.computed(value)?;
    Some(Arc::new(Stop { value }))
}

impl Builtin for Stop {
    fn referring(&self) -> Vec<Referring<'_>> {
        self.value.expressions().into_iter().map(Into::into).collect()
    }

    fn ends_the_run(&self) -> bool {
        true
    }

    fn details(&self) -> Option<String> {
        Some("ends the run".to_owned())
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        _: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let value = value_of(&self.value, OwnedValues::of(input)).await?;
            Ok(StepOutput::from(Content::from(value)).stop())
        })
    }
}
