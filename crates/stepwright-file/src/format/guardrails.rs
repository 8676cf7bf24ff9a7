//! Guardrails of agents and steps.

use super::ModelName;
use super::form::{Form, Mapping, Member, key, words};
use super::hooks::Hook;
use super::reader::{Fields, Reader};
use crate::checked::fits;
use crate::schema;
use crate::source::Span;
use crate::suggest::listed;
use crate::tree::{Node, Yaml};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::guardrail::{
    AnyGuardrail, Checked, GUARD_RETRIES_MAX, Guard, GuardVerdict, Guardrail, Ruling,
};
use stepwright_core::model::AnyModel;
use stepwright_core::{BoxFuture, Content, Error, ErrorKind, Fingerprint, StepContext, StepError};
use stepwright_guardrails::{
    Judge, Length, OnFound, Pattern, PersonalData, PersonalKind, PromptInjection, Secrets,
};

/// The maximum number of characters that `length` takes.
const CHARS_MAX: u64 = 1_000_000_000;

const THEN: [(&str, OnFound); 3] =
    [("refuse", OnFound::Refuse), ("retry", OnFound::Retry), ("rewrite", OnFound::Rewrite)];

const PERSONAL: [(&str, PersonalKind); 5] = [
    ("email", PersonalKind::Email),
    ("phone", PersonalKind::Phone),
    ("card", PersonalKind::Card),
    ("iban", PersonalKind::Iban),
    ("ssn", PersonalKind::Ssn),
];

/// The keys of which one says what a guardrail looks for.
const KINDS: [&str; 9] = [
    "length",
    "deny",
    "require",
    "secrets",
    "personal_data",
    "prompt_injection",
    "judge",
    "schema",
    "check",
];

/// The places of an agent. A step has the first two.
const PLACES: [&str; 6] =
    ["before", "after", "before_model", "after_model", "before_tool", "after_tool"];

const YES: Form = Form::Schema(|| json!({"const": true}));
const COUNT: Form = Form::Whole(0, CHARS_MAX);

static LENGTH: Mapping = Mapping {
    name: "guardrail_length",
    what: "`length`",
    required: &[],
    members: &[
        key("min", &COUNT, "The smallest number of characters."),
        key("max", &Form::Whole(1, CHARS_MAX), "The largest number of characters."),
    ],
};

static JUDGE: Mapping = Mapping {
    name: "guardrail_judge",
    what: "`judge`",
    required: &[&["rule"]],
    members: &[
        key("rule", &Form::Text, "What the text must not be: `The text promises a refund.`"),
        key("model", &Form::Text, "The model that judges, as `provider:model`."),
    ],
};

static CHECK_FUNCTION: Mapping = Mapping {
    name: "guardrail_function",
    what: "a function that judges",
    required: &[&["function"]],
    members: &[key("function", &Form::Text, "A registered function of the program.")],
};

static GUARD: Mapping = Mapping {
    name: "guardrail",
    what: "a guardrail",
    required: &[
        &["length"],
        &["deny"],
        &["require"],
        &["secrets"],
        &["personal_data"],
        &["prompt_injection"],
        &["judge"],
        &["schema"],
        &["check"],
    ],
    members: &[
        key("length", &Form::Mapping(&LENGTH), "Limits the number of characters."),
        key("deny", &Form::Text, "A regular expression that must not match."),
        key("require", &Form::Text, "A regular expression that must match."),
        key("secrets", &YES, "Finds credentials."),
        key(
            "personal_data",
            &Form::Either(&[YES, Form::List(&Form::Words(|| words(&PERSONAL)), 1, PERSONAL.len())]),
            "Finds personal data of all kinds, or of those in a list.",
        ),
        key("prompt_injection", &YES, "Finds the signs of a prompt injection."),
        key("judge", &Form::Mapping(&JUDGE), "A model judges by a rule."),
        key(
            "schema",
            &Form::Schema(|| json!({"type": "object"})),
            "The JSON Schema that the content must match.",
        ),
        key(
            "check",
            &Form::Either(&[Form::Expression, Form::Mapping(&CHECK_FUNCTION)]),
            "Judges `content`: true lets it pass; false, or a text with the reason, does not.",
        ),
        key("then", &Form::Words(|| words(&THEN)), "What follows. Default: refuse."),
        key("reason", &Form::Text, "The reason in the error, and for the model that tries again."),
        key("watch", &Form::Bool, "Whether it judges beside the work and not ahead of it."),
        key(
            "retries",
            &Form::Whole(0, GUARD_RETRIES_MAX as u64),
            "How often `then: retry` has it done again. Default: 1.",
        ),
        key(
            "tools",
            &Form::List(&Form::Text, 1, usize::MAX),
            "The tools whose calls it judges. By default all.",
        ),
    ],
};

