//! One event of each recorded kind, with values that are hard to store.

use serde_json::{Map, Value, json};
use stepwright_core::budget::Limit;
use stepwright_core::cost::Cost;
use stepwright_core::error::ErrorData;
use stepwright_core::event::{
    Compressed, ContainerKind, Decision, End, ProcessGroup, RefusedAnswer, Reply, RequestPurpose,
    Turns, WorkflowStarted,
};
use stepwright_core::executor::{ExecutorType, RunInput};
use stepwright_core::guardrail::{GuardPlace, GuardVerdict, Judged};
use stepwright_core::message::{
    Arguments, AssistantTurn, Native, Part, ToolCall, ToolOutcome, Usage,
};
use stepwright_core::model::StopReason;
use stepwright_core::permission::Verdict;
use stepwright_core::requirement::{Answer, OnTimeout, Requirement, RequirementKind};
use stepwright_core::sent::{SendMode, SentMessage};
use stepwright_core::store::MemoryChange;
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{
    Content, ErrorCode, ErrorId, EventKind, EventMatch, Media, MediaKind, Patch, RunStatus,
    StepOutput, StepStatus, Timestamp, UserId,
};

/// Characters of one to four bytes, combining marks, both directions, quotes, a NUL.
pub(super) const TEXT: &str =
    "naïve 🦀 e\u{301} שלום \u{202e}\u{feff} 日本語 \"quoted\" 'it''s' \\ \u{0}\r\n\t\u{7f} end";

/// Numbers at the limits, keys out of alphabetical order, null, nesting.
pub(super) fn value() -> Value {
    json!({
        "z": [u64::MAX, i64::MIN, 0, -0.0, 0.1, 0.300_000_000_000_000_04, 5e-324, f64::MAX],
        "hard": [122.416_294_033_786_59, 1.234_567_890_123_456_7e-300, 9_007_199_254_740_993.0],
        "a": {"nested": {"": null}, TEXT: [[], {}, false]},
        "m": TEXT,
    })
}

fn object() -> Map<String, Value> {
    value().as_object().cloned().unwrap_or_default()
}

fn error() -> ErrorData {
    ErrorData {
        code: ErrorCode::Model,
        id: Some(ErrorId::MODEL_OVERLOADED),
        message: TEXT.to_owned(),
        retryable: true,
        causes: vec!["connection lost".to_owned(), TEXT.to_owned()],
        retry_after_ms: Some(u64::MAX),
        hint: Some("try again".to_owned()),
        ..ErrorData::default()
    }
}

fn usage() -> Usage {
    Usage { input_tokens: Some(u64::MAX), output_tokens: Some(0), ..Usage::default() }
}

fn patches() -> Vec<Patch> {
    vec![
        Patch::set("gone", Value::Null),
        Patch::append("list", value()),
        Patch::merge("object", object()),
        Patch::increment("visits", -3),
    ]
}

fn media() -> Media {
    Media::bytes(MediaKind::Image, vec![0, 159, 146, 150, 255]).with_name(TEXT)
}

/// A file of bytes that are not text, with all its optional fields.
fn file() -> Media {
    let file = Media::bytes(MediaKind::File, vec![0, 159, 146, 150, 255, 13, 10]);
    file.with_mime("application/x-odd; a=\"ä\"").with_name("odd ä.bin")
}

fn end() -> End {
    End { status: StepStatus::Failed, error: Some(error().into()) }
}

fn call(arguments: Arguments) -> ToolCall {
    ToolCall { id: "call-1".to_owned(), name: "look_up".to_owned(), arguments }
}

fn outcome(is_error: bool) -> ToolOutcome {
    let (call_id, name) = ("call-1".to_owned(), "look_up".to_owned());
    ToolOutcome {
        call_id,
        name,
        text: TEXT.to_owned(),
        is_error,
        outcome_unknown: is_error,
        media: Vec::new(),
        whole: None,
    }
}

fn requirement(kind: RequirementKind) -> Requirement {
    Requirement {
        id: TEXT.into(),
        path: "ä/b#2".into(),
        kind,
        message: TEXT.into(),
        due: Some(Timestamp(u64::MAX)),
        on_timeout: OnTimeout::Default(value().into()),
    }
}

fn reply(answer: Answer) -> Reply {
    Reply { requirement_id: "ä/b#2!".into(), answer, by: Some(TEXT.into()), timed_out: true }
}

