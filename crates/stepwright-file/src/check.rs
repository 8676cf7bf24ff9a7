//! What no single line of a file can tell: whether names exist where they are used.

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::format::{Choice, File, Function, Item, Kind, Referring, Test};
use crate::reference::{ROOTS, Reference};
use crate::source::Span;
use crate::suggest::{closest, did_you_mean};
use serde_json::Value;
use std::sync::Arc;

/// Checks a file and those within it. `model` is what its agents use without one of their own.
pub(crate) fn check(file: &File, model: Option<&str>, mistakes: &mut Diagnostics) {
    let model = file.model.as_ref().map(|model| model.text.as_str()).or(model);
    let mut all = Vec::new();
    collect(&file.steps, &mut all);
    let mut checker = Checker { file, model, all, mistakes };
    checker.agents();
    checker.items(&file.steps, &Place::default());
}

fn collect<'a>(items: &'a [Item], all: &mut Vec<(&'a str, Span)>) {
    for item in items {
        all.push((&item.name.text, item.name.span));
        bodies(&item.kind).into_iter().for_each(|body| collect(body, all));
    }
}

fn bodies(kind: &Kind) -> [&[Item]; 2] {
    match kind {
        Kind::Steps { body } | Kind::Loop { body, .. } | Kind::Map { body, .. } => [body, &[]],
        Kind::Parallel { branches, .. } => [branches, &[]],
        Kind::Condition { then, otherwise, .. } => [then, otherwise],
        Kind::Router { choices, .. } => [choices, &[]],
        Kind::Agent { .. } | Kind::Function(_) | Kind::Workflow { .. } => [&[], &[]],
    }
}

/// What the innermost container that repeats its steps counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Counts {
    #[default]
    Nothing,
    Items,
    Turns,
}

/// What is known at a place in the tree of steps.
#[derive(Clone, Debug, Default)]
struct Place<'a> {
    /// Steps that have run, or were passed over, when this runs.
    visible: Vec<&'a str>,
    /// Steps that exist, but not for this one, and why.
    hidden: Vec<(&'a str, Hidden<'a>)>,
    item: bool,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hidden<'a> {
    Around,
    Itself,
    Beside,
    OtherArm,
    InMap(&'a str),
}

impl<'a> Place<'a> {
    fn hide(&mut self, items: &'a [Item], why: Hidden<'a>) {
        let mut all = Vec::new();
        collect(items, &mut all);
        self.hidden.extend(all.into_iter().map(|(name, _)| (name, why)));
    }

    fn inside(&self, item: &'a Item) -> Self {
        let mut place = self.clone();
        place.hidden.push((&item.name.text, Hidden::Around));
        place
    }
}

struct Checker<'a, 'm> {
    file: &'a File,
    model: Option<&'a str>,
    all: Vec<(&'a str, Span)>,
    mistakes: &'m mut Diagnostics,
}

impl<'a> Checker<'a, '_> {
    fn at(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(&self.file.source, span, message)
    }

    fn agents(&mut self) {
        for agent in &self.file.agents {
            if agent.model.is_none() && self.model.is_none() {
                let message = format!("the agent `{}` has no model", agent.name.text);
                let help = "give it one, or give one to all agents with `model:` at the top; \
                            `model: offline` needs no key";
                self.mistakes.push(self.at(agent.name.span, message).help(help));
            }
        }
    }