const GUARDS: Form = Form::List(&Form::Mapping(&GUARD), 1, usize::MAX);

static OF_AGENTS: Mapping = Mapping {
    name: "agent_guardrails",
    what: "the guardrails of an agent",
    required: &[],
    members: &[
        key("before", &GUARDS, "They judge the message to the agent."),
        key("after", &GUARDS, "They judge the answer of the agent."),
        key("before_model", &GUARDS, "They judge what is new in each request to the model."),
        key("after_model", &GUARDS, "They judge the text of each answer of the model."),
        key("before_tool", &GUARDS, "They judge the arguments of each tool call."),
        key("after_tool", &GUARDS, "They judge the result of each tool call."),
    ],
};

static OF_STEPS: Mapping = Mapping {
    name: "step_guardrails",
    what: "the guardrails of a step",
    required: &[],
    members: &[
        key("before", &GUARDS, "They judge the message of the step."),
        key("after", &GUARDS, "They judge the output of the step."),
    ],
};

const IN_AGENTS: Form = Form::Mapping(&OF_AGENTS);
const IN_STEPS: Form = Form::Mapping(&OF_STEPS);

/// The key of an agent.
pub(super) const AGENT_GUARDRAILS: Member = key(
    "guardrails",
    &IN_AGENTS,
    "Checks before and after the agent, its requests to models and its tool calls.",
);

/// The key of a step.
pub(super) const STEP_GUARDRAILS: Member =
    key("guardrails", &IN_STEPS, "Checks before and after the step.");

/// A guardrail as written.
#[derive(Debug)]
pub(crate) struct WrittenGuard {
    place: &'static str,
    kind: Kind,
    then: OnFound,
    reason: Option<String>,
    watch: bool,
    retries: Option<u32>,
    tools: Option<Vec<String>>,
}

#[derive(Debug)]
enum Kind {
    Length(Length),
    Pattern(Pattern),
    Secrets,
    Personal(Vec<PersonalKind>),
    Injection,
    Judge { rule: String, model: Option<Vec<ModelName>> },
    Schema(Value),
    Check(Hook),
}