/// The start of a run with all its optional fields.
pub(super) fn full_start(start: &WorkflowStarted) -> EventKind {
    EventKind::WorkflowStarted(std::sync::Arc::new(WorkflowStarted {
        workflow_name: TEXT.into(),
        user_id: UserId::new("änne 🦀").ok(),
        input: RunInput {
            content: Content::from(value()),
            media: vec![media(), file(), Media::url(MediaKind::File, "https://example.org/?q=ä")],
            additional_data: object(),
        }
        .into(),
        state: object().into(),
        patches: patches(),
        metadata: object(),
        debug: true,
        timeout_ms: Some(u64::MAX),
        ..start.clone()
    }))
}

/// One event of each recorded kind that neither starts nor ends a run.
pub(super) fn middle() -> Vec<EventKind> {
    use EventKind as E;
    let output = StepOutput {
        content: Content::from(value()),
        media: vec![media(), file()],
        patches: patches(),
        stop: true,
        headed: true,
        usage: usage(),
        files: vec![WorkspaceFile { path: TEXT.into(), bytes: u64::MAX, sha256: "".into() }],
    };
    let answer = AssistantTurn {
        parts: vec![
            Part::Text { text: TEXT.to_owned() },
            Part::Reasoning { text: String::new() },
            Part::Media { media: media() },
            Part::ToolCall(call(Arguments::json(value()))),
            Part::ToolCall(call(Arguments::Invalid("{\"half\":".to_owned()))),
        ],
        native: Some(Native { adapter: "test/1".to_owned(), data: value().into() }),
    };
    let status = StepStatus::Completed;
    vec![
        E::StepStarted { executor_type: ExecutorType::Agent, executor_name: TEXT.into() },
        E::StepAttemptStarted { attempt: 2 },
        E::StepRetrying { attempt: 1, error: error().into(), delay_ms: u64::MAX },
        E::StepCompleted { output: output.into() },
        E::StepCompleted { output: StepOutput::default().into() },
        E::StepError { error: error().into(), attempts: u32::MAX, continues: true },
        E::StepSkipped { error: error().into(), attempts: 2 },
        E::StepCancelled { partial: TEXT.into() },
        E::StepCancelled { partial: Content::default() },
        E::WorkflowStopping { status: RunStatus::Cancelled, reason: TEXT.into() },
        E::WorkflowPaused { until: None },
        E::WorkflowPaused { until: Some(Timestamp(u64::MAX)) },
        E::WorkflowContinued { driver: TEXT.into(), digest: None },
        E::WorkflowContinued { driver: TEXT.into(), digest: Some(TEXT.into()) },
        E::WorkflowRetried { steps: vec!["a/b#2".into()], withdrawn: vec!["a!review".into()] },
        E::StepPaused {
            requirement: requirement(RequirementKind::Confirmation { input: TEXT.into() }).into(),
        },
        E::RouterPaused {
            requirement: requirement(RequirementKind::RouteSelection {
                choices: ["web".into(), TEXT.into()].into(),
                multiple: true,
            })
            .into(),
        },
        E::StepOutputReview {
            requirement: requirement(RequirementKind::OutputReview {
                output: StepOutput { content: value().into(), ..StepOutput::default() }.into(),
                attempts: 2,
                retries: true,
            })
            .into(),
        },
        E::StepExecutorPaused {
            requirement: requirement(RequirementKind::ToolConfirmation {
                tool: call(Arguments::json(value())).into(),
            })
            .into(),
        },
        E::StepExecutorPaused {
            requirement: requirement(RequirementKind::ExternalExecution {
                tool: TEXT.into(),
                arguments: value().into(),
            })
            .into(),
        },
        E::StepContinued { reply: reply(Answer::submit(value())).into() },
        E::StepExecutorContinued { reply: reply(Answer::Elapsed).into() },
        E::DeadlineSet { requirement: requirement(RequirementKind::Deadline).into() },
        E::DeadlinePassed { reply: reply(Answer::Elapsed).into() },
        E::AnswerRefused {
            refused: Box::new(RefusedAnswer {
                reply: reply(Answer::Approve),
                due: Timestamp(1),
                came: Timestamp(u64::MAX),
            }),
        },
        E::StepRecorded { key: TEXT.into(), value: value() },
        E::StepEffectStarted { key: TEXT.into() },
        E::StepEffectFailed { key: TEXT.into(), error: error().into() },
        E::StepProcessStarted {
            process: Box::new(ProcessGroup {
                machine: TEXT.into(),
                group: u32::MAX,
                began: u64::MAX,
                parent: TEXT.into(),
            }),
        },
        E::StepPaused {
            requirement: requirement(RequirementKind::Permission {
                effect: TEXT.into(),
                rule: Some("shell: git *".into()),
                for_run: true,
            })
            .into(),
        },
        E::StepPaused {
            requirement: requirement(RequirementKind::Budget {
                scope: "ä/b#2".into(),
                of_session: true,
                limit: Limit::Usd,
                used: u64::MAX,
                of: 7,
            })
            .into(),
        },
        E::StepPaused {
            requirement: requirement(RequirementKind::Event {
                name: "order.paid".into(),
                key: Some(TEXT.into()),
                condition: Some(Box::new(EventMatch::field("order").is(value()))),
            })
            .into(),
        },
        E::StepContinued {
            reply: reply(Answer::Event { id: TEXT.into(), payload: value() }).into(),
        },
        E::StepContinued { reply: reply(Answer::Always).into() },
        E::EffectJudged {
            effect: TEXT.into(),
            verdict: Verdict::Deny,
            rule: Some(TEXT.into()),
            by: "the user".into(),
        },
        E::GuardrailJudged {
            judged: Box::new(Judged {
                guardrail: TEXT.into(),
                place: GuardPlace::AfterTool,
                tool: Some(TEXT.into()),
                key: "after_tool/1/a/0:00".into(),
                verdict: GuardVerdict::rewrite(TEXT),
                usage: usage(),
                cost: None,
            }),
        },
        E::GuardrailJudged {
            judged: Box::new(Judged {
                guardrail: "length".into(),
                place: GuardPlace::BeforeStep,
                tool: None,
                key: "before_step/1/1/0:00".into(),
                verdict: GuardVerdict::Allow,
                usage: Usage::default(),
                cost: None,
            }),
        },
        E::WorkflowQueued { key: TEXT.into(), max: u32::MAX, ahead: 3 },
        E::WorkflowAdmitted,
        E::WorkflowHandedOver { queues: vec![TEXT.into()], served: Vec::new() },
        E::DeciderRecorded {
            fact: Box::new(E::RunCompleted { content: TEXT.into(), usage: usage() }),
        },
        E::BudgetWarning { of_session: true, limit: Limit::Tokens, used: 8, of: u64::MAX },
        begins(ContainerKind::Steps, Decision::Count(3)),
        ends(ContainerKind::Steps, Turns::default(), status.into()),
        begins(ContainerKind::Parallel, Decision::Names(["web".into(), TEXT.into()].into())),
        ends(ContainerKind::Parallel, Turns::default(), end()),
        begins(ContainerKind::Loop, Decision::AtMost(3)),
        begins(ContainerKind::Iteration, Decision::Turn { number: 1, at_most: Some(3) }),
        ends(
            ContainerKind::Iteration,
            Turns { number: 1, should_continue: true, exhausted: false },
            end(),
        ),
        ends(
            ContainerKind::Loop,
            Turns { number: 1, should_continue: false, exhausted: true },
            status.into(),
        ),
        begins(
            ContainerKind::Condition,
            Decision::Holds { holds: Some(true), branch: Some("if".into()) },
        ),
        begins(ContainerKind::Condition, Decision::Holds { holds: None, branch: None }),
        ends(ContainerKind::Condition, Turns::default(), end()),
        begins(ContainerKind::Router, Decision::Names([].into())),
        ends(ContainerKind::Router, Turns::default(), end()),
        begins(
            ContainerKind::Map,
            Decision::Items {
                items: [Content::from(value()), TEXT.into(), Content::default()].into(),
                concurrency: 2,
            },
        ),
        begins(ContainerKind::Item, Decision::Turn { number: 1, at_most: None }),
        ends(ContainerKind::Item, Turns { number: 1, ..Turns::default() }, end()),
        ends(ContainerKind::Map, Turns::default(), status.into()),
        begins(ContainerKind::OnFailure, Decision::Count(1)),
        ends(ContainerKind::OnFailure, Turns::default(), end()),
        begins(ContainerKind::Finally, Decision::Count(2)),
        ends(ContainerKind::Finally, Turns::default(), status.into()),
        begins(ContainerKind::Undo, Decision::Count(0)),
        ends(ContainerKind::Undo, Turns::default(), end()),
        E::RunStarted {
            agent: TEXT.into(),
            model: "openai:gpt".into(),
            notice: Some(TEXT.into()),
            message: value().into(),
        },
        E::ModelRequestStarted { turn: 1, reserved: Some([u64::MAX, 7]), purpose: None },
        E::ModelRequestStarted {
            turn: 2,
            reserved: None,
            purpose: Some(RequestPurpose::SessionSummary),
        },
        E::ModelRequestRetrying {
            turn: 1,
            attempt: 2,
            error: error().into(),
            delay_ms: 7,
            usage: usage(),
        },
        E::ModelRequestCompleted {
            turn: 1,
            answer: answer.into(),
            stop: StopReason::Other(TEXT.to_owned()),
            usage: usage(),
            warning: Some(TEXT.into()),
            hosted_tools: vec!["web_search".into()],
            model: Some(TEXT.into()),
            cost: Some(Cost::usd(0.000_123)),
            purpose: Some(RequestPurpose::SessionSummary),
        },
        E::ModelRequestInterrupted { turn: 2, partial: TEXT.into() },
        E::MessageReceived {
            message: Box::new(SentMessage {
                id: "m-1".into(),
                text: TEXT.into(),
                mode: SendMode::Interrupt,
                to: Some("ä/b#2".into()),
                by: Some(TEXT.into()),
            }),
        },
        E::ToolCallStarted { tool: call(Arguments::json(value())).into() },
        E::ToolCallCompleted { tool: outcome(false).into() },
        E::ToolCallError { tool: outcome(true).into(), error: None },
        E::ToolCallError { tool: outcome(true).into(), error: Some(error().into()) },
        E::RunCompleted { content: TEXT.into(), usage: usage() },
        E::ContextAdded { source: TEXT.into(), text: TEXT.into() },
        E::CompressionCompleted {
            compressed: Box::new(Compressed {
                method: "summary".into(),
                until: u64::MAX,
                tokens_before: 9,
                tokens_after: 7,
                summary: Some(TEXT.into()),
            }),
        },
        E::SessionSummaryCompleted { summary: TEXT.into() },
        E::MemoryUpdateCompleted {
            changes: vec![
                MemoryChange::Add {
                    memory_id: "m-1".into(),
                    memory: TEXT.into(),
                    topics: vec![TEXT.into()],
                },
                MemoryChange::Edit { memory_id: "m-2".into(), memory: TEXT.into(), topics: None },
                MemoryChange::Remove { memory_id: "m-3".into() },
            ],
        },
        E::MemoryUpdateCompleted { changes: Vec::new() },
        E::RunError { error: error().into(), usage: usage() },
    ]
}

