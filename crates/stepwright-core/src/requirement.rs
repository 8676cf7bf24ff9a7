//! The pending requests of a paused run, and the answers to them.

use crate::awaited::EventMatch;
use crate::budget::Limit;
use crate::content::Content;
use crate::failure::ErrorData;
use crate::form;
use crate::message::ToolCall;
use crate::path::StepPath;
use crate::step::StepOutput;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// A pending request: a run waits for an answer from a person, or for a timer.
///
/// ```
/// use stepwright_core::requirement::{Answer, Requirement, RequirementKind};
/// let publish = Requirement {
///     id: "Publish!confirm".into(),
///     path: "Publish".into(),
///     kind: RequirementKind::Confirmation { input: "a draft".into() },
///     message: "Publish it?".into(),
///     due: None,
///     on_timeout: Default::default(),
/// };
/// assert!(publish.check(&Answer::Approve).is_ok());
/// let why = publish.check(&Answer::Skip).unwrap_err();
/// assert_eq!(why, "`Publish!confirm` can be answered with approve or reject, and not with skip");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Requirement {
    /// The id, unique within its run, and the same whenever the run is resumed.
    pub id: Arc<str>,
    /// The path of the step, the container or the turn that waits.
    pub path: StepPath,
    /// The kind of the request.
    #[serde(flatten)]
    pub kind: RequirementKind,
    /// The question for a person.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Arc<str>,
    /// The deadline. When it has passed, [`Requirement::on_timeout`] applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The answer to use if none arrives in time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_timeout: OnTimeout,
}

fn is_default(on_timeout: &OnTimeout) -> bool {
    *on_timeout == OnTimeout::default()
}

