//! Carries out a step of a coding agent.

use super::HarnessStep;
use crate::format::{Builtin, Expr, Referring, Word};
use crate::shape::Shape;
use crate::system::Granted;
use serde_json::json;
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    BoxFuture, Fingerprint, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

/// Returns `true` for a path that is the base directory itself.
pub(super) fn is_base(path: &str) -> bool {
    matches!(path.trim(), "." | "./")
}

impl Builtin for HarnessStep {
    fn referring(&self) -> Vec<Referring<'_>> {
        let seen = self.prompt.iter().chain(&self.dir).map(Referring::from);
        let env = self.env.iter().map(|(_, value)| Referring::from(value).taking_secrets());
        seen.chain(env).collect()
    }

    fn continues(&self) -> Option<(&Word, &str)> {
        self.session.as_ref().map(|word| (word, self.agent.name()))
    }

    fn is_agent(&self) -> Option<&str> {
        Some(self.agent.name())
    }

    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        let answer = match &self.output {
            Some((schema, _)) => schema.clone(),
            None => json!({"type": "string"}),
        };
        if !self.worktree {
            return Shape::of_schema(&answer);
        }
        let key = if self.output.is_some() { "output" } else { "text" };
        let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
        let tree = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "branch": text, "dir": text, "base": text, "commits": number,
                "changed": {"type": "array", "items": text},
                "kept": {"type": "boolean"}, "more_changed": number,
            },
            "required": ["branch", "dir", "base", "commits", "changed", "kept"],
        });
        Shape::of_schema(&json!({
            "type": "object", "additionalProperties": false,
            "properties": {key: answer, "worktree": tree}, "required": [key, "worktree"],
        }))
    }

    fn fingerprint(&self) -> Fingerprint {
        self.content.clone()
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Agent
    }

    // A recording has the whole result.
    fn asks_player(&self) -> bool {
        false
    }

    fn asks(&self) -> bool {
        true
    }

    fn details(&self) -> Option<String> {
        let mut told = self.agent.name().to_owned();
        if let Some(dir) = &self.dir {
            told = format!("{told} in {}", dir.template.text());
        }
        if self.worktree {
            told.push_str(", in a worktree");
        }
        if let Some(session) = &self.session {
            told = format!("{told}, goes on with `{}`", session.text);
        }
        Some(told)
    }

    // It continues its conversation, and asks where it cannot.
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    #[cfg(not(feature = "harness"))]
    fn execute<'a>(
        &'a self,
        _: StepInput,
        _: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async { Err(StepError::terminal("coding agents were left out of this program")) })
    }

    #[cfg(feature = "harness")]
    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(self.carry_out(input, cx, granted))
    }
}

#[cfg(feature = "harness")]
mod work {
    use super::super::{Agent, Questions};
    use super::{HarnessStep, is_base};
    use crate::builtins::rendered;
    use crate::checked::fits;
    use crate::executors::with_prompt;
    use crate::reference::OwnedValues;
    use crate::system::Granted;
    use std::sync::Arc;
    use stepwright_core::{Executor as _, StepContext, StepError, StepInput, StepOutput};
    use stepwright_harness::__private::OutputSchema;
    use stepwright_harness::{Harness, HarnessKind, Questions as Answers};

    impl HarnessStep {
        pub(super) async fn carry_out(
            &self,
            input: StepInput,
            cx: StepContext,
            granted: &Granted,
        ) -> Result<StepOutput, StepError> {
            let values = OwnedValues::of(input.clone());
            let root = granted.folder.root()?;
            let mut harness = Harness::new(self.kind()?)
                .base_dir(&root)
                .worktree(self.worktree)
                .read_only(self.read_only)
                .split_commands_by(crate::command::line_of)
                .questions(match self.questions {
                    Questions::Ask => Answers::Ask,
                    Questions::Allow => Answers::Allow,
                    Questions::Decline => Answers::Decline,
                });
            if let Some(dir) = &self.dir {
                let dir = rendered(values.clone(), dir).await?;
                let dir = if is_base(&dir) { root } else { granted.folder.within(&dir)?.root()? };
                harness = harness.dir(dir);
            }
            if let Some(session) = &self.session {
                harness = harness.session(&session.text);
            }
            if let Some(model) = &self.model {
                harness = harness.model(model);
            }
            if let Some(instructions) = &self.instructions {
                harness = harness.instructions(instructions);
            }
            for (name, value) in &self.env {
                harness = harness.env(name, rendered(values.clone(), value).await?);
            }
            for name in &granted.pass_env {
                harness = harness.pass_env(name);
            }
            if let Some((schema, compiled)) = &self.output {
                let compiled = compiled.clone();
                harness =
                    harness.checked_output(OutputSchema::new_async(schema.clone(), move |value| {
                        let compiled = compiled.clone();
                        async move { fits(value, compiled).await }
                    }));
            }
            let input = match &self.prompt {
                Some(prompt) => with_prompt(prompt, input).await?,
                None => input,
            };
            let input: StepInput = input;
            let harness = Arc::new(harness);
            harness.execute(input, cx).await
        }

        fn kind(&self) -> Result<HarnessKind, StepError> {
            match &self.agent {
                Agent::Named(name) => HarnessKind::named(name).ok_or_else(|| {
                    StepError::terminal(format!("there is no coding agent `{name}`"))
                }),
                Agent::Acp(words) => {
                    let mut words = words.iter().cloned();
                    let program = words.next().unwrap_or_default();
                    Ok(HarnessKind::Acp { program, args: words.collect() })
                }
            }
        }
    }
}