/// One event of each kind that ends a run.
pub(super) fn terminal() -> Vec<EventKind> {
    vec![
        EventKind::WorkflowCompleted { content: value().into(), stopped_at: None },
        EventKind::WorkflowCompleted { content: value().into(), stopped_at: Some("ä/b#2".into()) },
        EventKind::WorkflowError {
            error: error().into(), step: Some("ä/b#2".into()), attempts: 3
        },
        EventKind::WorkflowError { error: error().into(), step: None, attempts: 0 },
        EventKind::WorkflowCancelled { reason: TEXT.into() },
    ]
}

fn begins(kind: ContainerKind, decision: Decision) -> EventKind {
    EventKind::ContainerStarted { kind, decision }
}

fn ends(kind: ContainerKind, turns: Turns, end: End) -> EventKind {
    EventKind::ContainerCompleted { kind, turns, end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use stepwright_core::event::NAMES;

    #[test]
    fn there_is_a_sample_of_every_kind_that_is_remembered() {
        let deltas = [
            "StepOutput",
            "StepProgress",
            "RunContent",
            "ReasoningContentDelta",
            "ToolCallArgumentsDelta",
            "RunContentCompleted",
            "CustomEvent",
        ];
        let facts = middle().into_iter().chain(terminal());
        let mut covered: BTreeSet<_> = facts.map(|fact| fact.name()).collect();
        // These begin runs: the cases of runs and of forks have them.
        covered.extend(["WorkflowStarted", "WorkflowForked"]);
        covered.extend(deltas);
        assert_eq!(covered, NAMES.iter().copied().collect());
    }
}