/// The kind of a pending request.
///
/// ```
/// use stepwright_core::requirement::{Requirement, RequirementKind};
/// /// Returns the widget that a user interface shows.
/// fn field(asked: &Requirement) -> &'static str {
///     match asked.kind {
///         RequirementKind::UserInput { .. } => "a form",
///         RequirementKind::RouteSelection { .. } => "a list",
///         _ => "two buttons",
///     }
/// }
/// # let asked: Requirement = serde_json::from_str(
/// #     r#"{"id": "a!confirm", "path": "a", "requires": "confirmation"}"#).unwrap();
/// # assert_eq!(field(&asked), "two buttons");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "requires", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequirementKind {
    /// A confirmation.
    Confirmation {
        /// The input of the step, the container or the run.
        #[serde(default, skip_serializing_if = "Content::is_empty")]
        input: Content,
    },
    /// A form to fill in.
    UserInput {
        /// The JSON Schema of the answer, as far as [`form::mistakes`] goes.
        schema: Arc<Value>,
    },
    /// A choice between routes.
    RouteSelection {
        /// The routes.
        choices: Arc<[Arc<str>]>,
        /// `true` if more than one may be chosen.
        multiple: bool,
    },
    /// A review of an output.
    OutputReview {
        /// The output.
        output: Arc<StepOutput>,
        /// The number of attempts so far.
        attempts: u32,
        /// `true` if a rejection starts another attempt.
        retries: bool,
    },
    /// A review of a turn of a loop.
    IterationReview {
        /// The output of the turn.
        content: Content,
        /// The number of the turn.
        iteration: u32,
        /// The maximum number of turns.
        max_iterations: u32,
    },
    /// A confirmation of a tool call.
    ToolConfirmation {
        /// The call.
        tool: Box<ToolCall>,
    },
    /// A call of a tool that the caller of the run carries out, because the program has no code for
    /// it. The answers are [`Answer::Submit`] with the result, which the model reads, and
    /// [`Answer::Reject`] with the reason that there is none, which it reads too.
    ExternalExecution {
        /// The name of the tool.
        tool: Arc<str>,
        /// Its arguments.
        arguments: Arc<Value>,
    },
    /// A value that a function waits for. See [`StepContext::wait`](crate::StepContext::wait).
    Wait {
        /// The JSON Schema of the answer, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Arc<Value>>,
    },
    /// An event from outside. See [`StepContext::wait_for`](crate::StepContext::wait_for). The
    /// answer is [`Answer::Event`], which the sender of an event leaves. People give none.
    Event {
        /// The name of the event, such as `order.paid`.
        name: Arc<str>,
        /// The key that the event must have.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Arc<str>>,
        /// The condition that the payload of the event must meet.
        #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
        condition: Option<Box<EventMatch>>,
    },
    /// A decision about a failure.
    ErrorDecision {
        /// The failure.
        error: Box<ErrorData>,
        /// The number of attempts.
        attempts: u32,
        /// `true` if it can be retried. Containers cannot, but their steps can.
        retries: bool,
    },
    /// A decision about an interrupted effect. It had begun when its process died, or its request
    /// timed out after it was sent, so its outcome is unknown. The answers are [`Answer::Submit`]
    /// (it happened, and this is its output), [`Answer::Retry`] (it did not happen, run it) and
    /// [`Answer::Reject`] (give up and fail).
    Interrupted {
        /// The effect as displayed: `step Deploy`, `tool call charge`.
        effect: Arc<str>,
        /// The attempt that was running, from 1.
        attempt: u32,
    },
    /// A permission for an effect. See [`Permissions`](crate::permission::Permissions). The answers
    /// are [`Answer::Approve`] for this time, [`Answer::Always`] for the rest of the session or of
    /// the run, and [`Answer::Reject`].
    Permission {
        /// The effect, such as `shell: git push`.
        effect: Arc<str>,
        /// The rule that [`Answer::Always`] remembers. `None` if no rule describes the effect.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<Arc<str>>,
        /// `true` if the rule holds for the run alone, because it names a file in a folder that is
        /// made for the run.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        for_run: bool,
    },
    /// More of a budget that is spent. The answers are [`Answer::Approve`] for the same amount
    /// again, [`Answer::Submit`] for another amount, in tokens, US dollars, seconds or calls, and
    /// [`Answer::Reject`].
    Budget {
        /// The path that the budget belongs to. The root for the budget of the run.
        scope: StepPath,
        /// `true` for the budget of the session.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        of_session: bool,
        /// The limit that is reached.
        limit: Limit,
        /// The amount that is used and reserved, in the unit of the limit.
        used: u64,
        /// The whole amount.
        of: u64,
    },
    /// A timer. It needs no answer.
    Sleep,
    /// The deadline of a container. It needs no answer.
    Deadline,
}

/// The parts of a requirement's id: the path that asks, the kind of question, and its name.
///
/// As text: `publish!confirm`, `review!wait:editor`, `outer/pay!once:charge`.
///
/// ```
/// use stepwright_core::requirement::RequirementId;
/// let id = RequirementId::named("review", "wait", "editor");
/// assert_eq!(id.to_string(), "review!wait:editor");
/// assert_eq!(RequirementId::parse("review!wait:editor", &"review".into()), Some(id));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequirementId {
    /// The path of the step, container or tool call that asks.
    pub path: StepPath,
    /// The kind of question, such as `confirm` or `wait`.
    pub kind: Arc<str>,
    /// The name of the question, or its number if the path asks several times.
    pub name: Option<Arc<str>>,
}

impl RequirementId {
    /// Creates the id of a question without a name.
    pub fn new(path: impl Into<StepPath>, kind: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), kind: kind.into(), name: None }
    }

    /// Creates the id of a question with a name.
    pub fn named(
        path: impl Into<StepPath>,
        kind: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
    ) -> Self {
        Self { name: Some(name.into()), ..Self::new(path, kind) }
    }

    /// Parses the id of a requirement with this path. Returns `None` if the id belongs to another
    /// path or has no kind.
    ///
    /// The path is needed because the names of steps and questions may contain `!` and `:`.
    pub fn parse(id: &str, path: &StepPath) -> Option<Self> {
        let question = id.strip_prefix(path.as_str())?.strip_prefix('!')?;
        let (kind, name) = match question.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (question, None),
        };
        (!kind.is_empty()).then(|| Self {
            path: path.clone(),
            kind: kind.into(),
            name: name.map(Into::into),
        })
    }
}