impl Reader<'_> {
    /// Takes `guardrails` of a step or of an agent.
    pub(super) fn guardrails(
        &mut self,
        fields: &mut Fields<'_>,
        of_step: bool,
    ) -> Vec<WrittenGuard> {
        let Some((_, node)) = fields.take("guardrails") else { return Vec::new() };
        let what = if of_step { OF_STEPS.what } else { OF_AGENTS.what };
        let Some(mut fields) = Fields::of(self, node, what) else { return Vec::new() };
        let places = if of_step { &PLACES[..2] } else { &PLACES };
        let mut guards = Vec::new();
        for place in places {
            let Some((key, node)) = fields.take(place) else { continue };
            let Some(list) = self.list(node, place) else { continue };
            if list.is_empty() {
                let mistake = self.mistake(key.span, format!("`{place}` has no guardrails"));
                self.push(mistake.help("list at least one, or leave the key out"));
            }
            guards.extend(list.iter().filter_map(|node| self.guard(place, node)));
        }
        fields.finish_with(self, |unknown| {
            PLACES.contains(&unknown).then(|| {
                format!("only agents have `{unknown}`: write it under `agents`, at the agent")
            })
        });
        guards
    }

    fn guard(&mut self, place: &'static str, node: &Node) -> Option<WrittenGuard> {
        let mut fields = Fields::of(self, node, GUARD.what)?;
        let kinds: Vec<&str> = KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
        if kinds.len() > 1 {
            let message = format!("a guardrail is of one kind, not {}", listed(&kinds));
            let mistake = self.mistake(node.span, message);
            self.push(mistake.help("make several of it, one below the other"));
        }
        let (kind, then) = self.kind_of_guard(&mut fields);
        let reason = fields.word(self, "reason").map(|word| word.text);
        let watch_at = fields.place("watch");
        let watch = fields.bool(self, "watch").unwrap_or_default();
        let retries_at = fields.place("retries");
        let retries = fields.number(self, "retries", (0, GUARD_RETRIES_MAX.into()));
        let tools_at = fields.place("tools");
        let tools = fields.take("tools").and_then(|(_, node)| {
            let list = self.list(node, "tools")?;
            Some(list.iter().filter_map(|node| self.word(node, "a tool")).collect::<Vec<_>>())
        });
        fields.finish(self);
        if let Some(span) = watch_at.filter(|_| watch)
            && !["before", "before_model"].contains(&place)
        {
            let mistake = self.mistake(span, format!("a guardrail of `{place}` cannot watch"));
            let help = "leave `watch` out, or move the guardrail to `before` or `before_model`";
            self.push(mistake.label("the work has been done").help(help));
        }
        if let Some(span) = retries_at
            && !["after", "after_model"].contains(&place)
        {
            let message = format!("a guardrail of `{place}` has no `retries`");
            let help = "leave it out, or move the guardrail to `after` or `after_model`";
            self.push(self.mistake(span, message).label("nothing is done again").help(help));
        }
        if let Some(span) = tools_at
            && !["before_tool", "after_tool"].contains(&place)
        {
            let message = format!("a guardrail of `{place}` judges no tool calls");
            let help = "leave `tools` out, or move it to `before_tool` or `after_tool`";
            self.push(self.mistake(span, message).help(help));
        }
        let tools = tools.map(|tools| tools.into_iter().map(|word| word.text).collect());
        let retries = retries.and_then(|retries| u32::try_from(retries).ok());
        Some(WrittenGuard { place, kind: kind?, then, reason, watch, retries, tools })
    }

    /// Takes the one key that says what a guardrail looks for, and `then`.
    fn kind_of_guard(&mut self, fields: &mut Fields<'_>) -> (Option<Kind>, OnFound) {
        let then_at = fields.value_place("then");
        let then = fields.choice(self, "then", &THEN).unwrap_or_default();
        // Each key is asked for, so that a misspelled one finds its name.
        let around = fields.span;
        let length = fields.take("length").and_then(|(_, node)| self.length(node));
        let deny = fields.word(self, "deny");
        let deny = deny.and_then(|word| self.pattern(&word.text, word.span, false));
        let require = fields.word(self, "require");
        let require = require.and_then(|word| self.pattern(&word.text, word.span, true));
        let secrets = self.switch(fields, "secrets").map(|()| Kind::Secrets);
        let personal = fields.take("personal_data").and_then(|(_, node)| self.personal(node));
        let injection = self.switch(fields, "prompt_injection").map(|()| Kind::Injection);
        let judge = fields.take("judge").and_then(|(_, node)| self.judge(node));
        let schema = fields.take("schema").and_then(|(_, node)| self.schema(node, "schema"));
        let schema = schema.map(Kind::Schema);
        let check = self.hook(fields, "check");
        // In place of a verdict, a rewriting check gives the new content.
        if let Some(check) = check.as_ref().filter(|_| then != OnFound::Rewrite) {
            self.gives_verdict(check);
        }
        let check = check.map(Kind::Check);
        let asked = KINDS.iter().any(|kind| fields.was_there(kind));
        let kinds = [length, deny, require, secrets, personal, injection, judge, schema, check];
        let kind = kinds.into_iter().flatten().next();
        if !asked {
            let mistake = self.mistake(around, "nothing says what the guardrail looks for");
            self.push(mistake.help(format!("it has one of the keys {}", listed(&KINDS))));
        }
        if let (Some(span), Some(kind)) = (then_at, &kind)
            && then == OnFound::Rewrite
            && let Some(why) = kind.cannot_rewrite()
        {
            let mistake = self.mistake(span, "this guardrail cannot rewrite").label(why);
            self.push(mistake.help("write `then: refuse` or `then: retry`"));
        }
        (kind, then)
    }

    fn length(&mut self, node: &Node) -> Option<Kind> {
        let mut fields = Fields::of(self, node, LENGTH.what)?;
        let min = fields.number(self, "min", (0, CHARS_MAX));
        let max = fields.number(self, "max", (1, CHARS_MAX));
        fields.finish(self);
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let length = match (min, max) {
            (None, None) => {
                let mistake = self.mistake(node.span, "`length` says nothing");
                self.push(mistake.help("write `length: {max: 4000}`"));
                return None;
            }
            (Some(min), Some(max)) if min > max => {
                let mistake = self.mistake(node.span, format!("`min` is {min} and `max` is {max}"));
                self.push(mistake.help("swap them"));
                return None;
            }
            (min, Some(max)) => Length::at_most(size(max)).and_at_least(min.map_or(0, size)),
            (Some(min), None) => Length::at_least(size(min)),
        };
        Some(Kind::Length(length))
    }

    fn pattern(&mut self, text: &str, span: Span, required: bool) -> Option<Kind> {
        let made = if required { Pattern::require(text) } else { Pattern::deny(text) };
        match made {
            Ok(pattern) => Some(Kind::Pattern(pattern)),
            Err(error) => {
                let wrong = error.to_string();
                let wrong = wrong.lines().last().unwrap_or_default().to_owned();
                let mistake = self.mistake(span, "this is no regular expression").label(wrong);
                self.push(mistake.help("write a `(` or `[` that stands for itself as `\\(`"));
                None
            }
        }
    }

    /// Takes a key whose only value is `true`.
    fn switch(&mut self, fields: &mut Fields<'_>, name: &'static str) -> Option<()> {
        let span = fields.value_place(name)?;
        if fields.bool(self, name)? {
            Some(())
        } else {
            let mistake = self.mistake(span, format!("`{name}: false` looks for nothing"));
            self.push(mistake.help("leave the guardrail out"));
            None
        }
    }

    fn personal(&mut self, node: &Node) -> Option<Kind> {
        if let Yaml::Bool(true) = node.value {
            return Some(Kind::Personal(PersonalKind::ALL.to_vec()));
        }
        let Yaml::List(list) = &node.value else {
            self.wrong_type(node, "`personal_data` is true, or a list of kinds");
            return None;
        };
        let kinds: Vec<_> =
            list.iter().filter_map(|node| self.one_of(node, "personal_data", &PERSONAL)).collect();
        if list.is_empty() {
            let mistake = self.mistake(node.span, "`personal_data` has no kinds");
            self.push(mistake.help("write `personal_data: true` for all of them"));
        }
        (!kinds.is_empty()).then_some(Kind::Personal(kinds))
    }

    fn judge(&mut self, node: &Node) -> Option<Kind> {
        let mut fields = Fields::of(self, node, JUDGE.what)?;
        let help = "write `judge: {rule: The text promises a refund.}`";
        let rule = fields.need(self, "rule", help);
        let rule = rule.and_then(|(_, node)| self.constant(node, "rule"));
        let model = self.models(&mut fields);
        fields.finish(self);
        let rule = rule?;
        if rule.text.trim().is_empty() {
            let mistake = self.mistake(rule.span, "the rule of a judge is empty");
            self.push(mistake.help("say what the text must not be"));
            return None;
        }
        Some(Kind::Judge { rule: rule.text, model })
    }
}

