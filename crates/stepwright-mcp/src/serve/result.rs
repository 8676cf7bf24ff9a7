//! The results of runs as results of calls.

use super::shared::{Shared, failed, told};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CallToolResult, ContentBlock, Resource, ResourceContents};
use serde_json::{Value, json};
use stepwright_core::{Error, Media, MediaKind, MediaSource, RunOutput};
use stepwright_engine::RunHandle;

/// The media type of bytes of which nothing is known.
const BYTES: &str = "application/octet-stream";

/// Returns the result of a run that waits for an answer which this client cannot give, or for an
/// event.
pub(super) fn waiting(shared: &Shared, output: &RunOutput) -> CallToolResult {
    let (run, requests) = (&output.run_id, &output.requirements);
    let text = waits(shared, output).unwrap_or_default();
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content =
        Some(json!({"run": run, "status": output.status, "requests": requests}));
    result
}

/// Returns the questions that a run waits for, and how they are answered elsewhere, or the events
/// that it waits for. `None` if it waits for neither.
pub(super) fn waits(shared: &Shared, output: &RunOutput) -> Option<String> {
    let run = &output.run_id;
    let asked = output.requirements.iter().filter(|request| request.needs_person());
    let asked: Vec<&str> = asked.map(|request| &*request.message).collect();
    if asked.is_empty() {
        let waits = output.awaited_events()?;
        return Some(format!("{waits} It goes on when the event comes: look at it later."));
    }
    let how = if shared.operates {
        "Answer with the tool `continue_run`.".to_owned()
    } else {
        format!("A person answers with `stepwright continue {run}`.")
    };
    Some(format!("The run `{run}` waits for an answer: {}\n{how}", asked.join("; ")))
}

/// Returns the result of a run that has ended.
pub(super) fn of_output(output: &RunOutput) -> CallToolResult {
    let text = output.content.pretty().into_owned();
    let mut blocks = Vec::new();
    if !text.is_empty() || output.media.is_empty() {
        blocks.push(ContentBlock::text(text));
    }
    let media = output.media.iter().enumerate();
    blocks.extend(media.map(|(nth, medium)| shown(output, nth + 1, medium)));
    let mut result = CallToolResult::success(blocks);
    result.structured_content = Some(output.content.to_value()).filter(Value::is_object);
    result
}

/// Returns a medium as content. `nth` counts the media of the run.
fn shown(output: &RunOutput, nth: usize, medium: &Media) -> ContentBlock {
    let name = medium.name.clone().unwrap_or_else(|| format!("{} {nth}", output.workflow_name));
    let link = |uri: String| {
        let mut link = Resource::new(uri, name.clone());
        link.mime_type.clone_from(&medium.mime);
        ContentBlock::resource_link(link)
    };
    match (&medium.source, medium.live()) {
        (MediaSource::Url(url), _) => link(url.clone()),
        (_, Some(bytes)) => {
            let data = STANDARD.encode(bytes);
            let mime = medium.mime.clone().unwrap_or_else(|| BYTES.to_owned());
            match medium.kind {
                MediaKind::Image => ContentBlock::image(data, mime),
                MediaKind::Audio => ContentBlock::audio(data, mime),
                MediaKind::Video | MediaKind::File => {
                    let uri = format!("run:{}/{nth}", output.run_id);
                    let contents = ResourceContents::blob(data, uri).with_mime_type(mime);
                    ContentBlock::resource(contents)
                }
            }
        }
        // A file of this machine, which the client may not have.
        (MediaSource::Path(path), _) => ContentBlock::text(format!("[{name}: {path}]")),
        // Only its store has the bytes: the run went on in another process.
        _ => ContentBlock::text(format!("[{name}: `stepwright show {}`]", output.run_id)),
    }
}

pub(super) fn of_error(error: &Error, handle: &RunHandle) -> CallToolResult {
    failed(format!("{}\n(run `{}`)", told(error), handle.run_id()))
}
