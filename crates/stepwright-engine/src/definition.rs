//! A checked definition: plan, table, names and digest. It has no store and no runtime.

use crate::define::media_input::{MediaInput, check_media};
use crate::define::run_limits::RunLimits;
use crate::gate::GateSettings;
use crate::table::Compiled;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::executor::RunInput;
use stepwright_core::state::State;
use stepwright_core::{Error, ErrorId, RunOutput, WorkflowId};

/// A checked definition of a workflow, with the settings of its runs. No run changes it.
pub(crate) struct Definition {
    pub(crate) id: WorkflowId,
    pub(crate) name: Arc<str>,
    pub(crate) description: Option<String>,
    pub(crate) compiled: Arc<Compiled>,
    pub(crate) digest: Arc<str>,
    pub(crate) timeout: Option<Duration>,
    /// The state with which a new session begins.
    pub(crate) state: State,
    /// The kinds of events that outputs leave out. `None` if outputs have no events.
    pub(crate) events_to_skip: Option<Vec<String>>,
    pub(crate) debug: bool,
    /// The permissions, prices and the budget of the session.
    pub(crate) gate: GateSettings,
    /// The limits of its runs.
    pub(crate) limits: RunLimits,
    /// The media that each run takes. Empty if it takes any.
    pub(crate) media: Vec<MediaInput>,
}

impl Definition {
    /// Checks and completes an input, and removes the secrets from it.
    pub(crate) async fn prepare_input(&self, input: &mut RunInput) -> Result<(), Error> {
        if let Some(check) = &self.compiled.input {
            let prepared = check(input.content.clone()).await.map_err(|why| {
                Error::usage(format!("the input does not fit workflow `{}`: {why}", self.name))
                    .with_id(ErrorId::INPUT_MISMATCH)
            });
            if let Some(prepared) = prepared? {
                input.content = prepared;
            }
        }
        let secrets = &self.gate.secrets;
        if !secrets.is_empty() {
            input.content = secrets.redacted(std::mem::take(&mut input.content));
            input.additional_data = secrets.redacted(std::mem::take(&mut input.additional_data));
        }
        Ok(())
    }

    /// Returns `false` if an input is taken as it is.
    pub(crate) fn prepares_input(&self) -> bool {
        self.compiled.input.is_some() || !self.gate.secrets.is_empty()
    }

    /// Checks the media of an input.
    pub(crate) fn check_media(&self, input: &RunInput) -> Result<(), Error> {
        check_media(&self.media, &input.media).map_err(|why| {
            let names: Vec<String> = self
                .media
                .iter()
                .map(|taken| format!("`{}` ({})", taken.name, taken.kind.as_str()))
                .collect();
            Error::usage(why).with_id(ErrorId::INPUT_MISMATCH).with_hint(format!(
                "workflow `{}` takes {}",
                self.name,
                names.join(", ")
            ))
        })
    }

    /// Returns `true` if outputs have the events of their runs.
    pub(crate) fn keeps_events(&self) -> bool {
        self.events_to_skip.is_some()
    }

    /// Removes the kinds of events that outputs leave out.
    pub(crate) fn leave_out_skipped(&self, output: &mut RunOutput) {
        if let (Some(events), Some(skip)) = (&mut output.events, &self.events_to_skip) {
            events.retain(|event| !skip.iter().any(|name| name == event.name()));
        }
    }
}
