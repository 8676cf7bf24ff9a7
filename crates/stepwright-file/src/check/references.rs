//! Checks the references of expressions and templates.

use super::{Checker, Counts, Hidden, Place};
use crate::declared::Declared;
use crate::diagnostic::Diagnostic;
use crate::format::{Inside, Item, Referring};
use crate::reference::{BUDGET, ROOTS, Reference};
use crate::suggest::{closest, did_you_mean, listed, step_reference};
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::ErrorId;

impl<'a> Checker<'a, '_> {
    pub(super) fn references(&mut self, what: Referring<'_>, place: &Place<'a>) {
        let before = self.mistakes.len();
        let mut behind = 0;
        for reference in what.references {
            // The rest of a name with dashes, which has been reported.
            if reference.span.start < behind {
                continue;
            }
            let span = what.written.place(reference.span);
            let at = |message: String| {
                Diagnostic::new(ErrorId::NAME_UNKNOWN, &what.written.source, span, message)
            };
            // A message can point at the step only if both are in one file.
            let here = Arc::ptr_eq(&what.written.source, &self.file.source);
            if let Some((mistake, end)) = self.dashed(reference, &what, &at) {
                behind = end;
                self.mistakes.push(mistake);
                continue;
            }
            let mistake = match reference.root.as_str() {
                "steps" => match reference.path.first() {
                    Some(name) => self.step(name, place, here, &at),
                    None => Some(
                        at("`steps` needs the name of a step, written out".into())
                            .help("write `steps.name`, or `steps[\"a name\"]`"),
                    ),
                },
                "last" => last(reference, place, &at),
                "loops" => self.loop_outcome(reference, place, here, &at),
                "input" => {
                    let schema = self.file.input.as_ref();
                    property(reference, schema, "the declared input has no property", &at)
                }
                "user_input" if place.form.is_none() => {
                    Some(at("no form is filled in for this".into()).help(
                        "ask for it with `human_review: {requires_user_input: …}`, here or around \
                         this",
                    ))
                }
                "user_input" => property(reference, place.form, "the form does not ask for", &at),
                root @ ("feedback" | "rejected") if !place.feedback => Some(
                    at(format!("there is no `{root}`: no review can reject what this gives")).help(
                        "ask with `requires_output_review` on this step, or with \
                         `requires_iteration_review` on the loop around it",
                    ),
                ),
                "item" if !place.item => Some(
                    at("`item` is only there inside a `map`".into())
                        .maybe_help(use_previous(place)),
                ),
                "index" if place.counts != Counts::Items => {
                    Some(match (place.item, place.counts) {
                        (true, Counts::Turns) => {
                            at("`index` counts the items of a `map`, but a `loop` is between"
                                .into())
                            .help("the turns of the loop are counted by `iteration`")
                        }
                        _ => at("`index` is only there inside a `map`".into()),
                    })
                }
                "iteration" if place.counts != Counts::Turns => {
                    let mistake = at("`iteration` is only there inside a `loop`".into());
                    Some(match place.counts {
                        Counts::Items => mistake.help("the items of a map are counted by `index`"),
                        _ => mistake,
                    })
                }
                "error" if place.afters == 0 => Some(
                    at("`error` is only there in steps that run when others have ended".into())
                        .help("use it under `on_failure`, `finally` or `undo`"),
                ),
                "error" => match reference.path.first().map(String::as_str) {
                    None | Some("message" | "code" | "path" | "kind") => None,
                    Some(field) => Some(
                        at(format!("`error` has no `{field}`"))
                            .help("it has `message`, `code`, `path` and `kind`"),
                    ),
                },
                "vars" => declared(reference, Declared::vars_named, &self.file.declared, &at),
                "env" => declared(reference, Declared::env_named, &self.file.declared, &at),
                "secrets" => {
                    let mistake =
                        declared(reference, Declared::secret_named, &self.file.declared, &at);
                    mistake.or_else(|| misplaced(what, &at))
                }
                "budget" if !place.budget => {
                    Some(at("no budget is set for this".into()).help(
                        "set one here, around this, or at the top: `budget: {tokens: 200000}`",
                    ))
                }
                "budget" => match reference.path.first() {
                    Some(name) if !BUDGET.contains(&name.as_str()) => {
                        let help = did_you_mean(name, &BUDGET, "a budget has");
                        Some(at(format!("a budget has no `{name}`")).maybe_help(help))
                    }
                    _ => None,
                },
                root if ROOTS.contains(&root) => None,
                root => Some(unknown_root(root, place, &at)),
            };
            let is_template = what.expression.is_none();
            let mistake = mistake.or_else(|| self.member(reference, is_template, place, &at));
            if let Some(mistake) = mistake {
                self.mistakes.push(mistake);
            }
        }
        if self.mistakes.len() == before {
            self.types(&what, place);
        }
    }

    /// Returns the mistake in `steps.my-step`, which is a difference, and the end of the name.
    fn dashed(
        &self,
        reference: &Reference,
        what: &Referring<'_>,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<(Diagnostic, usize)> {
        let root = reference.root.as_str();
        let name = reference.path.first().filter(|_| matches!(root, "steps" | "last" | "loops"))?;
        let text = what.written.value.get(what.written.offset + reference.span.start..)?;
        let rest = text.strip_prefix(root)?.strip_prefix('.')?;
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        let whole = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
        if !whole.contains('-') || self.all.contains_key(name.as_str()) {
            return None;
        }
        self.all.get(whole)?;
        let end = reference.span.start + root.len() + 1 + whole.len();
        let mistake = at(format!("`{root}.{whole}` is `{root}.{name}` minus something"));
        let help = format!("write the name in brackets: `{root}['{whole}']`");
        Some((mistake.help(help), end))
    }

    /// Returns the mistake in a reference to a loop or to a field of its outcome.
    fn loop_outcome(
        &self,
        reference: &Reference,
        place: &Place<'a>,
        here: bool,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        let Some(name) = reference.path.first() else {
            let mistake = at("`loops` needs the name of a loop, written out".into());
            return Some(mistake.help("write `loops.name.exhausted`"));
        };
        if let Some(mistake) = self.step(name, place, here, at) {
            return Some(mistake);
        }
        if !self.loops.contains(&name.as_str()) {
            let mistake = at(format!("`{name}` is not a loop"));
            return Some(mistake.help(format!("what it gave is `steps.{name}`")));
        }
        let field = reference.path.get(1)?;
        if matches!(field.as_str(), "exhausted" | "iterations") {
            return None;
        }
        let mistake = at(format!("`loops.{name}` has no `{field}`"));
        Some(mistake.help("it has `exhausted` and `iterations`"))
    }

    fn step(
        &self,
        name: &str,
        place: &Place<'a>,
        here: bool,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        // Most references are to steps that ran just before.
        if place.visible.iter().rev().any(|visible| *visible == name) {
            return None;
        }
        if self.mistakes.is_full() {
            // Further mistakes are only counted, so this one needs no text.
            return Some(at(String::new()));
        }
        let hidden =
            place.hidden.iter().rev().find(|(other, _)| *other == name).map(|(_, why)| why);
        let there = self.all.get(name).map(|(span, _)| *span);
        let Some(there) = there else {
            let mistake = at(format!("there is no step `{name}`"));
            // Suggest the steps that ran last first.
            let near: Vec<&str> = place.visible.iter().rev().copied().collect();
            return Some(match closest(name, near.iter().copied()) {
                Some(meant) => {
                    mistake.help(format!("did you mean `{}`?", step_reference("steps", meant)))
                }
                None => mistake.help(
                    did_you_mean(name, &near, "steps that ran before are")
                        .unwrap_or_else(|| "no step runs before this one".into()),
                ),
            });
        };
        let (message, help) = match hidden {
            Some(Hidden::Itself) => (format!("`{name}` is the step itself"), use_previous(place)),
            Some(Hidden::Around) => (
                format!("`{name}` has not ended yet: this is inside of it"),
                (place.counts == Counts::Turns).then(|| {
                    "what the last turn gave is `previous`, if the loop has `forward: true`".into()
                }),
            ),
            Some(Hidden::Beside) => (
                format!("`{name}` runs at the same time as this"),
                Some(
                    "parallel branches do not see each other: use it after they have joined".into(),
                ),
            ),
            Some(Hidden::OtherArm) => (format!("`{name}` is only done if this is not"), None),
            Some(Hidden::InMap(map)) => (
                format!("`{name}` runs once for each item of `{map}`"),
                Some(format!("`steps.{map}` is the list of what the items gave")),
            ),
            None => (
                format!("`{name}` has not run yet at this point"),
                match place.counts {
                    Counts::Turns => {
                        Some(format!("what it gave in the last turn is `last.{name}`"))
                    }
                    _ => None,
                },
            ),
        };
        let mistake = at(message).label("used here").maybe_help(help);
        Some(if here { mistake.also(there, format!("`{name}` is here")) } else { mistake })
    }
}

