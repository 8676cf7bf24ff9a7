//! Asks one question until the answer is valid.

use super::editor;
use super::form::{self, Field, fields};
use crate::display::Display;
use crate::excerpt::value_of;
use crate::prompt::{Prompt, Typed};
use crate::text::{clean, harmless};
use crate::waiting::reach;
use serde_json::{Map, Value};
use std::sync::Arc;
use stepwright_core::budget::Limit;
use stepwright_core::message::Arguments;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Content, Error, ErrorId, Requirement};

/// The commands accepted at every question.
pub(super) const COMMANDS: [&str; 2] = ["/later", "/reject"];

pub(super) struct Question<'a> {
    pub(super) display: &'a mut Display,
    pub(super) prompt: &'a Prompt,
    pub(super) requirement: &'a Requirement,
}

/// The reason there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The question was skipped.
    Skipped,
    /// The user quit.
    Quit,
    Failed(Error),
}

/// An input at the prompt.
enum Input {
    Text(String),
    /// A rejection, with or without a reason.
    Rejection(String),
}

/// A decision about content that was shown.
enum ReviewDecision {
    Yes,
    No(Option<Arc<str>>),
    Edit,
}

impl Question<'_> {
    /// Asks until there is a valid answer.
    pub(super) async fn answer(&mut self) -> Result<Answer, NoAnswer> {
        self.display.question(self.requirement, hint(self.requirement));
        loop {
            let answer = self.any_answer().await?;
            match self.requirement.check(&answer) {
                Ok(()) => return Ok(answer),
                Err(mistake) => self.complain(&mistake),
            }
        }
    }

    async fn any_answer(&mut self) -> Result<Answer, NoAnswer> {
        use RequirementKind as K;
        let requirement = self.requirement;
        match &requirement.kind {
            K::UserInput { schema } | K::Wait { schema: Some(schema) } => self.form(schema).await,
            K::Wait { schema: None } | K::ExternalExecution { .. } => loop {
                match self.line("› ", "").await? {
                    Input::Text(typed) => match form::anything(&typed) {
                        Ok(value) => return Ok(Answer::submit(value)),
                        Err(mistake) => self.complain(&mistake),
                    },
                    Input::Rejection(why) => return self.rejected(why, "why").await,
                }
            },
            K::RouteSelection { choices, multiple } => self.route(choices, *multiple).await,
            K::OutputReview { output, .. } => self.review(&output.content).await,
            K::IterationReview { content, .. } => self.review(content).await,
            K::ToolConfirmation { tool } => self.call(&tool.arguments).await,
            K::ErrorDecision { retries, .. } => self.decision(*retries).await,
            K::Interrupted { .. } => self.interrupted().await,
            K::Permission { rule, for_run, .. } => {
                self.permission(rule.is_some().then(|| reach(*for_run))).await
            }
            K::Budget { limit, .. } => self.more(*limit).await,
            _ => match self.verdict("y/n › ", "why").await? {
                ReviewDecision::No(feedback) => Ok(Answer::Reject { feedback }),
                _ => Ok(Answer::Approve),
            },
        }
    }

    /// Reads a line and handles the commands.
    async fn line(&mut self, prompt: &str, initial: &str) -> Result<Input, NoAnswer> {
        let typed = match self.prompt.edit(prompt, initial).await.map_err(NoAnswer::Failed)? {
            Typed::Line(line) => line,
            Typed::Interrupted { .. } | Typed::End => return Err(NoAnswer::Quit),
        };
        if !self.prompt.echoes {
            self.display.wrapped(&format!("{prompt}{typed}"));
        }
        let trimmed = typed.trim();
        let (word, rest) = trimmed.split_once(char::is_whitespace).unwrap_or((trimmed, ""));
        Ok(match word {
            "/later" if rest.is_empty() => return Err(NoAnswer::Skipped),
            "/reject" => Input::Rejection(rest.trim().to_owned()),
            // A doubled slash escapes a text that starts like a command.
            "//later" | "//reject" => Input::Text(trimmed[1..].to_owned()),
            _ => Input::Text(typed),
        })
    }

    /// Rejects the request, asking for the reason if none was given.
    async fn rejected(&mut self, why: String, asks: &str) -> Result<Answer, NoAnswer> {
        self.feedback(why, asks).await.map(|feedback| Answer::Reject { feedback })
    }

    async fn feedback(&mut self, why: String, asks: &str) -> Result<Option<Arc<str>>, NoAnswer> {
        let why = match why {
            why if why.is_empty() => match self.line(&format!("{asks} (or Enter) › "), "").await?
            {
                Input::Text(why) | Input::Rejection(why) => why,
            },
            why => why,
        };
        let why = why.trim();
        Ok((!why.is_empty()).then(|| why.into()))
    }

    /// Reads yes, no or edit.
    async fn verdict(&mut self, prompt: &str, asks: &str) -> Result<ReviewDecision, NoAnswer> {
        let edits = self.requirement.answers().contains(&"edit");
        loop {
            let typed = match self.line(prompt, "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => {
                    return Ok(ReviewDecision::No(self.feedback(why, asks).await?));
                }
            };
            let typed = typed.trim();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            match (word.to_lowercase().as_str(), rest.trim()) {
                ("y" | "yes" | "approve", "") => return Ok(ReviewDecision::Yes),
                ("n" | "no" | "reject", why) => {
                    let why = why.to_owned();
                    return Ok(ReviewDecision::No(self.feedback(why, asks).await?));
                }
                ("e" | "edit", "") if edits => return Ok(ReviewDecision::Edit),
                _ if edits => self.complain("type `y`, `n` and feedback, or `e` to edit"),
                _ => self.complain("type `y`, or `n` and why"),
            }
        }
    }

    async fn review(&mut self, content: &Content) -> Result<Answer, NoAnswer> {
        loop {
            match self.verdict("y/n/e › ", "what should be better").await? {
                ReviewDecision::Yes => return Ok(Answer::Approve),
                ReviewDecision::No(feedback) => return Ok(Answer::Reject { feedback }),
                ReviewDecision::Edit => match self.edited(content).await? {
                    Some(content) => return Ok(Answer::Edit { content }),
                    None => self.complain("nothing was changed"),
                },
            }
        }
    }

    async fn call(&mut self, arguments: &Arguments) -> Result<Answer, NoAnswer> {
        let arguments = match arguments {
            Arguments::Json(value) => Content::from(Value::clone(value)),
            Arguments::Invalid(raw) => Content::from(raw.as_str()),
        };
        self.review(&arguments).await
    }

    /// Lets the user edit a text or a value. Returns `None` if it was not changed.
    async fn edited(&mut self, content: &Content) -> Result<Option<Content>, NoAnswer> {
        let is_call = matches!(self.requirement.kind, RequirementKind::ToolConfirmation { .. });
        let is_json = is_call || matches!(content, Content::Json(_));
        let before = content.pretty().into_owned();
        let mut text = before.clone();
        loop {
            text = match self.changed(text, is_json).await? {
                Some(text) if text.trim_end() != clean(&before).trim_end() => text,
                _ => return Ok(None),
            };
            if !is_json {
                return Ok(Some(text.into()));
            }
            match stepwright_core::json::parse(&text) {
                Ok(value) => {
                    let answer = Answer::edit(value.clone());
                    match self.requirement.check(&answer) {
                        Ok(()) => return Ok(Some(value.into())),
                        Err(mistake) => self.complain(&mistake),
                    }
                }
                Err(error) => self.complain(&format!("invalid JSON: {error}")),
            }
        }
    }

    /// Edits a text in the user's editor, or at the prompt.
    async fn changed(&mut self, text: String, is_json: bool) -> Result<Option<String>, NoAnswer> {
        if self.prompt.echoes
            && let Some(chosen) = editor::chosen()
        {
            let suffix = if is_json { ".json" } else { ".md" };
            match editor::edit(chosen, text.clone(), suffix).await {
                Ok(edited) => return Ok(Some(edited)),
                Err(why) => self.complain(&why),
            }
        }
        // The prompt draws the text while it is edited, so control characters are removed first.
        match self.line("› ", &clean(&text)).await? {
            Input::Text(text) => Ok(Some(text)),
            Input::Rejection(_) => Ok(None),
        }
    }

    async fn route(&mut self, choices: &[Arc<str>], multiple: bool) -> Result<Answer, NoAnswer> {
        loop {
            let prompt = if multiple { "one or several › " } else { "which › " };
            let typed = match self.line(prompt, "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => return self.rejected(why, "why").await,
            };
            match chosen(choices, &typed, multiple) {
                Ok(chosen) => return Ok(Answer::select(chosen)),
                Err(mistake) => self.complain(&mistake),
            }
        }
    }

    async fn decision(&mut self, retries: bool) -> Result<Answer, NoAnswer> {
        let prompt = if retries { "r/s/f › " } else { "s/f › " };
        loop {
            let typed = match self.line(prompt, "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => return self.rejected(why, "why").await,
            };
            let typed = typed.trim();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            match (word.to_lowercase().as_str(), rest.trim()) {
                ("r" | "retry", "") if retries => return Ok(Answer::Retry),
                ("s" | "skip", "") => return Ok(Answer::Skip),
                ("f" | "fail" | "n" | "no" | "reject", why) => {
                    let feedback = (!why.is_empty()).then(|| why.into());
                    return Ok(Answer::Reject { feedback });
                }
                _ if retries => self.complain("type `r` to retry, `s` to skip, or `f` to fail"),
                _ => self.complain("type `s` to skip, or `f` to fail"),
            }
        }
    }

    /// Reads a permission: yes, always, or no.
    async fn permission(&mut self, lasts: Option<&str>) -> Result<Answer, NoAnswer> {
        let prompt = if lasts.is_some() { "y/a/n › " } else { "y/n › " };
        loop {
            let typed = match self.line(prompt, "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => return self.rejected(why, "why").await,
            };
            let typed = typed.trim();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            match (word.to_lowercase().as_str(), rest.trim()) {
                ("y" | "yes" | "approve", "") => return Ok(Answer::Approve),
                ("a" | "always", "") if lasts.is_some() => return Ok(Answer::Always),
                ("n" | "no" | "reject", why) => return self.rejected(why.to_owned(), "why").await,
                _ => match lasts {
                    Some(reach) => {
                        let what =
                            format!("type `y` for this time, `a` for {reach}, or `n` and why");
                        self.complain(&what);
                    }
                    None => self.complain("type `y`, or `n` and why"),
                },
            }
        }
    }

    /// Reads how much more of a budget is given.
    async fn more(&mut self, limit: Limit) -> Result<Answer, NoAnswer> {
        loop {
            let typed = match self.line("y/AMOUNT/n › ", "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => return self.rejected(why, "why").await,
            };
            let typed = typed.trim();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            match (word.to_lowercase().as_str(), rest.trim()) {
                ("y" | "yes" | "approve", "") => return Ok(Answer::Approve),
                ("n" | "no" | "reject", why) => return self.rejected(why.to_owned(), "why").await,
                (number, "") => match number.parse::<f64>() {
                    Ok(number) if limit.amount_of(&number.into()).is_some() => {
                        return Ok(Answer::submit(number));
                    }
                    _ => self.complain(
                        "type `y` for the same amount again, a number for another, or `n` and why",
                    ),
                },
                _ => self.complain(
                    "type `y` for the same amount again, a number for another, or `n` and why",
                ),
            }
        }
    }

    /// Reads the outcome of an interrupted effect: done, not done, or failed.
    async fn interrupted(&mut self) -> Result<Answer, NoAnswer> {
        loop {
            let typed = match self.line("d/r/f › ", "").await? {
                Input::Text(typed) => typed,
                Input::Rejection(why) => return self.rejected(why, "why").await,
            };
            let typed = typed.trim();
            let (word, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
            match (word.to_lowercase().as_str(), rest.trim()) {
                ("d" | "done" | "y" | "yes", output) => {
                    let output = match output {
                        "" => match self.line("its output (or Enter) › ", "").await? {
                            Input::Text(output) => output,
                            Input::Rejection(why) => return self.rejected(why, "why").await,
                        },
                        output => output.to_owned(),
                    };
                    return Ok(Answer::submit(output));
                }
                ("r" | "retry" | "run", "") => return Ok(Answer::Retry),
                ("f" | "fail" | "reject", why) => {
                    let feedback = (!why.is_empty()).then(|| why.into());
                    return Ok(Answer::Reject { feedback });
                }
                _ => self.complain("type `d` if it was done, `r` to run it again, or `f` to fail"),
            }
        }
    }

    /// Asks the fields of a form one after the other. If the whole form is invalid, it asks again
    /// with the typed values as defaults.
    async fn form(&mut self, schema: &Value) -> Result<Answer, NoAnswer> {
        let Some(mut fields) = fields(schema) else {
            let field = form::single(schema);
            return match self.field(&field).await? {
                Ok(value) => Ok(Answer::submit(value.unwrap_or_default())),
                Err(why) => self.rejected(why, "why").await,
            };
        };
        loop {
            let mut whole = Map::new();
            for field in &mut fields {
                match self.field(field).await? {
                    Ok(Some(value)) => {
                        field.default = Some(value.clone());
                        whole.insert(field.name.clone(), value);
                    }
                    Ok(None) => field.default = None,
                    Err(why) => return self.rejected(why, "why").await,
                }
            }
            let answer = Answer::submit(whole);
            match self.requirement.check(&answer) {
                Ok(()) => return Ok(answer),
                Err(mistake) => self.complain(&mistake),
            }
        }
    }

    /// Reads a value, nothing, or the reason of a rejection.
    async fn field(&mut self, field: &Field) -> Result<Result<Option<Value>, String>, NoAnswer> {
        if let Some(description) = field.description.as_deref().filter(|text| !text.is_empty()) {
            self.display.remark(description);
        }
        let mut prompt = match &field.name {
            name if name.is_empty() => field.takes(),
            name => format!("{name} ({})", field.takes()),
        };
        let otherwise = match &field.default {
            Some(default) => Some(value_of(default)),
            None => (!field.required).then(|| "nothing".to_owned()),
        };
        if let Some(otherwise) = otherwise {
            prompt = format!("{prompt} [{otherwise}]");
        }
        let prompt = harmless(&prompt) + " › ";
        loop {
            match self.line(&prompt, "").await? {
                Input::Rejection(why) => return Ok(Err(why)),
                Input::Text(typed) => match field.read(&typed) {
                    Ok(value) => return Ok(Ok(value)),
                    Err(mistake) => self.complain(&mistake),
                },
            }
        }
    }

    fn complain(&mut self, what: &str) {
        self.display.complaint(&Error::usage(what).with_id(ErrorId::LINE_UNKNOWN));
    }
}

