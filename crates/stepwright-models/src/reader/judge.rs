//! The verdict on the end of an answer, and what is known of it beside its text.

use super::Wrong;
use crate::catalogue::Wire;
use crate::failure::Speaker;
use crate::finish::Ending;
use crate::long::Streamed;
use serde_json::Value;
use stepwright_core::message::Usage;
use stepwright_core::model::{ModelError, ModelErrorKind};

/// Facts about an answer beside its text and its calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) usage: Usage,
    pub(crate) warning: Option<String>,
    /// `true` if it is a refusal, although it ended well.
    pub(crate) is_refusal: bool,
    /// `true` if it wants to go on.
    pub(crate) is_pause: bool,
    /// `true` if it is cut off, whatever it said of its end beside that.
    pub(crate) is_cut: bool,
    /// The number of calls that have begun.
    pub(crate) calls: usize,
    /// Of each message of a Responses answer, whether it is a commentary.
    pub(crate) commentary: Vec<bool>,
    /// The tools of the provider that it used, one for each use.
    pub(crate) hosted_tools: Vec<String>,
}

/// The largest number of tool calls in one answer. Each costs memory and time on its way from the
/// wire to the journal, and no agent carries out as many.
const ANSWER_CALLS_MAX: usize = 1_000;

/// The longest warning about an answer, in bytes.
const WARNING_BYTES_MAX: usize = 1_000;

/// The largest number of uses of a provider's tools that are told of one answer.
const HOSTED_USES_MAX: usize = 100;

impl Notes {
    /// Notes the use of a tool of the provider.
    pub(super) fn used(&mut self, tool: &str) {
        if self.hosted_tools.len() < HOSTED_USES_MAX {
            self.hosted_tools.push(tool.to_owned());
        }
    }

    /// Adds a warning, unless it was given before.
    pub(super) fn warn(&mut self, warning: String) {
        match &mut self.warning {
            None => self.warning = Some(warning),
            Some(known) if known.contains(&warning) => {}
            Some(known) if known.len() + warning.len() > WARNING_BYTES_MAX => {}
            Some(known) => {
                known.push_str("; ");
                known.push_str(&warning);
            }
        }
    }
}

/// The state that all wires share when they judge an event.
pub(super) struct Judge<'a> {
    pub(super) speaker: &'a Speaker,
    pub(super) wire: Wire,
    pub(super) notes: &'a mut Notes,
    pub(super) is_finished: &'a mut bool,
    pub(super) failure: &'a mut Option<ModelError>,
    pub(super) is_over: &'a mut bool,
    /// The texts of a Responses answer that have come in pieces.
    pub(super) streamed: &'a Streamed,
    /// Events that the library reads before this one.
    pub(super) before: Vec<Value>,
}

impl Judge<'_> {
    /// Counts a call that begins.
    pub(super) fn call(&mut self) -> Result<(), Wrong> {
        self.open()?;
        self.notes.calls += 1;
        if self.notes.calls > ANSWER_CALLS_MAX {
            return Err(format!("it has more than {ANSWER_CALLS_MAX} tool calls").into());
        }
        Ok(())
    }

    /// Returns an error if the model has finished: a call that comes later contradicts that.
    pub(super) fn open(&self) -> Result<(), Wrong> {
        if *self.is_finished {
            return Err("a tool call comes after the end of the answer".to_owned().into());
        }
        Ok(())
    }

    /// Returns the outcome of the answer that ends with `reason`, or an error if it failed. `said`
    /// is the provider's message about it.
    pub(super) fn ending(&mut self, reason: &str, said: Option<&str>) -> Result<Ending, Wrong> {
        let ending = crate::finish::ending(self.wire, reason);
        self.judged(ending, reason, said)
    }

    /// As [`Judge::ending`], for an ending that is known.
    pub(super) fn judged(
        &mut self,
        ending: Ending,
        reason: &str,
        said: Option<&str>,
    ) -> Result<Ending, Wrong> {
        let kind = match ending {
            Ending::Refused => ModelErrorKind::Refused,
            Ending::Retryable | Ending::Final => ModelErrorKind::Provider,
            Ending::End | Ending::Calls | Ending::Length => {
                *self.is_finished = true;
                self.notes.is_cut |= ending == Ending::Length;
                return Ok(ending);
            }
            Ending::Pause => {
                (*self.is_finished, self.notes.is_pause) = (true, true);
                return Ok(ending);
            }
        };
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let provider = self.speaker.provider;
        let message = format!("`{provider}` ended its answer with `{reason}`{said}");
        let mut error = self.speaker.error(kind, message);
        error.retryable = ending == Ending::Retryable;
        Err(error.into())
    }
}

impl Judge<'_> {
    /// The failure of an answer that ends with a failed tool of the provider, whose result is
    /// missing. A model that says more behind it knows of it.
    pub(super) fn failed_tool(&self, what: &str, said: Option<&str>) -> Wrong {
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let provider = self.speaker.provider;
        let message = format!("`{provider}` ended its answer after its tool `{what}`{said}");
        self.speaker.error(ModelErrorKind::Provider, message).into()
    }
}
