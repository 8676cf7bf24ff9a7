//! `loop`: steps again and again.

use super::with_common;
use crate::format::form::{Form, Mapping, STEPS, key, words};
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Expr, Inside, Item};
use crate::reference::OwnedValues;
use crate::work::evaluate;
use stepwright_core::plan::{ITERATIONS_MAX, OnExhausted};
use stepwright_engine::{AnyStep, IntoStep as _, LoopView};

const ON_EXHAUSTED: [(&str, OnExhausted); 2] =
    [("fail", OnExhausted::Fail), ("continue", OnExhausted::Continue)];

#[derive(Debug)]
struct Loop {
    at_most: u32,
    until: Option<Expr>,
    forward: bool,
    on_exhausted: Option<OnExhausted>,
    body: Vec<Item>,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "loop",
    read,
    form: &Form::Mapping(&SETTINGS),
    beside: &[key("do", &STEPS, "The steps of a turn.")],
    needs: &["do"],
    about: "Steps again and again.",
};

static SETTINGS: Mapping = Mapping {
    name: "loop",
    what: "`loop`",
    required: &[&["at_most"]],
    members: &[
        key("at_most", &Form::Whole(1, ITERATIONS_MAX as u64), "The maximum number of turns."),
        key("until", &Form::Expression, "The condition that ends the loop, after each turn."),
        key("forward", &Form::Bool, "Each turn begins with the output of the one before."),
        key(
            "on_exhausted",
            &Form::Words(|| words(&ON_EXHAUSTED)),
            "What happens when all turns were made and `until` does not hold.",
        ),
    ],
};

fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let WrittenContainer { key, value, fields, review } = written;
    let mut settings = reader.settings(value, "`loop`")?;
    let bound = ITERATIONS_MAX.into();
    let missing = !settings.has("at_most");
    let at_most = settings.number(reader, "at_most", (1, bound));
    if missing {
        let mistake = reader.mistake(key.span, "the loop has no bound");
        let help = "say how many turns it takes at most: `loop: {at_most: 3}`";
        reader.push(mistake.help(help));
    }
    let has_condition =
        review.is_some_and(|review| review.iteration_review.is_some()) || settings.has("until");
    let until = settings.take("until");
    let until = until.and_then(|(_, node)| reader.expression(node, "until"));
    let forward = settings.bool(reader, "forward").unwrap_or(false);
    let on_exhausted = settings.take("on_exhausted").and_then(|(key, node)| {
        if !has_condition {
            let message = "a loop without a condition makes all its turns: it cannot run out";
            let mistake = reader.mistake(key.span, message);
            reader.push(mistake.help("say when it has succeeded with `until:`, or leave this out"));
        }
        reader.one_of(node, "on_exhausted", &ON_EXHAUSTED)
    });
    settings.finish(reader);
    let body = reader.body(fields, "do", key)?;
    let at_most = at_most.and_then(|turns| u32::try_from(turns).ok()).unwrap_or(1);
    Some(Box::new(Loop { at_most, until, forward, on_exhausted, body }))
}

impl Container for Loop {
    fn word(&self) -> &'static str {
        "loop"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.body, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        Inside::Turns { until: self.until.as_ref() }
    }

    fn build(&self, item: &Item, [body, _]: [Vec<AnyStep>; 2]) -> AnyStep {
        let repeat = stepwright_engine::Loop::new(&item.name.text).at_most(self.at_most);
        let mut repeat = with_common!(repeat, item);
        if self.forward {
            repeat = repeat.forward();
        }
        if let Some(on_exhausted) = self.on_exhausted {
            repeat = repeat.on_exhausted(on_exhausted);
        }
        if let Some(until) = self.until.clone() {
            repeat = repeat.until_async(move |turn: LoopView| {
                let (content, iteration) = (turn.content(), turn.iteration());
                let values = OwnedValues::of_turn(turn.input(), content, iteration);
                let until = until.expression.clone();
                evaluate(values, move |values, budget| until.decide(values, budget))
            });
        }
        body.into_iter().fold(repeat, stepwright_engine::Loop::step).into_step()
    }

    fn details(&self) -> Vec<String> {
        let mut details = vec![match self.at_most {
            1 => "at most 1 turn".to_owned(),
            turns => format!("at most {turns} turns"),
        }];
        let until = self.until.as_ref();
        details.extend(until.map(|until| format!("until {}", until.expression.text().trim())));
        details.extend(self.forward.then(|| "each goes on from the last".to_owned()));
        let continues = self.on_exhausted == Some(OnExhausted::Continue);
        details.extend(continues.then(|| "goes on if it runs out".to_owned()));
        details
    }
}
