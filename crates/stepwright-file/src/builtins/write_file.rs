//! `write_file`: a text as a file.

use super::{as_written, rendered};
use crate::command;
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::{Granted, blocking};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind { key: "write_file", read, without: &[] };

#[derive(Debug)]
struct WriteFile {
    path: Text,
    /// The text to write. The default is the input of the step.
    text: Option<Text>,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    if let Yaml::Text(_) = value.value {
        let path = reader.template(value, "write_file", Flavour::Plain)?;
        reader.check_path(&path);
        writes(reader, &path, None, value);
        return Some(Arc::new(WriteFile { path, text: None }));
    }
    let mut fields = Fields::of(reader, value, "`write_file`")?;
    if !fields.has("path") {
        reader.lacks(value, "write_file", "path", "where to: `path: digest.md`");
    }
    let path = fields.template(reader, "path", Flavour::Plain);
    let text = fields.template(reader, "text", Flavour::Plain);
    fields.finish(reader);
    if let Some(path) = &path {
        reader.check_path(path);
        writes(reader, path, text.as_ref(), value);
    }
    Some(Arc::new(WriteFile { path: path?, text }))
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

    // Writing a file again has the same result.
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
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
            let text = match &self.text {
                Some(text) => rendered(values, text).await?,
                None => input.content().pretty().into_owned(),
            };
            let folder = granted.folder.clone();
            let written = blocking(move || folder.write(&path, &text)).await?;
            Ok(Content::from(written).into())
        })
    }
}
