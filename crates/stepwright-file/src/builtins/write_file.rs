//! `write_file` and `append_file`: a text as a file, or at its end.

use super::{as_written, rendered};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Referring, Text};
use crate::reference::OwnedValues;
use crate::system::{Granted, blocking};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind { key: "write_file", read: write, without: &[] };
pub(super) const APPEND: BuiltinKind =
    BuiltinKind { key: "append_file", read: append, without: &[] };

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
        return Some(Arc::new(WriteFile { path, text: None, append }));
    }
    let mut fields = Fields::of(reader, value, what)?;
    if !fields.has("path") {
        reader.lacks(value, key, "path", "where to: `path: digest.md`");
    }
    let path = fields.template(reader, "path", Flavour::Plain);
    let text = fields.template(reader, "text", Flavour::Plain);
    fields.finish(reader);
    Some(Arc::new(WriteFile { path: path?, text, append }))
}

impl Builtin for WriteFile {
    fn referring(&self) -> Vec<Referring<'_>> {
        std::iter::once(&self.path).chain(&self.text).map(Into::into).collect()
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
        _: StepContext,
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
            let (folder, append) = (granted.folder.clone(), self.append);
            let written = blocking(move || {
                if append { folder.append(&path, &text) } else { folder.write(&path, &text) }
            });
            let written = written.await?;
            Ok(Content::from(written).into())
        })
    }
}
