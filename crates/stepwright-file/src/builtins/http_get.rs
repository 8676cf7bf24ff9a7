//! `http_get`: a page over HTTP.

use super::{BYTES_DEFAULT, BYTES_MAX, TIMEOUT_DEFAULT, as_written, rendered};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Referring, Text};
use crate::reference::OwnedValues;
use crate::source::Span;
use crate::system::{Fetch, Granted, blocking, check_address, fetch};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    BoxFuture, ErrorId, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind { key: "http_get", read, without: &[] };

#[derive(Debug)]
struct HttpGet {
    url: Text,
    timeout: Duration,
    max_bytes: u64,
}

fn read(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    let (mut timeout, mut max_bytes) = (TIMEOUT_DEFAULT, BYTES_DEFAULT);
    if let Yaml::Text(_) = value.value {
        let url = reader.template(value, "http_get", Flavour::Plain)?;
        return Some(Arc::new(HttpGet { url, timeout, max_bytes }));
    }
    let mut fields = Fields::of(reader, value, "`http_get`")?;
    if !fields.has("url") {
        reader.lacks(value, "http_get", "url", "what to fetch: `url: https://example.org`");
    }
    let url = fields.template(reader, "url", Flavour::Plain);
    timeout = fields.duration(reader, "timeout").unwrap_or(timeout);
    max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX)).unwrap_or(max_bytes);
    fields.finish(reader);
    Some(Arc::new(HttpGet { url: url?, timeout, max_bytes }))
}

impl Builtin for HttpGet {
    fn referring(&self) -> Vec<Referring<'_>> {
        vec![(&self.url).into()]
    }

    fn check(&self, mistakes: &mut Diagnostics) {
        if self.url.has_expressions() {
            return;
        }
        let url = self.url.template.text();
        if let Err(error) = check_address(url) {
            let error = error.data;
            let span = self.url.written.place(Span::new(0, url.len()));
            let code = ErrorId::HTTP_ADDRESS_REFUSED;
            let mistake = Diagnostic::new(code, &self.url.written.source, span, error.message);
            let help = "an address begins with `https://` or `http://`: `https://example.org/a`";
            mistakes.push(mistake.help(error.hint.unwrap_or_else(|| help.to_owned())));
        }
    }

    fn details(&self) -> Option<String> {
        Some(as_written(&self.url))
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
            let url = rendered(OwnedValues::of(input), &self.url).await?;
            let what = Fetch { url, timeout: self.timeout, max_bytes: self.max_bytes };
            let mut page = fetch(&what, &cx).await?;
            if let Some(note) = page.note.take() {
                cx.note(note);
            }
            // A long page keeps its thread busy.
            Ok(blocking(move || page.content()).await?.into())
        })
    }
}