/// Returns the mistake in a reference to a step of the previous turn.
fn last(
    reference: &Reference,
    place: &Place<'_>,
    at: &dyn Fn(String) -> Diagnostic,
) -> Option<Diagnostic> {
    let Some(turn) = place.turn else {
        let mistake = at("`last` is only there inside a `loop`".into());
        return Some(mistake.help("it has what the steps of the turn before gave"));
    };
    let Some(name) = reference.path.first() else {
        let mistake = at("`last` needs the name of a step, written out".into());
        return Some(mistake.help("write `last.name`, or `last[\"a name\"]`"));
    };
    let mut steps = Vec::new();
    turn_steps(turn, &mut steps);
    if steps.contains(&name.as_str()) {
        return None;
    }
    let mistake = at(format!("no step `{name}` is in this loop"));
    Some(match closest(name, steps.iter().copied()) {
        Some(meant) => mistake.help(format!("did you mean `{}`?", step_reference("last", meant))),
        None => mistake.maybe_help(did_you_mean(name, &steps, "it has")),
    })
}

/// Collects the steps of a turn that the next one can refer to. Steps inside a map run many times,
/// so they are left out.
fn turn_steps<'a>(items: &'a [Item], all: &mut Vec<&'a str>) {
    for item in items {
        all.push(&item.name.text);
        if !matches!(item.kind.inside(), Some(Inside::Items { .. })) {
            for body in item.kind.bodies() {
                turn_steps(body, all);
            }
        }
    }
}

