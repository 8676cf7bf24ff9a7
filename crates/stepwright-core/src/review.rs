//! Human review: approvals, input and edits. Part of the plan of a workflow.

use crate::form;
use crate::plan::policies::{ErrorPolicy, OnError};
use crate::requirement::OnTimeout;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The default number of times that a rejected output is made again.
pub const REVIEW_RETRIES: u32 = 3;

/// The human review of a step or a container, before or after it runs.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::review::{HumanReview, OnReject};
/// use stepwright_core::requirement::OnTimeout;
/// let review = HumanReview::new()
///     .requires_confirmation("Publish it?")
///     .on_reject(OnReject::Cancel)
///     .timeout(Duration::from_secs(3600))
///     .on_timeout(OnTimeout::Reject);
/// assert_eq!(review.confirmation.as_deref(), Some("Publish it?"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[must_use = "a review does nothing until a step has it"]
pub struct HumanReview {
    /// The question of the confirmation before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Arc<str>>,
    /// The form to fill in before it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_input: Option<UserInput>,
    /// The question that replaces the function of a router: a person selects the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route_selection: Option<Arc<str>>,
    /// `true` if more than one route may be selected.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub multiple_selections: bool,
    /// The question of the review of its output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_review: Option<Arc<str>>,
    /// The question of the review of a loop's turn. Asked if another turn would follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iteration_review: Option<Arc<str>>,
    /// The effect of a rejection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_reject: Option<OnReject>,
    /// The number of times that a rejected output is made again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// The time to wait for an answer, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The answer to use after that time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
}

/// A form for a person.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::HumanReview;
/// let schema = json!({ "type": "object", "properties": { "tone": { "type": "string" } } });
/// let review = HumanReview::new().requires_user_input("How shall it sound?", schema);
/// assert_eq!(&*review.user_input.unwrap().message, "How shall it sound?");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UserInput {
    /// The question.
    pub message: Arc<str>,
    /// The JSON Schema of the answer, which must be an object. See [`form`].
    pub schema: Arc<Value>,
}

/// The effect of a rejection.
///
/// ```
/// use stepwright_core::{HumanReview, OnReject};
/// let review = HumanReview::new().requires_confirmation("Pay?").on_reject(OnReject::Cancel);
/// assert_eq!(review.on_reject, Some(OnReject::Cancel));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnReject {
    /// Skips the rejected step. The next step gets the output before it.
    Skip,
    /// Cancels the run.
    Cancel,
    /// Fails the rejected step.
    Fail,
    /// Runs the other branch. Only for a condition.
    Else,
    /// Makes the output again, with the feedback. Only for a review of an output.
    Retry,
}

impl HumanReview {
    /// Creates a review without questions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for a confirmation before it starts.
    pub fn requires_confirmation(mut self, message: impl Into<Arc<str>>) -> Self {
        self.confirmation = Some(message.into());
        self
    }

    /// Asks a person to fill in a form before it starts. Functions find the answer in
    /// [`StepInput::user_input`](crate::StepInput); agents get it in their prompt.
    pub fn requires_user_input(mut self, message: impl Into<Arc<str>>, schema: Value) -> Self {
        self.user_input = Some(UserInput { message: message.into(), schema: Arc::new(schema) });
        self
    }

    /// Asks a person to select the route of a router. Replaces its function.
    pub fn requires_route_selection(mut self, message: impl Into<Arc<str>>) -> Self {
        self.route_selection = Some(message.into());
        self
    }

    /// Allows the selection of more than one route.
    pub fn allow_multiple_selections(mut self) -> Self {
        self.multiple_selections = true;
        self
    }

    /// Asks for a review of the output.
    pub fn requires_output_review(mut self, message: impl Into<Arc<str>>) -> Self {
        self.output_review = Some(message.into());
        self
    }

    /// Asks for a review after each turn of a loop that another turn would follow. An approval ends
    /// the loop; a rejection starts another turn, which gets the feedback.
    pub fn requires_iteration_review(mut self, message: impl Into<Arc<str>>) -> Self {
        self.iteration_review = Some(message.into());
        self
    }