/// The id as text, as a requirement has it.
impl From<RequirementId> for Arc<str> {
    fn from(id: RequirementId) -> Self {
        id.to_string().into()
    }
}

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}", self.path, self.kind)?;
        match &self.name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

/// The answer to use if none arrives in time.
///
/// ```
/// use stepwright_core::{HumanReview, OnTimeout};
/// let review = HumanReview::new()
///     .requires_confirmation("Publish it?")
///     .timeout(std::time::Duration::from_secs(60))
///     .on_timeout(OnTimeout::Reject);
/// assert_eq!(review.on_timeout, Some(OnTimeout::Reject));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnTimeout {
    /// The step fails.
    #[default]
    Fail,
    /// Approve. For a failed step: skip it.
    Approve,
    /// Reject.
    Reject,
    /// Use this value as the answer.
    Default(Arc<Value>),
}

/// The answer to a [`Requirement`].
///
/// As JSON: `{"decision": "approve"}`, `{"decision": "reject", "feedback": "too long"}`,
/// `{"decision": "edit", "content": "…"}`, `{"decision": "submit", "value": {…}}`,
/// `{"decision": "select", "choices": ["blog"]}`, `{"decision": "retry"}`, `{"decision": "skip"}`,
/// `{"decision": "always"}`.
///
/// ```
/// use stepwright_core::Answer;
/// let answer: Answer = serde_json::from_str(r#"{"decision": "reject", "feedback": "too long"}"#)?;
/// assert_eq!(answer, Answer::reject("too long"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// Yes. For a turn of a loop: the loop ends.
    Approve,
    /// Yes, now and for the rest of the session. For a permission.
    Always,
    /// No. For a turn of a loop: run another turn.
    Reject {
        /// The reason, and what to improve.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback: Option<Arc<str>>,
    },
    /// Yes, with changes. For a tool call: with these arguments.
    Edit {
        /// The new content.
        content: Content,
    },
    /// The values of a form, or the value that a function waits for.
    Submit {
        /// The answer.
        value: Value,
    },
    /// A choice of routes.
    Select {
        /// The names of the routes, in the order in which they run.
        choices: Vec<Arc<str>>,
    },
    /// Retry the failed step.
    Retry,
    /// Skip the failed step.
    Skip,
    /// The event that the run waits for. Only senders of events give this answer: see
    /// [`RequirementKind::Event`].
    Event {
        /// The id of the event.
        id: Arc<str>,
        /// The payload of the event.
        payload: Value,
    },
    /// The time has passed. Only the engine gives this answer.
    Elapsed,
}

impl Answer {
    /// Creates a rejection with feedback.
    pub fn reject(feedback: impl Into<Arc<str>>) -> Self {
        Self::Reject { feedback: Some(feedback.into()) }
    }

    /// Creates an approval with changes.
    pub fn edit(content: impl Into<Content>) -> Self {
        Self::Edit { content: content.into() }
    }

    /// Creates an answer with the values of a form, or the value that a function waits for.
    #[doc(alias = "set_user_input")]
    pub fn submit(value: impl Into<Value>) -> Self {
        Self::Submit { value: value.into() }
    }

    /// Creates a choice of routes.
    pub fn select<N: Into<Arc<str>>>(choices: impl IntoIterator<Item = N>) -> Self {
        Self::Select { choices: choices.into_iter().map(Into::into).collect() }
    }