impl Kind {
    /// Returns the reason that a content cannot be rewritten.
    fn cannot_rewrite(&self) -> Option<&'static str> {
        match self {
            Self::Injection => Some("an injection cannot be taken out of a text"),
            Self::Judge { .. } => Some("a judge says yes or no"),
            Self::Schema(_) => Some("a value cannot be made to match"),
            Self::Pattern(pattern) if pattern.is_required() => {
                Some("what is missing cannot be replaced")
            }
            _ => None,
        }
    }
}

impl WrittenGuard {
    /// Returns the models of a judge, if this is one and names them.
    pub(crate) fn judge_models(&self) -> Option<&[ModelName]> {
        match &self.kind {
            Kind::Judge { model, .. } => model.as_deref(),
            _ => None,
        }
    }

    /// Makes the guard. `model` makes the model of a judge.
    pub(crate) fn made(
        &self,
        of_step: bool,
        model: impl FnOnce() -> Result<AnyModel, Error>,
    ) -> Result<Guard, Error> {
        let then = self.then;
        let guardrail = match &self.kind {
            Kind::Length(length) => AnyGuardrail::new(length.clone().on_found(then)),
            Kind::Pattern(pattern) => AnyGuardrail::new(pattern.clone().on_found(then)),
            Kind::Secrets => AnyGuardrail::new(Secrets::new().on_found(then)),
            Kind::Personal(kinds) => {
                AnyGuardrail::new(PersonalData::of(kinds.iter().copied()).on_found(then))
            }
            Kind::Injection => AnyGuardrail::new(PromptInjection::new().on_found(then)),
            Kind::Judge { rule, .. } => {
                AnyGuardrail::new(Judge::new(model()?, rule.as_str()).on_found(then))
            }
            Kind::Schema(schema) => {
                let made = schema::compile(schema);
                let made = made.map_err(|why| Error::new(ErrorKind::Definition, why))?;
                AnyGuardrail::new(OfSchema { schema: Arc::new(made), then })
            }
            Kind::Check(hook) => AnyGuardrail::new(OfHook { hook: hook.clone(), then }),
        };
        let guardrail = match &self.reason {
            Some(reason) => {
                AnyGuardrail::new(Because { guardrail, reason: reason.as_str().into() })
            }
            None => guardrail,
        };
        let mut guard = match self.place {
            "before" => Guard::before(guardrail),
            "after" => Guard::after(guardrail),
            "before_model" => Guard::before_model(guardrail),
            "after_model" => Guard::after_model(guardrail),
            "before_tool" => Guard::before_tool(guardrail),
            _ => Guard::after_tool(guardrail),
        };
        if self.watch {
            guard = guard.watching();
        }
        if let Some(retries) = self.retries {
            guard = guard.retries(retries);
        }
        if let Some(tools) = &self.tools {
            guard = guard.tools(tools.iter().cloned());
        }
        match guard.mistake(of_step) {
            Some(mistake) => Err(Error::new(ErrorKind::Definition, mistake)),
            None => Ok(guard),
        }
    }
}