/// Returns the accepted inputs.
fn hint(requirement: &Requirement) -> &'static str {
    use RequirementKind as K;
    match &requirement.kind {
        K::UserInput { .. } | K::Wait { schema: Some(_) } => {
            "Enter takes the value in [brackets] · /reject · /later"
        }
        K::Wait { schema: None } => {
            "a text, or JSON (put a text that looks like JSON in quotes) · /reject · /later"
        }
        K::ExternalExecution { .. } => {
            "the result of the call: a text, or JSON · /reject and why it failed · /later"
        }
        K::RouteSelection { multiple: true, .. } => {
            "numbers or names, separated by commas · /reject · /later"
        }
        K::RouteSelection { .. } => "a number or a name · /reject · /later",
        K::OutputReview { retries: true, .. } => {
            "y approves · n FEEDBACK runs it again · e edits · /later"
        }
        K::OutputReview { .. } => "y approves · n REASON rejects · e edits · /later",
        K::IterationReview { .. } => "y ends the loop · n FEEDBACK repeats it · e edits · /later",
        K::ToolConfirmation { .. } => {
            "y approves · n REASON rejects · e edits the arguments · /later"
        }
        K::ErrorDecision { retries: true, .. } => "r retries · s skips · f fails · /later",
        K::ErrorDecision { .. } => "s skips · f fails · /later",
        K::Interrupted { .. } => {
            "d OUTPUT if it was done · r runs it again · f REASON fails · /later"
        }
        K::Permission { rule: Some(_), for_run: true, .. } => {
            "y permits it once · a for this run · n REASON refuses · /later"
        }
        K::Permission { rule: Some(_), .. } => {
            "y permits it once · a for the session · n REASON refuses · /later"
        }
        K::Permission { .. } => "y permits it once · n REASON refuses · /later",
        K::Budget { .. } => {
            "y gives the same again · AMOUNT gives that · n REASON refuses · /later"
        }
        _ => "y approves · n REASON rejects · /later",
    }
}

/// Parses the chosen names or numbers.
fn chosen(choices: &[Arc<str>], typed: &str, multiple: bool) -> Result<Vec<Arc<str>>, String> {
    let one = |typed: &str| {
        let typed = typed.trim();
        let is = |choice: &&Arc<str>| ***choice == *typed;
        let number = || typed.parse::<usize>().ok().and_then(|n| choices.get(n.checked_sub(1)?));
        let same = |choice: &&Arc<str>| choice.to_lowercase() == typed.to_lowercase();
        let found = choices.iter().find(is).or_else(number).or_else(|| choices.iter().find(same));
        let among = || match choices.len() {
            1 => "type 1, or its name".to_owned(),
            count => format!("type a number from 1 to {count}, or a name"),
        };
        found.cloned().ok_or_else(|| format!("{typed:?} is not a choice: {}", among()))
    };
    match one(typed) {
        Ok(only) => Ok(vec![only]),
        Err(_) if multiple && typed.contains(',') => typed.split(',').map(one).collect(),
        Err(mistake) => Err(mistake),
    }
}
