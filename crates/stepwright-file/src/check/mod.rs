//! Checks across a whole file, such as the existence of the names that it uses.

mod agents;
mod given;
mod other_agents;
mod references;
mod run_limits;
mod teams;
mod triggers;
mod unused;
mod with;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::format::{
    AfterItems, Computed, Container, Expr, File, Inside, Item, Kind, Referring, Word,
};
use crate::reference::{ROOTS, Reference};
use crate::shape::Shape;
use crate::source::Span;
use crate::suggest::did_you_mean;
use given::{Decision, Output, repeated};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use stepwright_core::plan::ErrorPolicy;
use stepwright_core::{ErrorId, OnReject};

/// Checks a file and the files within it. `model` is the default model of its agents.
pub(crate) fn check(file: &File, model: Option<&str>, mistakes: &mut Diagnostics) {
    let mut keys = HashSet::new();
    unused::collect_keys(file, &mut keys);
    let around = Around { forced: model, models: &[], keys: &keys };
    check_within(file, around, Shape::Unknown, mistakes);
}

/// The knowledge about a file from the workflow around it.
#[derive(Clone, Copy)]
struct Around<'a> {
    /// The model that the caller chose for all agents.
    forced: Option<&'a str>,
    /// The models of agents whose file has none.
    models: &'a [&'a str],
    /// The keys of the session state that steps set.
    keys: &'a HashSet<&'a str>,
}

/// Checks a file. `content` is the shape of its input.
fn check_within(file: &File, around: Around<'_>, content: Shape, mistakes: &mut Diagnostics) {
    let Around { forced, keys, .. } = around;
    let own = file.model.iter().flatten().map(|model| model.text.as_str());
    let own: Vec<&str> = own.collect();
    // A model of the caller overrides those of the file.
    let models = match forced {
        Some(model) => vec![model],
        None if own.is_empty() => around.models.to_vec(),
        None => own,
    };
    let mut all = HashMap::new();
    let mut loops = Vec::new();
    let after = file.after.iter().map(|after| &after.items[..]);
    for items in std::iter::once(&file.steps[..]).chain(after) {
        collect(items, &mut all);
        collect_loops(items, &mut loops);
    }
    let outputs = HashMap::new();
    let mut checker = Checker { file, forced, models, keys, all, loops, outputs, mistakes };
    checker.agents();
    checker.called();
    let input = file.input.as_ref().map(Shape::of_schema);
    let budget = file.budget.is_some() || file.session_budget.is_some();
    let place = Place { content: input.unwrap_or(content), budget, ..Place::default() };
    checker.run_limits(&place);
    checker.triggers();
    checker.notifications();
    let end = checker.items(&file.steps, &place);
    checker.after(&file.steps, &file.after, &end);
    checker.unused_agents();
    checker.unused_servers();
    checker.unused_knowledge();
    checker.exposed_agents();
}

/// Collects the steps by name, with their places and the number of steps with that name.
fn collect<'a>(items: &'a [Item], all: &mut HashMap<&'a str, (Span, usize)>) {
    for item in items {
        all.entry(&item.name.text).or_insert((item.name.span, 0)).1 += 1;
        for body in item.inside() {
            collect(body, all);
        }
    }
}

fn collect_loops<'a>(items: &'a [Item], loops: &mut Vec<&'a str>) {
    for item in items {
        if let Some(Inside::Turns { .. }) = item.kind.inside() {
            loops.push(&item.name.text);
        }
        for body in item.inside() {
            collect_loops(body, loops);
        }
    }
}

/// The counter of the innermost container that repeats its steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Counts {
    #[default]
    Nothing,
    Items,
    Turns,
}

/// The knowledge at a place in the tree of steps.
#[derive(Clone, Debug, Default)]
struct Place<'a> {
    /// The steps that have run, or were skipped, before this one.
    visible: Vec<&'a str>,
    /// The steps that exist but are not visible here, with the reasons.
    hidden: Vec<(&'a str, Hidden<'a>)>,
    item: bool,
    counts: Counts,
    /// The steps of the innermost loop around this place.
    turn: Option<&'a [Item]>,
    /// The form of this step, or of a container around it.
    form: Option<&'a Value>,
    /// `true` if a person may have rejected a previous output.
    feedback: bool,
    /// `true` if a budget holds here.
    budget: bool,
    /// The number of times that this is among steps that run when others have ended: those may
    /// have failed or been stopped.
    afters: usize,
    /// The shape of the output of the step before, or of the input.
    content: Shape,
    /// The shape of the item of the innermost map.
    item_shape: Shape,
    /// The decisions of the containers around this place.
    decisions: Vec<Decision<'a>>,
    /// The values that the conditions around this place look at.
    looked_at: Vec<&'a Reference>,
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
        for item in items {
            self.hidden.push((&item.name.text, why));
            for body in item.kind.bodies() {
                self.hide(body, why);
            }
        }
    }

    fn inside(&self, item: &'a Item) -> Self {
        let mut place = self.clone();
        place.hidden.push((&item.name.text, Hidden::Around));
        place
    }
}

