//! The execution of a step: its facts from the first to the last.

use crate::conversation::{Conversation, Session};
use crate::failure::Failure;
use crate::harness::Harness;
use crate::process::may_start;
use crate::prompts;
use crate::worktree::{self, Place};
use serde_json::json;
use std::path::{Path, PathBuf};
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::Usage;
use stepwright_core::{
    Content, ErrorCode, ErrorId, EventKind, Executor, Fingerprint, OnInterrupted, StepContext,
    StepError, StepInput, StepOutput,
};

impl Executor for Harness {
    fn name(&self) -> &str {
        self.settings.kind.name()
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Agent
    }

    fn fingerprint(&self) -> Fingerprint {
        self.content()
    }

    // It continues its conversation, and asks where it cannot.
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn asks(&self) -> bool {
        self.may_ask()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        Box::pin(execute(self, input, cx)).await
    }
}

async fn execute(
    harness: &Harness,
    input: StepInput,
    cx: StepContext,
) -> Result<StepOutput, StepError> {
    match run(harness, &input, &cx).await {
        Ok(output) => Ok(output),
        Err(Failure::Recorded(error)) => Err(error),
        Err(Failure::New(error)) => {
            let usage = Usage::default();
            cx.record(EventKind::RunError { error: error.data.clone(), usage }).await?;
            Err(error)
        }
    }
}

async fn run(
    harness: &Harness,
    input: &StepInput,
    cx: &StepContext,
) -> Result<StepOutput, Failure> {
    if let Some(mistake) = harness.mistake() {
        return Err(bad_input(mistake).into());
    }
    let settings = &*harness.settings;
    let past = cx.past();
    let (mut message, mut completed, mut turn, mut usage) = (None, false, 0, Usage::default());
    for event in past {
        match event.kind {
            EventKind::RunError { error, .. } => {
                return Err(Failure::Recorded(StepError { data: error }));
            }
            EventKind::RunStarted { message: recorded, .. } => message = Some(recorded),
            EventKind::ModelRequestStarted { turn: recorded, .. } => turn = recorded,
            EventKind::ModelRequestCompleted { usage: used, .. } => usage += used,
            EventKind::RunCompleted { .. } => completed = true,
            _ => {}
        }
    }
    let message = if let Some(message) = message {
        message
    } else {
        let message = input.prompt();
        let model = settings.model.as_deref().map(|model| settings.kind.model_id(model));
        let model = model.unwrap_or_else(|| settings.kind.name().to_owned());
        let started = EventKind::RunStarted {
            agent: settings.kind.name().into(),
            model: model.into(),
            notice: None,
            message: message.clone(),
        };
        cx.record(started).await.map_err(Failure::Recorded)?;
        message
    };
    if let Some(budget) = &settings.budget {
        cx.limit(budget);
    }
    let earlier = earlier(harness, input, cx)?;
    let place = place(harness, earlier.as_ref(), cx).await?;
    let mut prompt = message.pretty().into_owned();
    if let Some(output) = &settings.output {
        prompt = prompts::with_schema(&prompt, &output.schema);
    }
    let mut conversation = Conversation::new(harness, cx, &place, earlier, (turn, usage));
    let answered = answered(harness, &prompt, &mut conversation).await;
    conversation.finish(answered.is_ok()).await;
    let (content, usage) = (answered?, conversation.usage());
    let content = match &place.worktree {
        Some(tree) => {
            let ended = worktree::ended(tree).await?;
            let key = if settings.output.is_some() { "output" } else { "text" };
            json!({ key: content.to_value(), "worktree": ended }).into()
        }
        None => content,
    };
    if !completed {
        cx.emit_event(EventKind::RunContentCompleted);
        let completed = EventKind::RunCompleted { content: content.clone(), usage };
        cx.record(completed).await.map_err(Failure::Recorded)?;
    }
    Ok(StepOutput { content, usage, ..StepOutput::default() })
}

