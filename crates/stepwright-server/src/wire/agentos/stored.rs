//! Stored runs, as lists and sessions show them.

use super::convert;
use super::events::Converter;
use super::fault::Fault;
use super::kind::shown;
use super::outputs;
use crate::state::{Served, ServedKind};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::{MediaKind, RunOutput};
use stepwright_engine::Runs;

/// Returns the recorded events of a run.
pub(super) async fn events(
    served: &Served,
    runs: &Runs,
    output: &RunOutput,
) -> Result<Vec<Value>, Fault> {
    let row = runs.row(&output.run_id).await?;
    let plan = Some(Arc::new(served.workflow.plan().clone()));
    let mut converter = Converter::new(row, served.workflow.name().into(), plan, served.kind);
    let mut facts = runs.recorded(&output.run_id, 0).await?;
    let mut all = Vec::new();
    while let Some(fact) = facts.next().await {
        let shown = converter.convert(&fact?, Some(output));
        let kept = shown.into_iter().filter(|shown| shown.name != "StepOutput");
        all.extend(kept.map(|shown| Value::Object(shown.members)));
    }
    Ok(all)
}

/// Returns a run as Agno's schemas of stored runs have it. `served` is its workflow, if the server
/// has it.
pub(super) async fn schema(
    served: Option<&Served>,
    runs: &Runs,
    output: &RunOutput,
) -> Result<Value, Fault> {
    let kind = served.map_or(ServedKind::Workflow, |served| served.kind);
    let mut run = match served {
        Some(served) => shown(served, output),
        None => outputs::workflow_run(output, None),
    };
    // The schemas take texts and objects only.
    if !(run["content"].is_null() || run["content"].is_object()) {
        run["content"] = json!(content_text(&run["content"]));
    }
    run["run_input"] = json!(output.input.text());
    run["user_id"] = json!(output.user_id.as_ref().map_or("", |user| user.as_str()));
    run["created_at"] = json!(output.created_at.to_rfc3339());
    run["events"] = match served {
        Some(served) => events(served, runs, output).await?.into(),
        None => json!([]),
    };
    if kind != ServedKind::Workflow {
        let is_text = output.content_type() == "str";
        run["run_response_format"] = json!(if is_text { "text" } else { "json" });
        run["images"] = convert::media(&output.media, MediaKind::Image);
        run["videos"] = convert::media(&output.media, MediaKind::Video);
        run["audio"] = convert::media(&output.media, MediaKind::Audio);
        run["files"] = convert::media(&output.media, MediaKind::File);
    }
    if let Some(members) = run.as_object_mut() {
        members.remove("input");
    }
    Ok(run)
}

fn content_text(content: &Value) -> String {
    content.as_str().map_or_else(|| content.to_string(), str::to_owned)
}