struct Checker<'a, 'm> {
    file: &'a File,
    /// The model that the caller chose for all agents.
    forced: Option<&'a str>,
    /// The models of agents without one.
    models: Vec<&'a str>,
    /// The keys of the session state that steps set.
    keys: &'m HashSet<&'m str>,
    /// The steps by name, with their places and the number of steps with that name.
    all: HashMap<&'a str, (Span, usize)>,
    /// The names of the loops.
    loops: Vec<&'a str>,
    /// The outputs of the steps so far.
    outputs: HashMap<&'a str, Output<'a>>,
    mistakes: &'m mut Diagnostics,
}

impl<'a> Checker<'a, '_> {
    fn at(&self, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(ErrorId::NAME_UNKNOWN, &self.file.source, span, message)
    }

    /// Checks a sequence. Returns the place after it.
    fn items(&mut self, items: &'a [Item], place: &Place<'a>) -> Place<'a> {
        self.names(items.iter());
        self.sequence(items, place.clone())
    }

    fn sequence(&mut self, items: &'a [Item], mut place: Place<'a>) -> Place<'a> {
        self.unreachable_steps(items);
        for item in items {
            place = self.item(item, place);
        }
        place
    }

    /// Checks the steps that run when `body` has ended, from the place `end`.
    fn after(&mut self, body: &'a [Item], after: &'a [AfterItems], end: &Place<'a>) {
        self.names_of_after(body, after);
        for AfterItems { items, .. } in after {
            let (afters, content) = (end.afters + 1, Shape::Unknown);
            self.items(items, &Place { afters, content, ..end.clone() });
        }
    }

    /// Checks that no step has the name that the path of other steps needs.
    fn names_of_after(&mut self, body: &'a [Item], after: &'a [AfterItems]) {
        for AfterItems { on, .. } in after {
            for item in body.iter().filter(|item| item.name.text == on.key()) {
                let message =
                    format!("a step is called `{}`, as the steps under that key", on.key());
                let mistake = self.at(item.name.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help("give the step another `name`"));
            }
        }
    }

    fn names(&mut self, items: impl Iterator<Item = &'a Item>) {
        let mut seen: HashMap<&str, Span> = HashMap::new();
        for item in items {
            let name = &item.name;
            if let Some(first) = seen.get(name.text.as_str()) {
                let message = format!("two steps in this place are called `{}`", name.text);
                let mistake =
                    self.at(name.span, message).coded(ErrorId::KEY_INVALID).label("again here");
                let mistake = mistake.also(*first, "first here");
                self.mistakes.push(mistake.help("give one of them another `name`"));
            } else {
                seen.insert(&name.text, name.span);
            }
        }
    }

    /// Checks a step. Returns the place after it.
    fn item(&mut self, item: &'a Item, mut place: Place<'a>) -> Place<'a> {
        let outer = (place.form, place.feedback, place.budget);
        place.budget |= item.budget.is_some();
        place.form = item.form().or(place.form);
        place.feedback |= may_be_rejected(item);
        let inside = if item.is_leaf() { Place::default() } else { place.inside(item) };
        let after = &mut place;
        self.deadline(item, after);
        for step in item.workspace.iter().flat_map(|workspace| &workspace.from) {
            self.files_of(step, item);
        }
        let gives = match &item.kind {
            Kind::Agent { word, agent, prompt } => {
                self.agent(agent, word);
                after.hidden.push((&item.name.text, Hidden::Itself));
                self.all_of(prompt.iter().map(Into::into), after);
                let file = self.file;
                let of = file.agents.iter().find(|it| it.name.text == agent.text);
                let template = of.and_then(|agent| agent.context.template.as_ref());
                self.all_of(template.iter().map(|text| (*text).into()), after);
                after.hidden.pop();
                self.answer(agent)
            }
            Kind::Builtin { work, word } => {
                after.hidden.push((&item.name.text, Hidden::Itself));
                self.all_of(work.referring().into_iter(), after);
                after.hidden.pop();
                work.check(self.mistakes);
                if let Some((session, agent)) = work.continues() {
                    self.session(session, agent, &after.visible);
                }
                self.needs(word, &**work, after);
                work.gives(&|expr| self.shape(expr, after))
            }
            Kind::Container(container) => self.container(item, &**container, inside.clone(), after),
            Kind::Workflow { path, file, with } => {
                let content = if let Some((with, span)) = with {
                    self.with(item, file, (with, *span), after)
                } else {
                    self.input_of(path, file, &after.content);
                    after.content.clone()
                };
                self.no_run_limits(file);
                self.no_state(file);
                let (forced, keys) = (self.forced, self.keys);
                let around = Around { forced, models: &self.models, keys };
                check_within(file, around, content, self.mistakes);
                Shape::Unknown
            }
            Kind::Unreadable => Shape::Unknown,
        };
        // A person or a policy may replace the output.
        let is_sure = item.on_error == ErrorPolicy::default() && item.review.is_none();
        place.content = if is_sure { gives } else { Shape::Unknown };
        let (shape, decisions) = (place.content.clone(), place.decisions.clone());
        self.outputs.insert(&item.name.text, Output { shape, decisions, afters: place.afters });
        place.visible.push(&item.name.text);
        if !item.after.is_empty() {
            // The steps inside may have run or not. Those of a loop or a map run many times.
            let mut end = if item.is_leaf() { place.clone() } else { inside };
            for body in item.kind.bodies() {
                if !matches!(item.kind.inside(), Some(Inside::Items { .. })) {
                    let mut names = Vec::new();
                    visible(body, &mut names);
                    end.visible.append(&mut names);
                }
            }
            let [body, other] = item.kind.bodies();
            self.after(body, &item.after, &end);
            self.names_of_after(other, &item.after);
        }
        (place.form, place.feedback, place.budget) = outer;
        place
    }

    /// Checks the workflows that agents have as tools.
    fn called(&mut self) {
        for called in self.file.called() {
            let file = &*called.file;
            self.no_run_limits(file);
            self.no_state(file);
            let (forced, keys) = (self.forced, self.keys);
            let around = Around { forced, models: &self.models, keys };
            let content = file.input.as_ref().map_or(Shape::Unknown, Shape::of_schema);
            check_within(file, around, content, self.mistakes);
        }
    }

    /// Reports a session state of a file that another one uses.
    fn no_state(&mut self, file: &File) {
        if let Some((_, span)) = file.session_state {
            let message = "a file that another one uses has no session state of its own";
            let mistake = Diagnostic::new(ErrorId::KEY_INVALID, &file.source, span, message);
            let help = format!("give it to the outer file, `{}`", self.file.source.name);
            self.mistakes.push(mistake.help(help));
        }
    }

    /// Checks the input that a step gives to a nested workflow. Returns its shape.
    fn with(
        &mut self,
        item: &'a Item,
        file: &File,
        (with, span): (&'a Computed, Span),
        place: &mut Place<'a>,
    ) -> Shape {
        place.hidden.push((&item.name.text, Hidden::Itself));
        let expressions = with.expressions();
        for expr in &expressions {
            self.recorded_only(expr);
        }
        self.all_of(expressions.into_iter().map(Into::into), place);
        place.hidden.pop();
        for (message, help) in with::mistakes(with, file.input.as_ref(), with::WITH) {
            let mistake = self.at(span, message).coded(ErrorId::INPUT_MISMATCH);
            self.mistakes.push(mistake.maybe_help(help));
        }
        with.shape(&|expr| self.shape(expr, place))
    }

    /// Refuses the time in the input of a nested workflow, which is computed again after a crash.
    fn recorded_only(&mut self, expr: &Expr) {
        let what = Referring::from(expr);
        for reference in what.references.iter().filter(|reference| reference.root == "now") {
            let mistake =
                self.at(what.written.place(reference.span), "`with` cannot refer to `now`");
            self.mistakes.push(mistake.help("compute it in a `value` step before this one"));
        }
    }

    /// Checks the steps inside a container, from the place `inside`. Changes `after` to the place
    /// after the container. Returns the shape of its output.
    fn container(
        &mut self,
        item: &'a Item,
        container: &'a dyn Container,
        mut inside: Place<'a>,
        after: &mut Place<'a>,
    ) -> Shape {
        let name = item.name.text.as_str();
        let [body, other] = container.bodies();
        match container.inside() {
            Inside::Sequence => {
                let end = self.items(body, &inside);
                after.visible = end.visible;
                return end.content;
            }
            Inside::Branches => self.parallel(body, &inside, after),
            Inside::Turns { until } => {
                (inside.counts, inside.turn) = (Counts::Turns, Some(body));
                // The turns after the first begin with the output of another turn.
                inside.content = Shape::Unknown;
                let mut end = self.items(body, &inside);
                self.all_of(until.into_iter().map(Into::into), &end);
                self.condition("until", until, &end);
                after.visible.append(&mut end.visible.split_off(after.visible.len()));
            }
            Inside::Arms { test, holds } => {
                self.all_of(test.into_iter().map(Into::into), after);
                let holds = holds.or_else(|| self.condition("if", test, after));
                // A person may decide in another way.
                let holds = holds.filter(|_| item.review.is_none());
                self.names(body.iter().chain(other));
                self.unreachable_arms(item, [body, other], holds);
                let known = after.visible.len();
                for (arm, other, is_then) in [(body, other, true), (other, body, false)] {
                    let mut inside = inside.clone();
                    inside.hide(other, Hidden::OtherArm);
                    if holds.is_none() {
                        inside.decide(Decision::of_arm(item, test, is_then), test);
                    }
                    let mut end = self.sequence(arm, inside);
                    after.visible.append(&mut end.visible.split_off(known));
                }
            }
            Inside::Choices { choose, chosen } => {
                self.all_of(choose.into_iter().map(Into::into), after);
                self.chosen(chosen, body);
                let constant = self.route(choose, body, after);
                self.names(body.iter());
                let mut always: Vec<&str> = chosen.iter().map(|word| word.text.as_str()).collect();
                always.extend(constant.iter().map(String::as_str));
                // A person may decide in another way.
                always.retain(|_| item.review.is_none());
                self.unreachable_choices(&always, body);
                for choice in body {
                    // Any of the other choices may have run before.
                    let mut inside = inside.clone();
                    let others = body.iter().filter(|other| !std::ptr::eq(*other, choice));
                    inside.visible.extend(others.map(|other| other.name.text.as_str()));
                    if !always.contains(&choice.name.text.as_str()) {
                        inside.decide(Decision::of_choice(item, choice), choose);
                    }
                    let from = inside.visible.len();
                    let mut end = self.item(choice, inside);
                    after.visible.append(&mut end.visible.split_off(from));
                }
            }
            Inside::Items { over, batched, quorum } => {
                self.all_of(over.into_iter().map(Into::into), after);
                let mut items = self.over(item, over, quorum, after);
                if batched {
                    items = Shape::List(Box::new(items));
                }
                (inside.item, inside.counts) = (true, Counts::Items);
                (inside.content, inside.item_shape) = (items.clone(), items);
                self.items(body, &inside);
                after.hide(body, Hidden::InMap(name));
                return Shape::list();
            }
        }
        Shape::Unknown
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

    /// Checks the names that a router always chooses.
    fn chosen(&mut self, words: &[Word], choices: &[Item]) {
        let names: Vec<&str> = choices.iter().map(|c| c.name.text.as_str()).collect();
        for word in words.iter().filter(|word| !names.contains(&word.text.as_str())) {
            let message = format!("`{}` is no choice of this router", word.text);
            let help = if let Some(inner) = crate::suggest::without_braces(&word.text) {
                Some(format!("an expression needs no braces: `router: \"= {inner}\"`"))
            } else if ROOTS.iter().any(|root| word.text.starts_with(root)) {
                Some(format!("an expression begins with `=`: `= {}`", word.text))
            } else {
                did_you_mean(&word.text, &names, "its choices are")
            };
            self.mistakes.push(self.at(word.span, message).maybe_help(help));
        }
        let chosen: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        if let Some(name) = repeated(&chosen)
            && let Some(word) = words.iter().rev().find(|word| word.text == name)
        {
            let message = format!("`{name}` is chosen twice; a step runs once in a router");
            self.mistakes.push(self.at(word.span, message).help("name each choice once"));
        }
    }

    fn all_of<'r>(&mut self, all: impl Iterator<Item = Referring<'r>>, place: &Place<'a>) {
        all.for_each(|one| self.references(one, place));
    }
}

/// Collects the names of steps that steps after these can refer to.
fn visible<'a>(items: &'a [Item], all: &mut Vec<&'a str>) {
    for item in items {
        all.push(&item.name.text);
        if !matches!(item.kind.inside(), Some(Inside::Items { .. })) {
            for body in item.kind.bodies() {
                visible(body, all);
            }
        }
    }
}

/// Returns `true` if a person may reject the output of a step, and it is then made again.
fn may_be_rejected(item: &Item) -> bool {
    let Some(review) = &item.review else { return false };
    let again = matches!(review.on_reject, None | Some(OnReject::Retry));
    match item.kind.inside() {
        Some(Inside::Turns { .. }) => review.iteration_review.is_some(),
        _ if item.is_leaf() => {
            review.output_review.is_some() && again && review.max_retries != Some(0)
        }
        _ => false,
    }
}