    /// Sets the effect of a rejection. By default a rejected step is skipped, a condition runs its
    /// other branch, and the output of a step is made again.
    pub fn on_reject(mut self, on_reject: OnReject) -> Self {
        self.on_reject = Some(on_reject);
        self
    }

    /// Sets the number of times that a rejected output is made again. The default is
    /// [`REVIEW_RETRIES`]. After that a rejection fails the step.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = Some(retries);
        self
    }

    /// Sets the time to wait for each answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Sets the answer to use if none arrives in time. By default the step fails.
    pub fn on_timeout(mut self, on_timeout: OnTimeout) -> Self {
        self.on_timeout = Some(on_timeout);
        self
    }

    /// Returns `true` if there are no questions.
    pub fn asks_nothing(&self) -> bool {
        self.confirmation.is_none()
            && self.user_input.is_none()
            && self.route_selection.is_none()
            && self.output_review.is_none()
            && self.iteration_review.is_none()
    }

    /// Returns the settings that are invalid for `about`, and those that would have no effect.
    ///
    /// ```
    /// use stepwright_core::HumanReview;
    /// use stepwright_core::plan::OnError;
    /// use stepwright_core::review::Reviewed;
    /// let review = HumanReview::new().requires_iteration_review("Enough?");
    /// let on_error = OnError::Fail.into();
    /// assert!(review.mistakes(&Reviewed::Loop, &on_error).is_empty());
    /// let wrong = review.mistakes(&Reviewed::Step, &on_error);
    /// assert_eq!(wrong[0].setting, "requires_iteration_review");
    /// assert_eq!(wrong[0].what, "only a loop has turns to review");
    /// ```
    pub fn mistakes(&self, about: &Reviewed<'_>, on_error: &ErrorPolicy) -> Vec<ReviewMistake> {
        let mut found = Vec::new();
        let mut wrong = |setting, what: &str, fix| {
            found.push(ReviewMistake { setting, what: what.to_owned(), fix });
        };
        // The timeout may belong to the question about a failure.
        let about_failure = on_error.may(OnError::Pause) && self.timeout_ms.is_some();
        if self.asks_nothing() && !about_failure {
            wrong(
                "human_review",
                "its human review asks for nothing",
                "say what is asked, or leave it out",
            );
        }
        if self.route_selection.is_some() && !matches!(about, Reviewed::Router(_)) {
            wrong(
                "requires_route_selection",
                "only of a router a route can be chosen",
                "leave out `requires_route_selection`",
            );
        }
        if self.multiple_selections && self.route_selection.is_none() {
            wrong(
                "allow_multiple_selections",
                "several routes may be chosen, but no person is asked to choose",
                "add `requires_route_selection`",
            );
        }
        if self.iteration_review.is_some() && *about != Reviewed::Loop {
            wrong(
                "requires_iteration_review",
                "only a loop has turns to review",
                "use `requires_output_review`",
            );
        }
        self.mistakes_of_rejections(about, &mut wrong);
        if self.timeout_ms == Some(0) {
            wrong("timeout", "it must be greater than zero", "give people more time");
        }
        self.mistakes_of_timeouts(about, &mut wrong);
        found
    }

    fn mistakes_of_rejections(
        &self,
        about: &Reviewed<'_>,
        wrong: &mut impl FnMut(&'static str, &str, &'static str),
    ) {
        let asks_before = self.confirmation.is_some()
            || self.user_input.is_some()
            || self.route_selection.is_some();
        let reject = self.on_reject;
        let no_else = *about != Reviewed::Condition || self.confirmation.is_none();
        if reject == Some(OnReject::Else) && no_else {
            wrong(
                "on_reject",
                "only a condition that is confirmed has other steps to do",
                "choose another `on_reject`",
            );
        } else if reject == Some(OnReject::Retry) && self.output_review.is_none() {
            wrong("on_reject", "only an output can be made again", "add `requires_output_review`");
        } else if reject.is_some() && !asks_before && self.output_review.is_none() {
            wrong(
                "on_reject",
                "nothing is asked that `on_reject` is about",
                "leave it out: a turn that is rejected is followed by another one",
            );
        }
        let again = reject == Some(OnReject::Retry) || self.max_retries.is_some();
        if self.output_review.is_some() && again && *about != Reviewed::Step {
            let setting = if reject == Some(OnReject::Retry) { "on_reject" } else { "max_retries" };
            wrong(
                setting,
                "a container is not done again when its output is rejected",
                "review its last step, or put it into a loop with `requires_iteration_review`",
            );
        } else if self.max_retries.is_some()
            && (self.output_review.is_none() || !matches!(reject, None | Some(OnReject::Retry)))
        {
            wrong("max_retries", "nothing is made again", "leave out `max_retries`");
        }
    }

    /// Returns the number of questions that can have a default answer.
    fn questions(&self) -> usize {
        let asked = [
            self.user_input.is_some(),
            self.route_selection.is_some(),
            self.output_review.is_some(),
            self.iteration_review.is_some(),
        ];
        asked.into_iter().filter(|asked| *asked).count()
    }

    fn mistakes_of_timeouts(
        &self,
        about: &Reviewed<'_>,
        wrong: &mut impl FnMut(&'static str, &str, &'static str),
    ) {
        let setting = "on_timeout";
        match (&self.on_timeout, self.timeout_ms) {
            (Some(_), None) => {
                wrong(setting, "`on_timeout` without a `timeout` does nothing", "add one");
            }
            (Some(OnTimeout::Approve), _)
                if self.user_input.is_some() || self.route_selection.is_some() =>
            {
                wrong(
                    setting,
                    "a form or a choice cannot be approved without an answer",
                    "give a default answer",
                );
            }
            (Some(OnTimeout::Default(_)), _) if self.confirmation.is_some() => {
                wrong(setting, "a confirmation has no default answer", "let it approve or reject");
            }
            (Some(OnTimeout::Default(_)), _) if self.asks_nothing() => {
                wrong(
                    setting,
                    "what to do about a failure has no default answer",
                    "let it approve, which passes the failure over, or reject",
                );
            }
            (Some(OnTimeout::Default(_)), _) if self.questions() > 1 => wrong(
                setting,
                "one default answer cannot be for several questions",
                "ask one of them of a container around this",
            ),
            (Some(OnTimeout::Default(value)), _) => {
                if let (Some(_), Reviewed::Router(known)) = (&self.route_selection, about) {
                    let chosen = serde_json::from_value::<Vec<String>>(Value::clone(value));
                    let chosen = chosen.ok().filter(|chosen| {
                        (chosen.len() <= 1 || self.multiple_selections)
                            && chosen.iter().all(|name| known.contains(&name.as_str()))
                    });
                    if chosen.is_none() {
                        wrong(
                            setting,
                            "its default answer names what cannot be chosen",
                            "name what may be chosen",
                        );
                    }
                }
                let mistakes = self.user_input.iter().flat_map(|form| {
                    let mut filled = Value::clone(value);
                    match form::fill_in(&form.schema, &mut filled) {
                        Ok(()) => form::mistakes(&form.schema, &filled),
                        Err(error) => vec![error.to_string()],
                    }
                });
                for mistake in mistakes {
                    let what = format!("its default answer does not fit its form: {mistake}");
                    wrong(setting, &what, "give an answer that fits");
                }
            }
            _ => {}
        }
    }
}

/// The node that a review belongs to. It determines the possible questions.
///
/// [`HumanReview`] has an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reviewed<'a> {
    /// A step.
    Step,
    /// A loop.
    Loop,
    /// A condition.
    Condition,
    /// A router, with the names of its choices.
    Router(Vec<&'a str>),
    /// Another container.
    Container,
}

/// A mistake in a [`HumanReview`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewMistake {
    /// The setting: a method of [`HumanReview`], or `human_review` for the whole review.
    pub setting: &'static str,
    /// The mistake.
    pub what: String,
    /// The hint at what to do.
    pub fix: &'static str,
}
