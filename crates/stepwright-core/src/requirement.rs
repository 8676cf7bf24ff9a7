//! What a paused run waits for, and what can be answered.

use crate::content::Content;
use crate::error::ErrorData;
use crate::executor::StepOutput;
use crate::form;
use crate::message::ToolCall;
use crate::path::StepPath;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// Something that a run waits for: a person's word, or a moment.
///
/// ```
/// use stepwright_core::requirement::{Answer, Requirement, RequirementKind};
/// let publish = Requirement {
///     id: "Publish!confirm".into(),
///     path: "Publish".into(),
///     kind: RequirementKind::Confirmation,
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
    /// Which one: unique within its run, and the same whenever the run is taken up again.
    pub id: Arc<str>,
    /// What waits: a step, a container, a turn of a loop.
    pub path: StepPath,
    /// What for.
    #[serde(flatten)]
    pub kind: RequirementKind,
    /// What a person is asked.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub message: Arc<str>,
    /// Until when. Then [`Requirement::on_timeout`] counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What counts as the answer if nobody gives one in time.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_timeout: OnTimeout,
}

fn is_default(on_timeout: &OnTimeout) -> bool {
    *on_timeout == OnTimeout::default()
}

/// What is waited for.
///
/// ```
/// use stepwright_core::requirement::{Requirement, RequirementKind};
/// /// What a form at a screen shows.
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
    /// That somebody allows it.
    Confirmation,
    /// What somebody fills into a form.
    UserInput {
        /// The JSON Schema of the answer, as far as [`form::mistakes`] goes.
        schema: Arc<Value>,
    },
    /// Which way to go.
    RouteSelection {
        /// The ways.
        choices: Arc<[Arc<str>]>,
        /// Whether more than one may be chosen.
        multiple: bool,
    },
    /// That somebody looks at what was given.
    OutputReview {
        /// What was given.
        output: Arc<StepOutput>,
        /// How many attempts it took so far.
        attempts: u32,
        /// Whether a rejection makes another attempt.
        retries: bool,
    },
    /// That somebody looks at what a turn of a loop gave.
    IterationReview {
        /// What it gave.
        content: Content,
        /// Which turn.
        iteration: u32,
        /// How many it may be.
        max_iterations: u32,
    },
    /// That somebody allows a call of a tool.
    ToolConfirmation {
        /// The call.
        tool: Box<ToolCall>,
    },
    /// What somebody says: see [`StepContext::wait`](crate::StepContext::wait).
    Wait {
        /// The JSON Schema of the answer, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        schema: Option<Arc<Value>>,
    },
    /// What to do about a failure.
    ErrorDecision {
        /// The failure.
        error: Box<ErrorData>,
        /// How often it was tried.
        attempts: u32,
        /// Whether it can be tried again. Containers cannot: their steps can.
        retries: bool,
    },
    /// A decision about an effect that had begun when its process died, or whose request timed
    /// out after it was sent: its outcome is unknown. The answers: [`Answer::Submit`] (it was done,
    /// and this is its output), [`Answer::Retry`] (it was not done: do it) and [`Answer::Reject`]
    /// (give up: it fails).
    Interrupted {
        /// The effect, as a person reads it: `step Deploy`, `tool call charge`.
        effect: Arc<str>,
        /// The attempt that was under way, counted from 1.
        attempt: u32,
    },
    /// Nobody: only the moment.
    Sleep,
    /// Nobody: the moment at which a container has taken too long.
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

impl fmt::Display for RequirementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}", self.path, self.kind)?;
        match &self.name {
            Some(name) => write!(f, ":{name}"),
            None => Ok(()),
        }
    }
}

/// What counts as the answer if nobody gives one in time.
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
    /// As if somebody had approved. What failed is passed over.
    Approve,
    /// As if somebody had rejected.
    Reject,
    /// This, as if somebody had said it.
    Default(Arc<Value>),
}

/// What somebody says to a [`Requirement`].
///
/// As JSON: `{"decision": "approve"}`, `{"decision": "reject", "feedback": "too long"}`,
/// `{"decision": "edit", "content": "…"}`, `{"decision": "submit", "value": {…}}`,
/// `{"decision": "select", "choices": ["blog"]}`, `{"decision": "retry"}`, `{"decision": "skip"}`.
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
    /// Yes. Of a turn of a loop: good enough, the loop ends.
    Approve,
    /// No. Of a turn of a loop: another one.
    Reject {
        /// Why, and what should be better.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback: Option<Arc<str>>,
    },
    /// Yes, but like this. Of a call of a tool: with these arguments.
    Edit {
        /// What counts in place of what was given.
        content: Content,
    },
    /// A form that is filled in; what a function waits for.
    Submit {
        /// The answer.
        value: Value,
    },
    /// Which way to go.
    Select {
        /// The names, in the order in which they run.
        choices: Vec<Arc<str>>,
    },
    /// Try again what has failed.
    Retry,
    /// Pass over what has failed.
    Skip,
    /// The moment has come. Nobody says this.
    Elapsed,
}

