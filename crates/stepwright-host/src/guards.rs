//! Guardrails of their specifications.

use crate::agent_spec::{GuardAt, GuardCheck, GuardSpec, Then};
use crate::functions::{Asked, Functions, Place, function};
use crate::models::model;
use std::sync::Arc;
use stepwright::guardrails::{
    AnyGuardrail, Checked, Guard, GuardVerdict, Judge, Length, OnFound, Pattern, PersonalData,
    PersonalKind, PromptInjection, Secrets,
};
use stepwright::{Error, StepContext, StepError};

pub(crate) fn guard(spec: &GuardSpec, functions: &Functions) -> Result<Guard, Error> {
    let check = guardrail(spec, functions)?;
    let mut guard = match spec.at {
        GuardAt::Before => Guard::before(check),
        GuardAt::After => Guard::after(check),
        GuardAt::BeforeModel => Guard::before_model(check),
        GuardAt::AfterModel => Guard::after_model(check),
        GuardAt::BeforeTool => Guard::before_tool(check),
        GuardAt::AfterTool => Guard::after_tool(check),
    };
    if spec.watch {
        guard = guard.watching();
    }
    if let Some(retries) = spec.retries {
        guard = guard.retries(retries);
    }
    if let Some(tools) = &spec.tools {
        guard = guard.tools(tools);
    }
    Ok(guard)
}

fn guardrail(spec: &GuardSpec, functions: &Functions) -> Result<AnyGuardrail, Error> {
    let then = match spec.then {
        None | Some(Then::Refuse) => OnFound::Refuse,
        Some(Then::Retry) => OnFound::Retry,
        Some(Then::Rewrite) => OnFound::Rewrite,
    };
    Ok(match &spec.check {
        GuardCheck::Length { min, max } => {
            let made = match (min, max) {
                (_, Some(max)) => Length::at_most(*max).and_at_least(min.unwrap_or_default()),
                (Some(min), None) => Length::at_least(*min),
                (None, None) => return Err(Error::usage("a `Length` needs `min` or `max`")),
            };
            AnyGuardrail::new(made.on_found(then))
        }
        GuardCheck::Pattern { pattern, required, reason } => {
            let made = match required {
                true => Pattern::require(pattern)?,
                false => Pattern::deny(pattern)?,
            };
            let made = match reason {
                Some(reason) => made.because(reason),
                None => made,
            };
            AnyGuardrail::new(made.on_found(then))
        }
        GuardCheck::Secrets {} => AnyGuardrail::new(Secrets::new().on_found(then)),
        GuardCheck::PersonalData { kinds } => {
            let made = if kinds.is_empty() {
                PersonalData::new()
            } else {
                let kinds: Result<Vec<_>, _> = kinds.iter().map(|name| kind(name)).collect();
                PersonalData::of(kinds?)
            };
            AnyGuardrail::new(made.on_found(then))
        }
        GuardCheck::PromptInjection {} => AnyGuardrail::new(PromptInjection::new().on_found(then)),
        GuardCheck::Judge { rule, model: named } => {
            AnyGuardrail::new(Judge::new(model(named)?, rule).on_found(then))
        }
        GuardCheck::Function { name, function: at } => judged_by(name, *at, functions)?,
    })
}

fn kind(name: &str) -> Result<PersonalKind, Error> {
    let found = PersonalKind::ALL.into_iter().find(|kind| kind.as_str() == name);
    found.ok_or_else(|| {
        let known = PersonalKind::ALL.map(PersonalKind::as_str).join("`, `");
        Error::usage(format!("`{name}` is no kind of personal data; use one of `{known}`"))
    })
}

/// Makes a guardrail of a function, which returns a verdict as data.
fn judged_by(name: &str, at: usize, functions: &Functions) -> Result<AnyGuardrail, Error> {
    let judge = function(functions, at)?;
    Ok(AnyGuardrail::of(name, move |checked: Checked, cx: StepContext| {
        let asked = Asked::Check(Arc::new(checked.content.to_value()));
        let judging = judge.call(asked, Some(cx), Place { beside: true });
        async move {
            let verdict = judging.await?.content.to_value();
            serde_json::from_value::<GuardVerdict>(verdict).map_err(|error| {
                StepError::terminal(format!("the guardrail returned no verdict: {error}"))
            })
        }
    }))
}
