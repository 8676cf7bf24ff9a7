//! The guardrails of a file, and the models that judge for them.

use super::Builder;
use crate::format::{ModelName, WrittenGuard};
use stepwright_core::guardrail::Guard;
use stepwright_core::model::AnyModel;
use stepwright_core::{Error, ErrorKind};
use stepwright_models::{Fallback, silent};

impl Builder<'_> {
    /// Makes guardrails. `of_agent` are the models of the agent, which a judge without one of its
    /// own asks.
    pub(super) fn guards(
        &self,
        written: &[WrittenGuard],
        of_step: bool,
        of_agent: Option<&[ModelName]>,
    ) -> Result<Vec<Guard>, Error> {
        let made = written.iter().map(|guard| {
            let models = guard.judge_models().or(of_agent).or(self.file.model.as_deref());
            guard.made(of_step, || self.judge(models.or(self.inherited)))
        });
        made.collect()
    }

    /// Makes the model of a judge.
    fn judge(&self, models: Option<&[ModelName]>) -> Result<AnyModel, Error> {
        let names = models.unwrap_or_default().iter().map(|model| model.text.as_str());
        let names: Vec<&str> = self.forced.map_or_else(|| names.collect(), |model| vec![model]);
        if names.is_empty() {
            let error =
                Error::new(ErrorKind::Definition, "the `judge` of a guardrail has no model");
            return Err(error.with_hint("give it one: `judge: {rule: …, model: openai:gpt-5}`"));
        }
        if self.is_played {
            return Ok(AnyModel::new(silent(names)));
        }
        if let Some(model) = self.forced {
            return Ok(stepwright_models::model(model)?);
        }
        let secrets = &self.granted.named_secrets;
        let models = models.into_iter().flatten();
        let models = models.map(|model| crate::models::make(model, secrets));
        let mut models = models.collect::<Result<Vec<_>, _>>()?.into_iter();
        let first = models.next().expect("there is a name");
        Ok(match models.len() {
            0 => first,
            _ => AnyModel::new(Fallback::new(first, models)),
        })
    }
}