    /// Returns the decision as a word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Always => "always",
            Self::Reject { .. } => "reject",
            Self::Edit { .. } => "edit",
            Self::Submit { .. } => "submit",
            Self::Select { .. } => "select",
            Self::Retry => "retry",
            Self::Skip => "skip",
            Self::Event { .. } => "event",
            Self::Elapsed => "elapsed",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Requirement {
    /// Returns the parts of its id, or `None` if the id was not built from [`Requirement::path`].
    pub fn id_parts(&self) -> Option<RequirementId> {
        RequirementId::parse(&self.id, &self.path)
    }

    /// Returns `true` if a person must answer. Timers, deadlines and events need no person.
    pub fn needs_person(&self) -> bool {
        self.needs_answer() && !self.is_event()
    }

    /// Returns `true` if the run waits for an answer or an event, and not only until a moment.
    ///
    /// ```
    /// use stepwright_core::Requirement;
    /// let asked = |kind: &str| -> Requirement {
    ///     serde_json::from_str(&format!(r#"{{"id": "a!x", "path": "a", {kind}}}"#)).unwrap()
    /// };
    /// let event = asked(r#""requires": "event", "name": "order.paid""#);
    /// assert!(event.needs_answer() && !event.needs_person());
    /// assert!(!asked(r#""requires": "sleep""#).needs_answer());
    /// ```
    pub fn needs_answer(&self) -> bool {
        !matches!(self.kind, RequirementKind::Sleep | RequirementKind::Deadline)
    }

    /// Returns `true` if it is an event that the run waits for.
    pub fn is_event(&self) -> bool {
        matches!(self.kind, RequirementKind::Event { .. })
    }

    /// Returns the words of the valid answers of people.
    pub fn answers(&self) -> &'static [&'static str] {
        use RequirementKind as K;
        match self.kind {
            K::Confirmation { .. } => &["approve", "reject"],
            K::UserInput { .. } | K::Wait { .. } | K::ExternalExecution { .. } => {
                &["submit", "reject"]
            }
            K::RouteSelection { .. } => &["select", "reject"],
            K::OutputReview { .. } | K::IterationReview { .. } | K::ToolConfirmation { .. } => {
                &["approve", "edit", "reject"]
            }
            K::Interrupted { .. } => &["submit", "retry", "reject"],
            K::ErrorDecision { retries: true, .. } => &["retry", "skip", "reject"],
            K::ErrorDecision { retries: false, .. } => &["skip", "reject"],
            K::Permission { rule: Some(_), .. } => &["approve", "always", "reject"],
            K::Permission { rule: None, .. } => &["approve", "reject"],
            K::Budget { .. } => &["approve", "submit", "reject"],
            K::Event { .. } | K::Sleep | K::Deadline => &[],
        }
    }

    /// Checks an answer, also one that only the sender of an event gives.
    ///
    /// # Errors
    /// Returns a message about the mistake in the answer.
    pub fn check(&self, answer: &Answer) -> Result<(), String> {
        let (id, known) = (&self.id, self.answers());
        if let RequirementKind::Event { name, .. } = &self.kind {
            return match answer {
                Answer::Event { .. } => Ok(()),
                _ => Err(format!("`{id}` waits for the event `{name}`, and takes no answer")),
            };
        }
        if known.is_empty() {
            return Err(format!("`{id}` waits for a moment, and takes no answer"));
        }
        if !known.contains(&answer.word()) {
            let (last, others) = known.split_last().expect("it is not empty");
            let known = match others {
                [] => (*last).to_owned(),
                others => format!("{} or {last}", others.join(", ")),
            };
            return Err(format!("`{id}` can be answered with {known}, and not with {answer}"));
        }
        match (&self.kind, answer) {
            (
                RequirementKind::UserInput { schema }
                | RequirementKind::Wait { schema: Some(schema) },
                Answer::Submit { value },
            ) => {
                let mut value = value.clone();
                let filled = form::fill_in(schema, &mut value);
                filled.map_err(|error| format!("the form of `{id}` cannot be used: {error}"))?;
                let mistakes = form::mistakes(schema, &value);
                if mistakes.is_empty() {
                    return Ok(());
                }
                Err(format!("the answer to `{id}` does not fit: {}", mistakes.join("; ")))
            }
            (
                RequirementKind::RouteSelection { choices, multiple },
                Answer::Select { choices: chosen },
            ) => check_choice(id, choices, *multiple, chosen),
            (RequirementKind::ToolConfirmation { .. }, Answer::Edit { content }) => {
                match content.to_value() {
                    Value::Object(_) => Ok(()),
                    _ => Err(format!("the arguments of the call in `{id}` must be an object")),
                }
            }
            (RequirementKind::Budget { limit, .. }, Answer::Submit { value }) => {
                match limit.amount_of(value) {
                    Some(_) => Ok(()),
                    None => Err(format!("the answer to `{id}` must be a number above zero")),
                }
            }
            _ => Ok(()),
        }
    }