/// A guardrail with the reason that a file gives.
struct Because {
    guardrail: AnyGuardrail,
    reason: Arc<str>,
}

impl Guardrail for Because {
    fn name(&self) -> &str {
        self.guardrail.name()
    }

    fn check(&self, checked: Checked, cx: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        Box::pin(async move {
            let mut ruling = self.guardrail.check(checked, cx).await?;
            if let GuardVerdict::Retry { reason } | GuardVerdict::Refuse { reason } =
                &mut ruling.verdict
            {
                *reason = self.reason.clone();
            }
            Ok(ruling)
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        self.guardrail.fingerprint()
    }
}

/// A schema of a file.
struct OfSchema {
    schema: Arc<schema::Schema>,
    then: OnFound,
}

impl Guardrail for OfSchema {
    fn name(&self) -> &'static str {
        "schema"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        Box::pin(async move {
            // A text may be the JSON of a value.
            let value = match &checked.content {
                Content::Text(text) => stepwright_core::json::parse_if_json(text),
                Content::Json(_) => Ok(None),
            };
            let fitting = match value {
                Ok(value) => {
                    let value = value.unwrap_or_else(|| checked.content.to_value());
                    fits(Arc::new(value), self.schema.clone()).await
                }
                Err(error) => Err(error.to_string()),
            };
            let verdict = match fitting {
                Ok(()) => GuardVerdict::Allow,
                Err(why) => given(self.then, format!("it does not match the schema: {why}")),
            };
            Ok(verdict.into())
        })
    }
}

/// An expression or a function of the program.
struct OfHook {
    hook: Hook,
    then: OnFound,
}

impl Guardrail for OfHook {
    fn name(&self) -> &'static str {
        "check"
    }

    fn check(&self, checked: Checked, cx: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        Box::pin(async move {
            let value = self.hook.judged(checked.content.clone(), cx).await?;
            let verdict = match (value, self.then) {
                (Value::Bool(true), _) => GuardVerdict::Allow,
                (Value::Bool(false), OnFound::Rewrite) => {
                    GuardVerdict::refuse("the check gave false, and nothing to put in its place")
                }
                (value, OnFound::Rewrite) if value == checked.content.to_value() => {
                    GuardVerdict::Allow
                }
                // A name that is missing somewhere is null.
                (value, OnFound::Rewrite) if !value.is_null() => GuardVerdict::rewrite(value),
                (Value::Bool(false), then) => given(then, "the check of the file".to_owned()),
                (Value::String(reason), then) => given(then, reason),
                (other, then) => {
                    let may = match then {
                        OnFound::Rewrite => "true, false or the new content",
                        _ => "true, false or a reason",
                    };
                    return Err(StepError::terminal(format!(
                        "`check` gave {other}; it gives {may}"
                    )));
                }
            };
            Ok(verdict.into())
        })
    }
}

fn given(then: OnFound, reason: String) -> GuardVerdict {
    match then {
        OnFound::Retry => GuardVerdict::retry(reason),
        _ => GuardVerdict::refuse(reason),
    }
}

/// Reports tools that a guardrail names and the agent does not have.
pub(super) fn unknown_tools(
    guards: &[WrittenGuard],
    has: impl Fn(&str) -> bool,
) -> impl Iterator<Item = &str> {
    let named = guards.iter().filter_map(|guard| guard.tools.as_ref()).flatten();
    named.map(String::as_str).filter(move |name| !has(name))
}
