//! `write_file` and `append_file`: a text as a file, or at its end.

use super::{as_written, played, rendered};
use crate::command;
use crate::effects;
use crate::format::form::{Form, Mapping, Member, key};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::{Granted, acts, blocking};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use serde_json::json;
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "write_file",
    read: write,
    effects: effects::WRITE,
    without: &[],
    form: &Form::Either(&[Form::Text, Form::Mapping(&WRITE_SETTINGS)]),
    about: "A text as a file. Gives its path and its size.",
};
pub(super) const APPEND: BuiltinKind = BuiltinKind {
    key: "append_file",
    read: append,
    effects: effects::APPEND,
    without: &[],
    form: &Form::Either(&[Form::Text, Form::Mapping(&APPEND_SETTINGS)]),
    about: "A text at the end of a file.",
};

static WRITE_SETTINGS: Mapping =
    Mapping { name: "write_file", what: "`write_file`", required: &[&["path"]], members: MEMBERS };

static APPEND_SETTINGS: Mapping =
    Mapping { name: "append_file", what: "`append_file`", ..WRITE_SETTINGS };

const MEMBERS: &[Member] = &[
    key("path", &Form::Text, "The path, within the base directory."),
    key("text", &Form::Text, "The text. By default, the output of the step before."),
];

#[derive(Debug)]
struct WriteFile {
    path: Text,
    /// The text to write. The default is the input of the step.
    text: Option<Text>,
    /// `true` to keep what the file has.
    append: bool,
}

fn write(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    read(reader, value, ("write_file", "`write_file`"), false)
}

fn append(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    read(reader, value, ("append_file", "`append_file`"), true)
}

fn read(
    reader: &mut Reader<'_>,
    value: &Node,
    (key, what): (&'static str, &'static str),
    append: bool,
) -> Option<Arc<dyn Builtin>> {
    if let Yaml::Text(_) = value.value {
        let path = reader.template(value, key, Flavour::Plain)?;
        reader.check_path(&path);
        writes(reader, &path, None, value);
        return Some(Arc::new(WriteFile { path, text: None, append }));
    }
    let mut fields = Fields::of(reader, value, what)?;
    if !fields.has("path") {
        reader.lacks(value, key, "path", "where to: `path: digest.md`");
    }
    let path = fields.template(reader, "path", Flavour::Plain);
    let text = fields.template(reader, "text", Flavour::Plain);
    fields.finish(reader);
    if let Some(path) = &path {
        reader.check_path(path);
        writes(reader, path, text.as_ref(), value);
    }
    Some(Arc::new(WriteFile { path: path?, text, append }))
}

/// Notes the path, unless the text is constant.
fn writes(reader: &mut Reader<'_>, path: &Text, text: Option<&Text>, node: &Node) {
    if !path.has_expressions() && text.is_none_or(Text::has_expressions) {
        reader.writes(command::Path::new(path.template.text().trim()), node.span);
    }
}

impl Builtin for WriteFile {
    fn referring(&self) -> Vec<Referring<'_>> {
        std::iter::once(&self.path).chain(&self.text).map(Into::into).collect()
    }

    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        let members = [("path".to_owned(), Shape::Text), ("bytes".to_owned(), Shape::Number)];
        Shape::object_of(members.into())
    }

    fn details(&self) -> Option<String> {
        Some(as_written(&self.path))
    }

    // Writing a file again has the same result, and appending to it has not.
    fn on_interrupted(&self) -> OnInterrupted {
        if self.append { OnInterrupted::Ask } else { OnInterrupted::Retry }
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let values = OwnedValues::of(input.clone());
            let path = rendered(values.clone(), &self.path).await?;
            let mut text = match &self.text {
                Some(text) => rendered(values, text).await?,
                None => input.content().pretty().into_owned(),
            };
            // What is appended next begins on a line of its own.
            if self.append && !text.ends_with('\n') {
                text.push('\n');
            }
            let (folder, append) = (granted.folder.of_step(&cx)?, self.append);
            let names = if append { effects::APPEND } else { effects::WRITE };
            let effect = acts::file(names, &folder, &path, false)?;
            let _running = cx.begin_effect(&effect).await?;
            let request = || json!({"path": path, "text": text});
            if let Some(played) = played(&cx, names[0], request).await {
                return played;
            }
            let written = blocking(move || {
                if append { folder.append(&path, &text) } else { folder.write(&path, &text) }
            });
            let written = written.await?;
            Ok(Content::from(written).into())
        })
    }
}
