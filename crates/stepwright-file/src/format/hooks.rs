//! Hooks before and after the calls of a tool.

use super::reader::{Fields, Reader};
use super::{Expr, Word};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::tree::Yaml;
use crate::work::evaluate;
use serde_json::Value;
use std::sync::Arc;
use stepwright_agent::ToolOptions;
use stepwright_core::tool::ToolError;
use stepwright_core::{AnyExecutor, Content, StepContext, StepError, StepInput, StepOutput};

/// The references that a hook may have. `content` is what it judges.
const ROOTS: [&str; 2] = ["content", "vars"];

/// A hook: an expression, or a function of the program.
#[derive(Clone, Debug)]
pub(super) enum Hook {
    Expression(Box<Expr>),
    Function(AnyExecutor),
}

impl Reader<'_> {
    /// Takes `before` and `after`.
    pub(super) fn hooks(&mut self, fields: &mut Fields<'_>, options: ToolOptions) -> ToolOptions {
        let (before, after) = (self.hook(fields, "before"), self.hook(fields, "after"));
        let options = match before {
            Some(hook) => options.before(move |arguments, cx| {
                let hook = hook.clone();
                async move { hook.before(arguments, cx).await }
            }),
            None => options,
        };
        match after {
            Some(hook) => options.after(move |answer, cx| {
                let hook = hook.clone();
                async move { hook.after(answer, cx).await }
            }),
            None => options,
        }
    }

    pub(super) fn hook(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<Hook> {
        let (_, node) = fields.take(name)?;
        let is_guardrail = name == "check";
        if let Yaml::Map(_) = node.value {
            let what = if is_guardrail { "a function that judges" } else { "a hook of a tool" };
            let mut fields = Fields::of(self, node, what)?;
            let example = if is_guardrail {
                "write `check: {function: judge}`"
            } else {
                "write `before: {function: check}`"
            };
            let function = fields.need(self, "function", example);
            let function = function.and_then(|(_, node)| self.word(node, "function"));
            fields.finish(self);
            let function: Word = function?;
            let executor = self.options.functions.get(&function.text).cloned();
            if executor.is_none() && !self.options.only_checks {
                self.unknown_function(&function);
            }
            return executor.map(Hook::Function);
        }
        let expr = self.expression(node, name)?;
        for reference in expr.expression.references() {
            let root = reference.root.as_str();
            let span = expr.written.place(reference.span);
            let wrong = match (root, reference.path.first()) {
                ("vars", Some(var)) if !self.declared.vars.contains_key(var) => {
                    format!("there is no variable `{var}`")
                }
                _ if ROOTS.contains(&root) => continue,
                _ if is_guardrail => format!("the check of a guardrail does not see `{root}`"),
                _ => format!("a hook of a tool does not see `{root}`"),
            };
            let mistake = self.mistake(span, wrong);
            self.push(mistake.help(if is_guardrail {
                "it sees `content`, which it judges, and `vars`"
            } else {
                "it sees `content`, the arguments or the result, and `vars`"
            }));
        }
        Some(Hook::Expression(Box::new(expr)))
    }

    /// Reports the check of a guardrail that can give no verdict.
    pub(super) fn gives_verdict(&mut self, check: &Hook) {
        let Hook::Expression(expr) = check else { return };
        let (shape, _) = expr.expression.shape(&|_| Shape::Unknown);
        let is_verdict = shape.may_be_bool() || matches!(shape.kind(), Shape::Text);
        if let Some(what) = shape.what().filter(|_| !is_verdict) {
            let message = format!("`check` gives {what}, which is no verdict");
            let mistake = self.mistake(expr.written.scalar, message);
            self.push(mistake.help("it gives true, false, or a text with the reason"));
        }
    }
}

impl Hook {
    /// Returns the value that the hook gives for a content.
    pub(super) async fn judged(
        &self,
        content: Content,
        cx: StepContext,
    ) -> Result<Value, StepError> {
        let previous = Some(Arc::new(StepOutput::from(content)));
        let input = StepInput { previous, ..StepInput::default() };
        match self {
            Self::Expression(expr) => {
                let expr = expr.clone();
                let values = OwnedValues::of(input);
                evaluate(values, move |values, budget| expr.expression.value(values, budget)).await
            }
            Self::Function(function) => {
                function.execute(input, cx).await.map(|output| output.content.to_value())
            }
        }
    }

    async fn value(&self, content: Content, cx: StepContext) -> Result<Value, ToolError> {
        self.judged(content, cx).await.map_err(|error| {
            ToolError::Failed(format!("a hook of the tool failed: {}", error.data.message))
        })
    }

    /// Judges the arguments of a call: `true` or nothing lets it through, an object replaces them,
    /// and a text is the reason to refuse it.
    async fn before(&self, arguments: Value, cx: StepContext) -> Result<Value, ToolError> {
        match self.value(arguments.clone().into(), cx).await? {
            Value::Null | Value::Bool(true) => Ok(arguments),
            changed @ Value::Object(_) => Ok(changed),
            Value::Bool(false) => Err(ToolError::Failed("the file refuses this call".into())),
            Value::String(reason) => Err(ToolError::Failed(reason)),
            other => Err(ToolError::Failed(format!(
                "the hook `before` gave {other}; it gives true, a reason, or the arguments"
            ))),
        }
    }

    /// Rewrites the result of a call.
    async fn after(&self, answer: String, cx: StepContext) -> Result<String, ToolError> {
        let value = self.value(answer.into(), cx).await?;
        Ok(Content::from(value).text().into_owned())
    }
}
