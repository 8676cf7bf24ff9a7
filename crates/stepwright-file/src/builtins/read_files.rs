//! `read_files`: the files that match a pattern.

use super::{BYTES_DEFAULT, BYTES_MAX, as_written, rendered};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::{Granted, Limits, blocking};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use stepwright_core::{
    BoxFuture, Content, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind { key: "read_files", read, without: &[] };

/// The default number of files that `read_files` reads.
const FILES_DEFAULT: u64 = 1000;

#[derive(Debug)]
struct ReadFiles {
    glob: Text,
    limits: Limits,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let (glob, max_files, max_bytes) = if let Yaml::Text(_) = value.value {
        (reader.template(value, "read_files", Flavour::Plain), None, None)
    } else {
        let mut fields = Fields::of(reader, value, "`read_files`")?;
        if !fields.has("glob") {
            reader.lacks(value, "read_files", "glob", "which files: `glob: \"docs/**/*.md\"`");
        }
        let glob = fields.template(reader, "glob", Flavour::Plain);
        let max_files = fields.number(reader, "max_files", (1, 100_000));
        let max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX));
        fields.finish(reader);
        (glob, max_files, max_bytes)
    };
    if let Some(glob) = &glob {
        reader.check_path(glob);
    }
    let max_files = usize::try_from(max_files.unwrap_or(FILES_DEFAULT)).unwrap_or(usize::MAX);
    let limits = Limits { max_files, max_bytes: max_bytes.unwrap_or(BYTES_DEFAULT) };
    Some(Arc::new(ReadFiles { glob: glob?, limits }))
}

impl Builtin for ReadFiles {
    fn referring(&self) -> Vec<Referring<'_>> {
        vec![(&self.glob).into()]
    }

    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        Shape::List(Box::new(Shape::Object))
    }

    fn details(&self) -> Option<String> {
        Some(as_written(&self.glob))
    }

    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let pattern = rendered(OwnedValues::of(input), &self.glob).await?;
            let (folder, limits) = (granted.folder.clone(), self.limits);
            let read = blocking(move || folder.read_all(&pattern, limits)).await?;
            cx.note(format!("read {} files, {} bytes", read.files, read.bytes));
            Ok(Content::from(read.list).into())
        })
    }
}
