//! `value`: a JSON value, in which texts that begin with `=` are expressions.

use crate::effects;
use crate::format::form::Form;
use crate::format::reader::{BuiltinKind, Reader};
use crate::format::{Builtin, Computed, Expr, Referring};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::Granted;
use crate::tree::{Key, Node};
use crate::work::value_of;
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "value",
    read,
    effects: effects::NONE,
    without: &[],
    form: &Form::Any,
    about: "A value, in which texts that begin with `=` are expressions.",
};

#[derive(Debug)]
struct ComputeValue {
    value: Computed,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let value = reader.computed(value)?;
    Some(Arc::new(ComputeValue { value }))
}

impl Builtin for ComputeValue {
    fn referring(&self) -> Vec<Referring<'_>> {
        self.value.expressions().into_iter().map(Into::into).collect()
    }

    fn gives(&self, of: &dyn Fn(&Expr) -> Shape) -> Shape {
        self.value.shape(of)
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
        Box::pin(async move {
            let value = value_of(&self.value, OwnedValues::of(input)).await?;
            Ok(Content::from(value).into())
        })
    }
}