/// Has the turns that an answer takes.
async fn answered(
    harness: &Harness,
    prompt: &str,
    conversation: &mut Conversation<'_>,
) -> Result<Content, Failure> {
    let text = conversation.turn(1, prompt).await?;
    let Some(output) = &harness.settings.output else {
        // An empty output would pass the step's input on.
        return Ok(if text.trim().is_empty() { "done".into() } else { text.into() });
    };
    let why = match output.read(&text).await {
        Ok(value) => return Ok(value.into()),
        Err(why) => why,
    };
    let text = conversation.turn(2, &prompts::repair(&why)).await?;
    match output.read(&text).await {
        Ok(value) => Ok(value.into()),
        Err(why) => {
            conversation.forget().await?;
            let name = harness.settings.kind.name();
            let message = format!("the answer of `{name}` does not match the output schema: {why}");
            let error = StepError::new(message).with_code(ErrorCode::Model);
            let error = error.with_id(ErrorId::MODEL_ANSWER_MISMATCH);
            Err(error.with_hint("simplify the schema of the output").into())
        }
    }
}

pub(crate) fn bad_input(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput)
}

/// Returns the conversation of an earlier step that this one continues.
fn earlier(
    harness: &Harness,
    input: &StepInput,
    cx: &StepContext,
) -> Result<Option<Session>, StepError> {
    let Some(name) = &harness.settings.session else { return Ok(None) };
    let refused = |why: String| {
        let error = StepError::terminal(why).with_code(ErrorCode::BadInput);
        error.with_id(ErrorId::HARNESS_SESSION_UNKNOWN)
    };
    let Some(step) = input.scope.named(name) else {
        let why = format!("`session` names `{name}`, and there is no such step before this one");
        return Err(refused(why).with_hint("name a step that has run before, in this workflow"));
    };
    let Some(session) = cx.recorded_by(step.path(), Session::KEY).as_ref().and_then(Session::of)
    else {
        return Err(refused(format!("the step `{name}` had no conversation with a coding agent")));
    };
    let kind = harness.settings.kind.name();
    if session.harness != kind {
        let other = &session.harness;
        let why = format!("the conversation of the step `{name}` was with `{other}`, not `{kind}`");
        return Err(refused(why).with_hint(format!("give this step `harness: {other}`")));
    }
    if !session.loads {
        let why = format!("`{kind}` cannot load the conversation of the step `{name}`");
        return Err(refused(why));
    }
    Ok(Some(session))
}

/// Returns the folder to work in.
async fn place(
    harness: &Harness,
    earlier: Option<&Session>,
    cx: &StepContext,
) -> Result<Place, StepError> {
    let settings = &*harness.settings;
    let base = settings.base.clone().unwrap_or_else(|| PathBuf::from("."));
    let base = folder(&base, "the base directory")?;
    // In a workspace, `dir` is beneath it.
    let base = match cx.workspace() {
        Some(workspace) => folder(workspace, "the workspace")?,
        None => base,
    };
    let dir = match (&settings.dir, earlier) {
        (Some(dir), _) => base.join(dir),
        (None, Some(session)) => session.dir.clone(),
        (None, None) => base.clone(),
    };
    let dir = folder(&dir, "`dir`")?;
    if !settings.worktree {
        return Ok(Place { base, dir, worktree: None });
    }
    if !worktree::is_planned(cx) && !may_start(&settings.program_in(&base), cx) {
        // No worktree is left behind that no agent has worked in.
        return Err(settings.missing());
    }
    worktree::made(base, dir, cx).await
}

fn folder(path: &Path, what: &str) -> Result<PathBuf, StepError> {
    let shown = path.display();
    let failed = |why: &str| {
        bad_input(format!("{what} `{shown}` cannot be used: {why}")).with_id(ErrorId::FILE_REFUSED)
    };
    match path.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(failed("it is not a directory")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(failed("it does not exist"))
        }
        Err(error) => Err(failed(&error.to_string())),
    }
}