    /// Checks a sequence; what it adds to what later steps can see.
    fn items(&mut self, items: &'a [Item], place: &Place<'a>) -> Place<'a> {
        self.names(items.iter());
        let mut place = place.clone();
        for item in items {
            place = self.item(item, place);
        }
        place
    }

    fn names(&mut self, items: impl Iterator<Item = &'a Item>) {
        let mut seen: Vec<&Item> = Vec::new();
        for item in items {
            let name = &item.name;
            match seen.iter().find(|other| other.name.text == name.text) {
                Some(first) => {
                    let message = format!("two steps in this place are called `{}`", name.text);
                    let mistake = self.at(name.span, message).label("again here");
                    let mistake = mistake.also(first.name.span, "first here");
                    self.mistakes.push(mistake.help("give one of them another `name`"));
                }
                None => seen.push(item),
            }
        }
    }

    /// Checks a step; the place after it.
    fn item(&mut self, item: &'a Item, mut place: Place<'a>) -> Place<'a> {
        let mut inside = place.inside(item);
        let after = &mut place;
        match &item.kind {
            Kind::Agent { agent, prompt } => {
                self.agent(agent);
                let mut here = after.clone();
                here.hidden.push((&item.name.text, Hidden::Itself));
                self.all_of(prompt.iter().map(Into::into), &here);
            }
            Kind::Function(function) => {
                let mut here = after.clone();
                here.hidden.push((&item.name.text, Hidden::Itself));
                self.all_of(referring(function).into_iter(), &here);
            }
            Kind::Steps { body } => after.visible = self.items(body, &inside).visible,
            Kind::Parallel { branches, .. } => self.parallel(branches, &inside, after),
            Kind::Loop { until, body, .. } => {
                inside.counts = Counts::Turns;
                let mut end = self.items(body, &inside);
                self.all_of(until.iter().map(Into::into), &end);
                after.visible.append(&mut end.visible.split_off(after.visible.len()));
            }
            Kind::Condition { test, then, otherwise } => {
                if let Test::Expression(test) = test {
                    self.references(test.into(), after);
                }
                self.names(then.iter().chain(otherwise));
                let known = after.visible.len();
                for (arm, other) in [(then, otherwise), (otherwise, then)] {
                    let mut inside = inside.clone();
                    inside.hide(other, Hidden::OtherArm);
                    let mut end = inside;
                    for item in arm {
                        end = self.item(item, end);
                    }
                    after.visible.append(&mut end.visible.split_off(known));
                }
            }
            Kind::Router { choose, choices } => {
                self.choices(choose, choices, after);
                self.names(choices.iter());
                let known = after.visible.len();
                for choice in choices {
                    // Whichever was chosen before has run.
                    let mut inside = inside.clone();
                    let others = choices.iter().filter(|other| !std::ptr::eq(*other, choice));
                    inside.visible.extend(others.map(|other| other.name.text.as_str()));
                    let from = inside.visible.len();
                    let mut end = self.item(choice, inside);
                    after.visible.append(&mut end.visible.split_off(from));
                }
                debug_assert!(after.visible.len() >= known, "choices only add names");
            }
            Kind::Map { over, body, .. } => {
                self.all_of(over.iter().map(Into::into), after);
                (inside.item, inside.counts) = (true, Counts::Items);
                self.items(body, &inside);
                after.hide(body, Hidden::InMap(&item.name.text));
            }
            Kind::Workflow { file, .. } => check(file, self.model, self.mistakes),
        }
        after.visible.push(&item.name.text);
        place
    }

    fn parallel(&mut self, branches: &'a [Item], inside: &Place<'a>, after: &mut Place<'a>) {
        self.names(branches.iter());
        let known = after.visible.len();
        for branch in branches {
            let mut inside = inside.clone();
            for other in branches.iter().filter(|other| !std::ptr::eq(*other, branch)) {
                inside.hide(std::slice::from_ref(other), Hidden::Beside);
            }
            let mut end = self.item(branch, inside);
            after.visible.append(&mut end.visible.split_off(known));
        }
    }

    fn agent(&mut self, agent: &crate::format::Word) {
        let names: Vec<&str> = self.file.agents.iter().map(|a| a.name.text.as_str()).collect();
        if !names.contains(&agent.text.as_str()) {
            let message = format!("there is no agent `{}`", agent.text);
            let help = did_you_mean(&agent.text, &names, "this file has");
            let help = help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
            self.mistakes.push(self.at(agent.span, message).help(help));
        }
    }

    fn choices(&mut self, choose: &'a Choice, choices: &'a [Item], place: &Place<'a>) {
        match choose {
            Choice::Expression(choose) => self.references(choose.into(), place),
            Choice::Constant(words) => {
                let names: Vec<&str> = choices.iter().map(|c| c.name.text.as_str()).collect();
                for word in words.iter().filter(|word| !names.contains(&word.text.as_str())) {
                    let message = format!("`{}` is no choice of this router", word.text);
                    let help = if ROOTS.iter().any(|root| word.text.starts_with(root)) {
                        Some(format!("an expression begins with `=`: `= {}`", word.text))
                    } else {
                        did_you_mean(&word.text, &names, "its choices are")
                    };
                    self.mistakes.push(self.at(word.span, message).maybe_help(help));
                }
            }
        }
    }

    fn all_of<'r>(&mut self, all: impl Iterator<Item = Referring<'r>>, place: &Place<'a>) {
        all.for_each(|one| self.references(one, place));
    }

    fn references(&mut self, what: Referring<'_>, place: &Place<'a>) {
        for reference in what.references {
            let span = what.written.place(reference.span);
            let at = |message: String| Diagnostic::new(&what.written.source, span, message);
            // Steps can be shown beside the mistake only if both are in one file.
            let here = Arc::ptr_eq(&what.written.source, &self.file.source);
            let mistake = match reference.root.as_str() {
                "steps" => match reference.path.first() {
                    Some(name) => self.step(name, place, here, &at),
                    None => Some(
                        at("`steps` needs the name of a step, written out".into())
                            .help("write `steps.name`, or `steps[\"a name\"]`"),
                    ),
                },
                "input" => self.property(reference, &at),
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
                root if ROOTS.contains(&root) => None,
                root => Some(self.unknown_root(root, place, &at)),
            };
            if let Some(mistake) = mistake {
                self.mistakes.push(mistake);
            }
        }
    }

    fn unknown_root(
        &self,
        root: &str,
        place: &Place<'a>,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Diagnostic {
        let mistake = at(format!("there is no `{root}`"));
        if place.visible.contains(&root) {
            return mistake.help(format!("what a step gave is `steps.{root}`"));
        }
        match closest(root, ROOTS) {
            Some(meant) => mistake.help(format!("did you mean `{meant}`?")),
            None => mistake.help(format!("there is {}", crate::suggest::listed(&ROOTS))),
        }
    }

    fn step(
        &self,
        name: &str,
        place: &Place<'a>,
        here: bool,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        if place.visible.contains(&name) {
            return None;
        }
        let hidden =
            place.hidden.iter().rev().find(|(other, _)| *other == name).map(|(_, why)| why);
        let there = self.all.iter().find(|(other, _)| *other == name).map(|(_, span)| *span);
        let Some(there) = there else {
            let mistake = at(format!("there is no step `{name}`"));
            return Some(match closest(name, place.visible.iter().copied()) {
                Some(meant) => mistake.help(format!("did you mean `steps.{meant}`?")),
                None => mistake.maybe_help(
                    did_you_mean(name, &place.visible, "steps that ran before are")
                        .or_else(|| Some("no step runs before this one".into())),
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
                    Counts::Turns => Some(
                        "a turn does not see the steps of the last one; what that gave is \
                         `previous`, if the loop has `forward: true`"
                            .into(),
                    ),
                    _ => None,
                },
            ),
        };
        let mistake = at(message).label("used here").maybe_help(help);
        Some(if here { mistake.also(there, format!("`{name}` is here")) } else { mistake })
    }

    /// Whether the declared input has this property, if it says what it has.
    fn property(
        &self,
        reference: &Reference,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        let name = reference.path.first()?;
        let schema = &self.file.input.as_ref()?.schema;
        let properties = schema.get("properties").and_then(Value::as_object)?;
        let open =
            ["patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if", "dependentSchemas"];
        let more =
            schema.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));
        if more || open.iter().any(|key| schema.get(key).is_some()) || properties.contains_key(name)
        {
            return None;
        }
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mistake = at(format!("the declared input has no property `{name}`"));
        Some(match closest(name, names.iter().copied()) {
            Some(meant) => mistake.help(format!("did you mean `input.{meant}`?")),
            None => mistake.maybe_help(did_you_mean(name, &names, "it has")),
        })
    }
}

fn use_previous(place: &Place<'_>) -> Option<String> {
    (!place.visible.is_empty()).then(|| "what the step before gave is `previous`".into())
}

/// Every expression and template of a function.
fn referring(function: &Function) -> Vec<Referring<'_>> {
    match function {
        Function::Template { text } => vec![text.into()],
        Function::Value { value } => value.expressions().into_iter().map(Into::into).collect(),
        Function::SetState { values } => {
            values.iter().flat_map(|(_, value)| value.expressions()).map(Into::into).collect()
        }
        Function::ReadFiles { glob, .. } => vec![glob.into()],
        Function::WriteFile { path, text } => {
            std::iter::once(path).chain(text).map(Into::into).collect()
        }
        Function::HttpGet { url, .. } => vec![url.into()],
        Function::Shell { command, stdin, .. } => {
            std::iter::once(command).chain(stdin).map(Into::into).collect()
        }
    }
}