/// Returns the mistake in a reference to a property, if the schema lists all properties.
fn property(
    reference: &Reference,
    schema: Option<&Value>,
    lacks: &str,
    at: &dyn Fn(String) -> Diagnostic,
) -> Option<Diagnostic> {
    let (root, name) = (&reference.root, reference.path.first()?);
    let schema = schema?;
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let open = ["patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas"];
    let more = schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
    if more || open.iter().any(|key| schema.get(key).is_some()) || properties.contains_key(name) {
        return None;
    }
    let names: Vec<&str> = properties.keys().map(String::as_str).collect();
    let mistake = at(format!("{lacks} `{name}`"));
    Some(match closest(name, names.iter().copied()) {
        Some(meant) => mistake.help(format!("did you mean `{root}.{meant}`?")),
        None => mistake.maybe_help(did_you_mean(name, &names, "there is")),
    })
}

/// Returns the mistake in a reference to a value that the file declares.
fn declared(
    reference: &Reference,
    names: fn(&Declared) -> Vec<&str>,
    declared: &Declared,
    at: &dyn Fn(String) -> Diagnostic,
) -> Option<Diagnostic> {
    let root = reference.root.as_str();
    let names = names(declared);
    let Some(name) = reference.path.first() else {
        // All variables together are a value like any other.
        return (root != "vars").then(|| {
            let mistake = at(format!("`{root}` needs a name, written out"));
            mistake.help(format!("write `{root}.NAME`"))
        });
    };
    if names.contains(&name.as_str()) {
        return None;
    }
    let mistake = at(format!("the file declares no `{name}` under `{root}`"));
    if root == "env" && declared.secret_named().contains(&name.as_str()) {
        return Some(mistake.help(format!("it is a secret: write `secrets.{name}`")));
    }
    if root == "secrets" && declared.env_named().contains(&name.as_str()) {
        return Some(mistake.help(format!("it is under `env`: write `env.{name}`")));
    }
    if let Some(meant) = closest(name, names.iter().copied()) {
        return Some(mistake.help(format!("did you mean `{root}.{meant}`?")));
    }
    Some(mistake.help(match root {
        "vars" => format!("add it at the top: `vars: {{{name}: …}}`"),
        "env" => format!(
            "add `env: [{name}]` at the top, or `secrets: [{name}]` and write `secrets.{name}`"
        ),
        _ => format!("add it at the top: `secrets: [{name}]`"),
    }))
}

/// Returns the mistake in a reference to a secret where its value would be stored or shown.
fn misplaced(what: Referring<'_>, at: &dyn Fn(String) -> Diagnostic) -> Option<Diagnostic> {
    (!what.takes_secrets).then(|| {
        at("a secret cannot be used here, where it would be stored or shown".into()).help(
            "use it in the keys of `http`, or in `env` and `stdin` of `shell`: `env: {TOKEN: \
             \"{{ secrets.TOKEN }}\"}`",
        )
    })
}

fn unknown_root(root: &str, place: &Place<'_>, at: &dyn Fn(String) -> Diagnostic) -> Diagnostic {
    let mistake = at(format!("there is no `{root}`"));
    if place.visible.contains(&root) {
        return mistake.help(format!("what a step gave is `steps.{root}`"));
    }
    match closest(root, ROOTS) {
        Some(meant) => mistake.help(format!("did you mean `{meant}`?")),
        None => mistake.help(format!("there is {}", listed(&ROOTS))),
    }
}

fn use_previous(place: &Place<'_>) -> Option<String> {
    (!place.visible.is_empty()).then(|| "what the step before gave is `previous`".into())
}
