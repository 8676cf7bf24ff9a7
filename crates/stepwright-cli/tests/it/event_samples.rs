//! Events of every kind, for the tests of `docs/events.md`.

use serde_json::{Map, Value, json};
use std::sync::Arc;
use stepwright::models::{AssistantTurn, Part, StopReason, ToolCall, Usage};
use stepwright::{
    ContainerKind, Content, Decision, ErrorCode, ErrorData, ErrorId, Event, EventKind, Media,
    MediaKind, MediaSource, Patch, RunId, SessionId, StepOutput, StepPath, StepStatus, Timestamp,
    UserId, WorkflowId,
};
use stepwright_core::budget::Limit;
use stepwright_core::cost::Cost;
use stepwright_core::event::{
    Compressed, End, Origin, ProcessGroup, RefusedAnswer, Reply, RequestPurpose, SessionUsed,
    Turns, WorkflowForked, WorkflowStarted,
};
use stepwright_core::executor::{ExecutorType, RunInput};
use stepwright_core::guardrail::{GuardPlace, GuardVerdict, Judged};
use stepwright_core::media::StoredMedia;
use stepwright_core::message::{Arguments, Native, ToolOutcome};
use stepwright_core::permission::Verdict;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::sent::{SendMode, SentMessage};
use stepwright_core::store::MemoryChange;
use stepwright_core::trace::TraceContext;
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{Answer, EventMatch, OnTimeout, Requirement, RunStatus};

/// The trace of a caller.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn event(kind: EventKind) -> Event {
    let of_run = matches!(
        kind,
        EventKind::WorkflowStarted(_)
            | EventKind::WorkflowCompleted { .. }
            | EventKind::WorkflowError { .. }
            | EventKind::WorkflowCancelled { .. }
            | EventKind::WorkflowStopping { .. }
            | EventKind::WorkflowPaused { .. }
            | EventKind::WorkflowContinued { .. }
            | EventKind::WorkflowRetried { .. }
            | EventKind::WorkflowForked(_)
    );
    let path = if of_run { "" } else { "facts/web" };
    Event {
        sequence: if matches!(kind, EventKind::WorkflowStarted(_)) { 0 } else { 7 },
        delta: u32::from(!kind.is_fact()),
        time: Timestamp(1_795_000_000_000),
        run: RunId::new("r-1").unwrap(),
        path: StepPath::from(path),
        kind,
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "events hold it in a box")]
fn error() -> Box<ErrorData> {
    Box::new(ErrorData {
        code: ErrorCode::Model,
        id: Some(ErrorId::MODEL_OVERLOADED),
        message: "the model is busy".into(),
        retryable: true,
        causes: vec!["429 Too Many Requests".into()],
        retry_after_ms: Some(2000),
        hint: Some("raise `retry`".into()),
        ..ErrorData::default()
    })
}

fn end() -> End {
    End { status: StepStatus::Failed, error: Some(error()) }
}

fn usage() -> Usage {
    Usage {
        input_tokens: Some(900),
        output_tokens: Some(120),
        cache_read_tokens: Some(800),
        cache_write_tokens: Some(50),
        reasoning_tokens: Some(64),
        image_tokens: Some(10),
    }
}

