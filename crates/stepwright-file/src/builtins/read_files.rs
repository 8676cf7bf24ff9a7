//! `read_files`: the files that match a pattern.

use super::{BYTES_DEFAULT, BYTES_MAX, all_rendered, as_written, played, rendered};
use crate::effects;
use crate::format::form::{Form, Mapping, key, words};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Expr, Referring, Text};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::{Except, Folder, Granted, Limits, acts, blocking};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use serde_json::json;
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::permission::Verdict;
use stepwright_core::{
    BoxFuture, Content, ErrorId, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "read_files",
    read,
    effects: effects::READ,
    without: &[],
    form: &Form::Either(&[Form::Text, Form::Mapping(&SETTINGS)]),
    about: "The files that match a pattern.",
};

static SETTINGS: Mapping = Mapping {
    name: "read_files",
    what: "`read_files`",
    required: &[&["glob"]],
    members: &[
        key("glob", &Form::Text, "The pattern, such as `docs/**/*.md`."),
        key(
            "exclude",
            &Form::Either(&[Form::Text, Form::List(&Form::Text, 0, usize::MAX)]),
            "Patterns of files to leave out.",
        ),
        key(
            "on_unreadable",
            &Form::Words(|| words(&ON_UNREADABLE)),
            "What happens with a file that cannot be read.",
        ),
        key("max_files", &Form::Whole(1, FILES_MAX), "The maximum number of files."),
        key("max_bytes", &Form::Whole(1, BYTES_MAX), "The maximum number of bytes of all files."),
    ],
};

/// The default number of files that `read_files` reads.
const FILES_DEFAULT: u64 = 1000;
/// The maximum number of files that a file may set.
const FILES_MAX: u64 = 100_000;

#[derive(Debug)]
struct ReadFiles {
    glob: Text,
    /// Patterns of files to leave out.
    exclude: Vec<Text>,
    skip_unreadable: bool,
    limits: Limits,
}

/// The values of `on_unreadable`: whether a file that cannot be read is left out.
const ON_UNREADABLE: [(&str, bool); 2] = [("fail", false), ("skip", true)];

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let (mut exclude, mut skip_unreadable) = (Vec::new(), false);
    let (glob, max_files, max_bytes) = if let Yaml::Text(_) = value.value {
        (reader.template(value, "read_files", Flavour::Plain), None, None)
    } else {
        let mut fields = Fields::of(reader, value, "`read_files`")?;
        if !fields.has("glob") {
            reader.lacks(value, "read_files", "glob", "which files: `glob: \"docs/**/*.md\"`");
        }
        let glob = fields.template(reader, "glob", Flavour::Plain);
        if let Some((_, node)) = fields.take("exclude") {
            let nodes = match &node.value {
                Yaml::List(list) => list.as_slice(),
                _ => std::slice::from_ref(node),
            };
            let texts = nodes.iter();
            exclude =
                texts.filter_map(|one| reader.template(one, "exclude", Flavour::Plain)).collect();
        }
        skip_unreadable =
            fields.choice(reader, "on_unreadable", &ON_UNREADABLE).unwrap_or_default();
        let max_files = fields.number(reader, "max_files", (1, FILES_MAX));
        let max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX));
        fields.finish(reader);
        (glob, max_files, max_bytes)
    };
    if let Some(glob) = &glob {
        reader.check_path(glob);
    }
    let max_files = usize::try_from(max_files.unwrap_or(FILES_DEFAULT)).unwrap_or(usize::MAX);
    let limits = Limits { max_files, max_bytes: max_bytes.unwrap_or(BYTES_DEFAULT) };
    Some(Arc::new(ReadFiles { glob: glob?, exclude, skip_unreadable, limits }))
}

impl Builtin for ReadFiles {
    fn referring(&self) -> Vec<Referring<'_>> {
        std::iter::once(&self.glob).chain(&self.exclude).map(Into::into).collect()
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
            let values = OwnedValues::of(input);
            let patterns = all_rendered(&values, &self.exclude).await?;
            let except = Except { patterns, unreadable: self.skip_unreadable };
            let pattern = rendered(values, &self.glob).await?;
            let (folder, limits) = (granted.folder.of_step(&cx)?, self.limits);
            let effect = acts::file(effects::READ, &folder, &pattern, true)?;
            let _running = cx.begin_effect(&effect).await?;
            let request = || match &*except.patterns {
                [] => json!({"glob": pattern}),
                exclude => json!({"glob": pattern, "exclude": exclude}),
            };
            if let Some(played) = played(&cx, KIND.key, request).await {
                return played;
            }
            let context = cx.clone();
            let read = blocking(move || {
                let permit = |path: &str| permitted(&folder, path, &context);
                folder.read_all(&pattern, &except, limits, &permit)
            });
            let read = read.await?;
            cx.note(format!("read {} files, {} bytes", read.files, read.bytes));
            if !read.skipped.is_empty() {
                cx.note(format!("left out: {}", read.skipped.join("; ")));
            }
            Ok(Content::from(read.list).into())
        })
    }
}

/// Checks a file that the permitted pattern has found: a rule may deny it, and a link may lead to a
/// file that the pattern does not name.
fn permitted(folder: &Folder, path: &str, cx: &StepContext) -> Result<(), StepError> {
    let effect = acts::file(effects::READ, folder, path, false)?;
    match cx.verdict(&effect) {
        Verdict::Allow => Ok(()),
        Verdict::Ask if !acts::is_link(&effect) => Ok(()),
        verdict => {
            let why = if verdict == Verdict::Deny { "is denied" } else { "leads to another file" };
            let error = StepError::terminal(format!("`{effect}` {why}"));
            let error = error.with_code(ErrorCode::Rejected).with_id(ErrorId::EFFECT_REFUSED);
            Err(error.with_hint("narrow the pattern, or allow the file in the permissions"))
        }
    }
}