    /// Returns the answer with the `default` of each missing property of the form. An answer that
    /// [`Requirement::check`] refuses is returned as it is.
    pub fn filled_in(&self, answer: &Answer) -> Answer {
        let mut answer = answer.clone();
        if let (
            RequirementKind::UserInput { schema } | RequirementKind::Wait { schema: Some(schema) },
            Answer::Submit { value },
        ) = (&self.kind, &mut answer)
        {
            let mut filled = value.clone();
            if form::fill_in(schema, &mut filled).is_ok() {
                *value = filled;
            }
        }
        answer
    }

    /// Returns the answer to use at the deadline. `None` means that the step fails.
    pub fn at_timeout(&self) -> Option<Answer> {
        use RequirementKind as K;
        match (&self.kind, &self.on_timeout) {
            (K::Sleep | K::Deadline, _) => Some(Answer::Elapsed),
            (_, OnTimeout::Fail) => None,
            (K::ErrorDecision { .. }, OnTimeout::Approve) => Some(Answer::Skip),
            (_, OnTimeout::Approve) => Some(Answer::Approve),
            (_, OnTimeout::Reject) => {
                Some(Answer::Reject { feedback: Some("no answer came in time".into()) })
            }
            (K::RouteSelection { .. }, OnTimeout::Default(value)) => {
                serde_json::from_value(Value::clone(value))
                    .ok()
                    .map(|choices| Answer::Select { choices })
            }
            (K::OutputReview { .. } | K::IterationReview { .. }, OnTimeout::Default(value)) => {
                Some(Answer::edit(Value::clone(value)))
            }
            (_, OnTimeout::Default(value)) => {
                Some(self.filled_in(&Answer::Submit { value: Value::clone(value) }))
            }
        }
    }
}

fn check_choice(
    id: &str,
    choices: &[Arc<str>],
    multiple: bool,
    chosen: &[Arc<str>],
) -> Result<(), String> {
    if chosen.len() > 1 && !multiple {
        return Err(format!("`{id}` takes one choice, and not {}", chosen.len()));
    }
    for (place, name) in chosen.iter().enumerate() {
        if !choices.contains(name) {
            let known: Vec<String> = choices.iter().map(|name| format!("`{name}`")).collect();
            return Err(format!("`{name}` is no choice of `{id}`: there are {}", known.join(", ")));
        }
        if chosen[..place].contains(name) {
            return Err(format!("`{name}` is chosen twice for `{id}`"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_parsed_into_what_it_is_displayed_from() {
        for (path, id, kind, name) in [
            ("a", "a!confirm", "confirm", None),
            ("a/b#2", "a/b#2!review:3", "review", Some("3")),
            ("outer/pay#1", "outer/pay#1!confirm@2", "confirm@2", None),
            ("a", "a!once2:b!wait:c", "once2", Some("b!wait:c")),
            ("hi!wait:x", "hi!wait:x!wait:editor", "wait", Some("editor")),
            ("a", "a!wait:", "wait", Some("")),
        ] {
            let path = StepPath::from(path);
            let parsed = RequirementId::parse(id, &path).unwrap();
            assert_eq!((&*parsed.kind, parsed.name.as_deref()), (kind, name), "{id}");
            assert_eq!((parsed.to_string(), &parsed.path), (id.to_owned(), &path));
        }
    }

    #[test]
    fn an_id_of_another_path_or_without_a_kind_is_not_parsed() {
        for id in ["b!confirm", "a/b!confirm", "a", "a!", "a!:name", ""] {
            assert_eq!(RequirementId::parse(id, &"a".into()), None, "{id}");
        }
    }
}