fn call(arguments: Arguments) -> ToolCall {
    ToolCall { id: "call-1".into(), name: "read_file".into(), arguments }
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

/// Returns the events that a run waits at, with every field that they can have.
fn waits() -> Vec<EventKind> {
    use EventKind as E;
    use RequirementKind as K;
    let asked = |kind| {
        Box::new(Requirement {
            id: "facts/web!confirm".into(),
            path: "facts/web".into(),
            kind,
            message: "Publish it?".into(),
            due: Some(Timestamp(1_795_000_600_000)),
            on_timeout: OnTimeout::Approve,
        })
    };
    let schema = Arc::new(json!({"type": "object", "properties": {"tone": {"type": "string"}}}));
    let step = |kind| E::StepPaused { requirement: asked(kind) };
    let review = |kind| E::StepOutputReview { requirement: asked(kind) };
    let output = Arc::new(StepOutput::from("The bridge was opened in 1932."));
    let choices = Arc::new(["blog".into(), "video".into()]);
    let call = call(Arguments::json(json!({"path": "bridges.md"})));
    let reply = |answer, timed_out| {
        let by = Some("ada".into());
        Box::new(Reply { requirement_id: "facts/web!confirm".into(), answer, by, timed_out })
    };
    let said = |answer| E::StepContinued { reply: reply(answer, true) };
    vec![
        step(K::UserInput { schema: schema.clone() }),
        step(K::Wait { schema: Some(schema) }),
        step(K::ErrorDecision { error: error(), attempts: 3, retries: true }),
        step(K::Interrupted { effect: "step facts/web".into(), attempt: 1 }),
        step(K::Event {
            name: "order.paid".into(),
            key: Some("o-17".into()),
            condition: Some(Box::new(EventMatch::field("amount").at_least(5))),
        }),
        step(K::Sleep),
        step(K::Confirmation { input: "a draft".into() }),
        E::RouterPaused { requirement: asked(K::RouteSelection { choices, multiple: true }) },
        review(K::IterationReview {
            content: "The bridge was opened in 1932.".into(),
            iteration: 2,
            max_iterations: 3,
        }),
        review(K::OutputReview { output, attempts: 1, retries: true }),
        E::StepExecutorPaused { requirement: asked(K::ToolConfirmation { tool: Box::new(call) }) },
        E::StepExecutorPaused {
            requirement: asked(K::ExternalExecution {
                tool: "open_door".into(),
                arguments: Arc::new(json!({"room": 7})),
            }),
        },
        said(Answer::reject("too long")),
        said(Answer::edit("The bridge was opened in 1932.")),
        said(Answer::submit(json!({"tone": "plain"}))),
        said(Answer::select(["blog"])),
        said(Answer::Event { id: "e-1".into(), payload: json!({"amount": 5}) }),
        said(Answer::Approve),
        said(Answer::Always),
        E::StepExecutorContinued { reply: reply(Answer::Approve, true) },
        E::DeadlineSet { requirement: asked(K::Deadline) },
        E::DeadlinePassed { reply: Box::new(Reply { by: None, ..*reply(Answer::Elapsed, false) }) },
        E::AnswerRefused {
            refused: Box::new(RefusedAnswer {
                reply: *reply(Answer::Approve, false),
                due: Timestamp(1_795_000_600_000),
                came: Timestamp(1_795_000_660_000),
            }),
        },
        E::StepRecorded { key: "charge".into(), value: json!({"receipt": 40}) },
        E::StepEffectStarted { key: "charge".into() },
        E::StepEffectFailed { key: "charge".into(), error: error() },
        E::StepProcessStarted {
            process: Box::new(ProcessGroup {
                machine: "harbour/0f3c9a52-6f6e-4b59-8d1e-0c2a5b7d9e11/4026531836".into(),
                group: 4711,
                began: 90_311,
                parent: "311/90210".into(),
            }),
        },
        E::WorkflowStopping { status: RunStatus::Cancelled, reason: "it was asked for".into() },
        step(K::Permission {
            effect: "shell: git push".into(),
            rule: Some("shell: git push".into()),
            for_run: true,
        }),
        step(K::Budget {
            scope: "facts".into(),
            of_session: true,
            limit: Limit::Tokens,
            used: 198_000,
            of: 200_000,
        }),
        E::EffectJudged {
            effect: "shell: git push".into(),
            verdict: Verdict::Ask,
            rule: Some("shell: git *".into()),
            by: "the user".into(),
        },
        E::GuardrailJudged {
            judged: Box::new(Judged {
                guardrail: "personal_data".into(),
                place: GuardPlace::BeforeTool,
                tool: Some("send".into()),
                key: "before_tool/1/1/0:1f0c9a5b7de8463fa02c388e12c00eac".into(),
                verdict: GuardVerdict::rewrite("Write to [email]."),
                usage: usage(),
                cost: Some(Cost::usd(0.0042)),
            }),
        },
        E::GuardrailJudged {
            judged: Box::new(Judged {
                guardrail: "personal_data".into(),
                place: GuardPlace::AfterAgent,
                tool: None,
                key: "after_agent/1/1/0:8c7dd922ad47494fc02c388e12c00eac".into(),
                verdict: GuardVerdict::refuse("it contains personal data: email"),
                usage: Usage::default(),
                cost: None,
            }),
        },
        E::WorkflowQueued { key: "acme".into(), max: 2, ahead: 1 },
        E::WorkflowAdmitted,
        E::WorkflowHandedOver { queues: vec!["gpu".into()], served: vec!["default".into()] },
        E::DeciderRecorded {
            fact: Box::new(E::ModelRequestStarted {
                turn: 1,
                reserved: Some([9, 400]),
                purpose: None,
            }),
        },
        E::BudgetWarning { of_session: true, limit: Limit::Tokens, used: 161_000, of: 200_000 },
        E::WorkflowPaused { until: Some(Timestamp(1_795_000_600_000)) },
        E::WorkflowContinued {
            driver: "harbour/1c2d/4026531836/311/90210/1".into(),
            digest: Some("3f1c".into()),
        },
        E::WorkflowRetried {
            steps: vec!["facts/web".into()],
            withdrawn: vec!["facts/web!review".into()],
        },
        E::WorkflowForked(Arc::new(forked())),
    ]
}

fn forked() -> WorkflowForked {
    let object = |value: Value| value.as_object().unwrap().clone();
    WorkflowForked {
        origin: Origin { run: RunId::new("r-0").unwrap(), until: 7 },
        at: "facts/web".into(),
        steps: vec!["facts/web".into()],
        open: vec!["facts/archive".into()],
        workflow_id: "digest".parse().unwrap(),
        digest: "3f1c".into(),
        session_id: "s-1".parse().unwrap(),
        user_id: Some("ada".parse().unwrap()),
        input: Some(Arc::new(RunInput { content: "tunnels".into(), ..Default::default() })),
        metadata: object(json!({"by": "cron"})),
        debug: true,
        timeout_ms: Some(60_000),
        background: true,
        session_used: Some(SessionUsed {
            tokens: 12_000,
            cost: Cost::usd(0.0042),
            model_calls: 4,
            tool_calls: 2,
            time_ms: 9_000,
        }),
    }
}

/// An event of each kind, with every field that it can have. No `..`: a new field is missed here.
pub(crate) fn samples() -> Vec<Event> {
    use {ContainerKind as K, Decision as D, EventKind as E};
    let mut film = Media::path(MediaKind::Video, "film.mp4");
    film.source = MediaSource::Stored(StoredMedia::of(b"a film"[..].into()));
    let media = vec![
        Media::url(MediaKind::Image, "https://example.org/a.png")
            .with_mime("image/png")
            .with_name("a"),
        Media::path(MediaKind::File, "report.pdf"),
        Media::bytes(MediaKind::Audio, *b"RIFF"),
        film,
    ];
    let patches = vec![
        Patch::set("topic", "bridges"),
        Patch::append("seen", 1),
        Patch::merge("user", object(&json!({"name": "Ada"}))),
        Patch::increment("visits", 1),
    ];
    let outcome = |is_error| {
        let (call_id, name) = ("call-1".into(), "read_file".into());
        Box::new(ToolOutcome {
            call_id,
            name,
            text: "# Bridges".into(),
            is_error,
            outcome_unknown: is_error,
            media: vec![Media::path(MediaKind::Image, "bridge.png")],
            whole: Some("# Bridges\n\nAll of them.".into()),
        })
    };
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect::<Arc<[_]>>();
    let content = || Content::from("The bridge was opened in 1932.");
    let begins = |kind, decision| E::ContainerStarted { kind, decision };
    let ends = |kind, turns| E::ContainerCompleted { kind, turns, end: end() };
    let mut cost = Cost::usd(0.0042);
    cost += Cost::UNPRICED;
    let kinds = vec![
        E::WorkflowStarted(Arc::new(WorkflowStarted {
            workflow_id: WorkflowId::new("digest").unwrap(),
            workflow_name: "Digest".into(),
            digest: "3f1c".into(),
            session_id: SessionId::new("s-1").unwrap(),
            user_id: Some(UserId::new("ada").unwrap()),
            input: Arc::new(RunInput {
                content: "bridges".into(),
                media: media.clone(),
                additional_data: object(&json!({"lang": "en"})),
            }),
            state: Arc::new(object(&json!({"visits": 1}))),
            patches: patches.clone(),
            metadata: object(&json!({"by": "cron"})),
            debug: true,
            timeout_ms: Some(60_000),
            background: true,
            session_used: Some(SessionUsed {
                tokens: 12_000,
                cost,
                model_calls: 4,
                tool_calls: 2,
                time_ms: 9_000,
            }),
            trace: TraceContext::parse(TRACEPARENT, Some("vendor=1")).ok(),
        })),
        E::WorkflowCompleted { content: content(), stopped_at: Some(StepPath::from("known")) },
        E::WorkflowError { error: error(), step: Some(StepPath::from("facts/web")), attempts: 3 },
        E::WorkflowCancelled { reason: "it was asked for".into() },
        E::StepStarted { executor_type: ExecutorType::Agent, executor_name: "writer".into() },
        E::StepRetrying { attempt: 1, error: error(), delay_ms: 500 },
        E::StepAttemptStarted { attempt: 2 },
        E::StepOutput { content: json!({"points": 3}).into() },
        E::StepProgress { content: "read 3 files".into(), progress: Some(0.4) },
        E::StepCompleted {
            output: Arc::new(StepOutput {
                content: content(),
                media,
                patches,
                stop: true,
                headed: true,
                usage: usage(),
                files: vec![WorkspaceFile {
                    path: "chart.svg".into(),
                    bytes: 812,
                    sha256: "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
                        .into(),
                }],
            }),
        },
        E::StepError { error: error(), attempts: 3, continues: false },
        E::StepSkipped { error: error(), attempts: 3 },
        E::StepCancelled { partial: "The bridge".into() },
        begins(K::Steps, D::Count(2)),
        ends(K::Steps, Turns::default()),
        begins(K::Parallel, D::Names(names(&["web", "papers"]))),
        ends(K::Parallel, Turns::default()),
        begins(K::Loop, D::AtMost(3)),
        begins(K::Iteration, D::Turn { number: 1, at_most: Some(3) }),
        ends(K::Iteration, Turns { number: 1, should_continue: false, exhausted: true }),
        ends(K::Loop, Turns { number: 2, should_continue: false, exhausted: true }),
        begins(K::Condition, D::Holds { holds: Some(true), branch: Some("if".into()) }),
        ends(K::Condition, Turns::default()),
        begins(K::Router, D::Names(names(&["blog"]))),
        ends(K::Router, Turns::default()),
        begins(K::OnFailure, D::Count(1)),
        ends(K::OnFailure, Turns::default()),
        begins(K::Finally, D::Count(1)),
        ends(K::Finally, Turns::default()),
        begins(K::Undo, D::Count(1)),
        ends(K::Undo, Turns::default()),
        begins(K::Map, D::Items { items: Arc::new(["a".into(), "b".into()]), concurrency: 2 }),
        begins(K::Item, D::Turn { number: 1, at_most: None }),
        ends(K::Item, Turns { number: 1, ..Turns::default() }),
        ends(K::Map, Turns::default()),
        E::RunStarted {
            agent: "writer".into(),
            model: "offline:extract".into(),
            notice: Some("offline is not a language model".into()),
            message: "What is known about the bridge?".into(),
        },
        E::ModelRequestStarted {
            turn: 1,
            reserved: Some([900, 4000]),
            purpose: Some(RequestPurpose::Compression),
        },
        E::ModelRequestRetrying {
            turn: 1,
            attempt: 1,
            error: error(),
            delay_ms: 2000,
            usage: usage(),
        },
        E::RunContent { content: "The bridge ".into() },
        E::ReasoningContentDelta { reasoning_content: "They ask for ".into() },
        E::ToolCallArgumentsDelta {
            index: 0,
            tool: "web_search".into(),
            arguments: "{\"query\":".into(),
        },
        E::ModelRequestCompleted {
            turn: 1,
            answer: Arc::new(AssistantTurn {
                parts: vec![
                    Part::Reasoning { text: "They ask for a year.".into() },
                    Part::Text { text: "The bridge was opened in 1932.".into() },
                    Part::Media { media: Media::url(MediaKind::Image, "https://example.org/b") },
                    Part::ToolCall(call(Arguments::Invalid("{path".into()))),
                ],
                native: Some(Native { adapter: "rig/1".into(), data: json!({}).into() }),
            }),
            stop: StopReason::ToolCalls,
            usage: usage(),
            hosted_tools: Vec::new(),
            warning: Some("`openai` ended the answer with [DONE] and gave no finish reason".into()),
            model: Some("openai:gpt-5-mini".into()),
            cost: Some(Cost::usd(0.0042)),
            purpose: Some(RequestPurpose::SessionSummary),
        },
        E::ModelRequestInterrupted { turn: 2, partial: "The bridge ".into() },
        E::MessageReceived {
            message: Box::new(SentMessage {
                id: "m-1".into(),
                text: "Only the year, please.".into(),
                mode: SendMode::Interrupt,
                to: Some("facts".into()),
                by: Some("ada".into()),
            }),
        },
        E::ToolCallStarted { tool: Box::new(call(Arguments::json(json!({"path": "bridges.md"})))) },
        E::ToolCallCompleted { tool: outcome(false) },
        E::ToolCallError { tool: outcome(true), error: Some(error()) },
        E::RunContentCompleted,
        E::ContextAdded { source: "notes".into(), text: "Answer in French.".into() },
        E::CompressionCompleted {
            compressed: Box::new(Compressed {
                method: "summary".into(),
                until: 5,
                tokens_before: 9_200,
                tokens_after: 1_800,
                summary: Some("The user asked about bridges.".into()),
            }),
        },
        E::SessionSummaryCompleted { summary: "The user plans a journey.".into() },
        E::MemoryUpdateCompleted {
            changes: vec![MemoryChange::Add {
                memory_id: "m-6f1a0c93d2b4".into(),
                memory: "Travels by train.".into(),
                topics: vec!["travel".into()],
            }],
        },
        E::RunCompleted { content: content(), usage: usage() },
        E::RunError { error: error(), usage: usage() },
        E::CustomEvent { name: "page".into(), data: json!({"number": 3}) },
    ];
    kinds.into_iter().chain(waits()).map(event).collect()
}
