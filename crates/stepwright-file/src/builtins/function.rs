//! `function`: a function of the program that runs the file.

use crate::effects;
use crate::format::form::{Form, Mapping, key};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Computed, Referring, Word};
use crate::reference::OwnedValues;
use crate::suggest::did_you_mean;
use crate::system::Granted;
use crate::tree::{Key, Node, Yaml};
use crate::work::value_of;
use std::sync::Arc;
use stepwright_core::{
    AnyExecutor, BoxFuture, Content, Fingerprint, OnInterrupted, StepContext, StepError, StepInput,
    StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "function",
    read,
    effects: effects::NONE,
    without: &[],
    form: &Form::Either(&[Form::Text, Form::Mapping(&SETTINGS)]),
    about: "A function of the program that runs the file, by its name.",
};

static SETTINGS: Mapping = Mapping {
    name: "function",
    what: "`function`",
    required: &[&["name"]],
    members: &[
        key("name", &Form::Text, "The name of the function."),
        key("with", &Form::Any, "Its input. By default it gets the output of the step before."),
    ],
};

#[derive(Debug)]
struct Function {
    name: String,
    /// `None` in a file that is only checked.
    executor: Option<AnyExecutor>,
    with: Option<Computed>,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let (name, with) = if let Yaml::Map(_) = value.value {
        let mut fields = Fields::of(reader, value, "`function`")?;
        let name = fields.need(reader, "name", "write `function: {name: score, with: …}`");
        let with = fields.take("with").map(|(_, node)| reader.computed(node));
        fields.finish(reader);
        let name = name.and_then(|(_, node)| reader.word(node, "name"));
        // A value with mistakes has been reported.
        let with = match with {
            Some(with) => Some(with?),
            None => None,
        };
        (name?, with)
    } else {
        (reader.word(value, "function")?, None)
    };
    let executor = reader.options.functions.get(&name.text).cloned();
    if executor.is_none() && !reader.options.only_checks {
        reader.unknown_function(&name);
    }
    Some(Arc::new(Function { name: name.text, executor, with }))
}

impl Reader<'_> {
    pub(crate) fn unknown_function(&mut self, name: &Word) {
        let names = self.options.functions.names();
        let message = format!("this program has no function `{}`", name.text);
        let help = did_you_mean(&name.text, &names, "it has").unwrap_or_else(|| {
            "the program that runs the file registers functions; the command `stepwright` has none"
                .to_owned()
        });
        self.push(self.mistake(name.span, message).help(help));
    }
}

impl Builtin for Function {
    fn referring(&self) -> Vec<Referring<'_>> {
        let with = self.with.iter().flat_map(Computed::expressions);
        with.map(Into::into).collect()
    }

    fn details(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn fingerprint(&self) -> Fingerprint {
        self.executor.as_ref().map(AnyExecutor::fingerprint).unwrap_or_default()
    }

    fn asks(&self) -> bool {
        self.executor.as_ref().is_some_and(AnyExecutor::asks)
    }

    fn on_interrupted(&self) -> OnInterrupted {
        self.executor.as_ref().map_or(OnInterrupted::Retry, AnyExecutor::on_interrupted)
    }

    fn execute<'a>(
        &'a self,
        mut input: StepInput,
        cx: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            if let Some(with) = &self.with {
                let value = value_of(with, OwnedValues::of(input.clone())).await?;
                input.previous = Some(Arc::new(StepOutput::from(Content::from(value))));
            }
            match &self.executor {
                Some(executor) => executor.execute(input, cx).await,
                None => Err(StepError::terminal(format!("there is no function `{}`", self.name))),
            }
        })
    }
}
