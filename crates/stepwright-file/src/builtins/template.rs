//! `template`: a text from values.

use super::rendered;
use crate::effects;
use crate::format::form::Form;
use crate::format::reader::{BuiltinKind, Reader};
use crate::format::{Builtin, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::Granted;
use crate::template::Flavour;
use crate::tree::{Key, Node};
use std::sync::Arc;
use stepwright_core::{BoxFuture, OnInterrupted, StepContext, StepError, StepInput, StepOutput};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "template",
    read,
    effects: effects::NONE,
    without: &[],
    form: &Form::Text,
    about: "A text from values.",
};

#[derive(Debug)]
struct RenderText {
    text: Text,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let text = reader.template(value, "template", Flavour::Plain)?;
    Some(Arc::new(RenderText { text }))
}

impl Builtin for RenderText {
    fn referring(&self) -> Vec<Referring<'_>> {
        vec![(&self.text).into()]
    }

    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        Shape::Text
    }

    fn details(&self) -> Option<String> {
        None
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
        Box::pin(async move { Ok(rendered(OwnedValues::of(input), &self.text).await?.into()) })
    }
}