impl Answer {
    /// No, and why.
    pub fn reject(feedback: impl Into<Arc<str>>) -> Self {
        Self::Reject { feedback: Some(feedback.into()) }
    }

    /// Yes, but like this.
    pub fn edit(content: impl Into<Content>) -> Self {
        Self::Edit { content: content.into() }
    }

    /// A form that is filled in; what a function waits for.
    #[doc(alias = "set_user_input")]
    pub fn submit(value: impl Into<Value>) -> Self {
        Self::Submit { value: value.into() }
    }

    /// Which way to go.
    pub fn select<N: Into<Arc<str>>>(choices: impl IntoIterator<Item = N>) -> Self {
        Self::Select { choices: choices.into_iter().map(Into::into).collect() }
    }

    /// The word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject { .. } => "reject",
            Self::Edit { .. } => "edit",
            Self::Submit { .. } => "submit",
            Self::Select { .. } => "select",
            Self::Retry => "retry",
            Self::Skip => "skip",
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

    /// Whether somebody has to answer; otherwise it is only a moment.
    pub fn needs_person(&self) -> bool {
        !matches!(self.kind, RequirementKind::Sleep | RequirementKind::Deadline)
    }

    /// The words with which it can be answered.
    pub fn answers(&self) -> &'static [&'static str] {
        use RequirementKind as K;
        match self.kind {
            K::Confirmation => &["approve", "reject"],
            K::UserInput { .. } | K::Wait { .. } => &["submit", "reject"],
            K::RouteSelection { .. } => &["select", "reject"],
            K::OutputReview { .. } | K::IterationReview { .. } | K::ToolConfirmation { .. } => {
                &["approve", "edit", "reject"]
            }
            K::Interrupted { .. } => &["submit", "retry", "reject"],
            K::ErrorDecision { retries: true, .. } => &["retry", "skip", "reject"],
            K::ErrorDecision { retries: false, .. } => &["skip", "reject"],
            K::Sleep | K::Deadline => &[],
        }
    }

    /// Whether this can be its answer.
    ///
    /// # Errors
    /// What is wrong with the answer, for the one who gave it.
    pub fn check(&self, answer: &Answer) -> Result<(), String> {
        let (id, known) = (&self.id, self.answers());
        if known.is_empty() {
            return Err(format!("`{id}` waits for a moment, and for nobody"));
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
                form::fill_in(schema, &mut value);
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
            _ => Ok(()),
        }
    }

    /// The answer with the `default` of each property of the form that it leaves out.
    pub fn filled_in(&self, answer: &Answer) -> Answer {
        let mut answer = answer.clone();
        if let (
            RequirementKind::UserInput { schema } | RequirementKind::Wait { schema: Some(schema) },
            Answer::Submit { value },
        ) = (&self.kind, &mut answer)
        {
            form::fill_in(schema, value);
        }
        answer
    }

    /// What counts as the answer when nobody has given one in time. `None` means that it fails.
    pub fn at_timeout(&self) -> Option<Answer> {
        use RequirementKind as K;
        match (&self.kind, &self.on_timeout) {
            (K::Sleep | K::Deadline, _) => Some(Answer::Elapsed),
            (_, OnTimeout::Fail) => None,
            (K::ErrorDecision { .. }, OnTimeout::Approve) => Some(Answer::Skip),
            (_, OnTimeout::Approve) => Some(Answer::Approve),
            (_, OnTimeout::Reject) => {
                Some(Answer::Reject { feedback: Some("nobody answered in time".into()) })
            }
            (K::RouteSelection { .. }, OnTimeout::Default(value)) => {
                serde_json::from_value(Value::clone(value))
                    .ok()
                    .map(|choices| Answer::Select { choices })
            }
            (K::OutputReview { .. } | K::IterationReview { .. }, OnTimeout::Default(value)) => {
                Some(Answer::edit(Value::clone(value)))
            }
            (_, OnTimeout::Default(value)) => Some(Answer::Submit { value: Value::clone(value) }),
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
