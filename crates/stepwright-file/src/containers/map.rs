//! `map`: steps for each item of a list.

use super::{CONCURRENCY, JOIN, of_join, with_common};
use crate::budget::Budget;
use crate::duration::{self, display};
use crate::format::form::{Form, Mapping, STEPS, key};
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Expr, Inside, Item};
use crate::reference::{OwnedValues, Values};
use crate::tree::Node;
use crate::work::evaluate;
use std::time::Duration;
use stepwright_core::plan::Join;
use stepwright_core::{Content, StepError, StepInput};
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Map {
    over: Option<Expr>,
    concurrency: Option<u32>,
    join: Join,
    batch: Option<u32>,
    rate: Option<(u32, Duration)>,
    body: Vec<Item>,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "map",
    read,
    form: &Form::Either(&[Form::Nothing, Form::Mapping(&SETTINGS)]),
    beside: &[key("do", &STEPS, "The steps for each item.")],
    needs: &["do"],
    about: "Steps for each item of a list.",
};

/// The maximum number of items in a batch.
const BATCH_MAX: u64 = 100_000;

static SETTINGS: Mapping = Mapping {
    name: "map",
    what: "`map`",
    required: &[],
    members: &[
        key("over", &Form::Expression, "The list. By default, the output of the step before."),
        key("concurrency", &CONCURRENCY, "The maximum number of items at once."),
        key("join", &JOIN, "The items that must have an output."),
        key("batch", &Form::Whole(1, BATCH_MAX), "The number of items that are one `item`."),
        key("rate", &Form::Text, "How many items begin in which time, such as `5/s`."),
    ],
};

fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let mut settings = reader.settings(written.value, "`map`")?;
    let over = settings.take("over");
    let over = over.and_then(|(_, node)| reader.expression(node, "over"));
    let concurrency = reader.concurrency(&mut settings);
    let join = reader.join(&mut settings);
    let batch = settings.number(reader, "batch", (1, BATCH_MAX));
    let batch = batch.and_then(|size| u32::try_from(size).ok());
    let rate = settings.take("rate").and_then(|(_, node)| rate(reader, node));
    settings.finish(reader);
    let body = reader.body(written.fields, "do", written.key)?;
    Some(Box::new(Map { over, concurrency, join, batch, rate, body }))
}

/// Reads a rate such as `5/s` or `100/15m`.
fn rate(reader: &mut Reader<'_>, node: &Node) -> Option<(u32, Duration)> {
    const HELP: &str = "write how many may begin in which time: `5/s`, `100/m`, `1000/15m`";
    let word = reader.word(node, "rate")?;
    let read = || {
        let (items, per) = word.text.split_once('/')?;
        let items: u32 = items.trim().parse().ok().filter(|items| *items > 0)?;
        let per = per.trim();
        let per = if per.starts_with(|c: char| c.is_ascii_digit()) {
            duration::parse(per).ok()?
        } else {
            duration::parse(&format!("1{per}")).ok()?
        };
        (!per.is_zero()).then_some((items, per))
    };
    let rate = read();
    if rate.is_none() {
        let message = format!("`rate` is a number of items in a time, and not `{}`", word.text);
        reader.push(reader.mistake(word.span, message).help(HELP));
    }
    rate
}

impl Container for Map {
    fn word(&self) -> &'static str {
        "map"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.body, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        let batched = self.batch.is_some();
        let quorum = match self.join {
            Join::Quorum(needed) if !batched => Some(needed),
            _ => None,
        };
        Inside::Items { over: self.over.as_ref(), batched, quorum }
    }

    fn build(&self, item: &Item, [body, _]: [Vec<AnyStep>; 2]) -> AnyStep {
        let map = stepwright_engine::Map::new(&item.name.text).join(self.join);
        let mut map = with_common!(map, item);
        if let Some(over) = self.over.clone() {
            map = map.over_async(move |input: StepInput| items_of(over.clone(), input));
        }
        if let Some(concurrency) = self.concurrency {
            map = map.concurrency(concurrency);
        }
        if let Some(batch) = self.batch {
            map = map.batch(batch);
        }
        if let Some((items, per)) = self.rate {
            map = map.rate(items, per);
        }
        body.into_iter().fold(map, stepwright_engine::Map::step).into_step()
    }

    fn details(&self) -> Vec<String> {
        let over = self.over.as_ref().map_or("previous", |over| over.expression.text().trim());
        let over = std::iter::once(format!("over {over}"));
        let batch = self.batch.map(|batch| format!("{batch} as one"));
        let rate = self.rate.map(|(items, per)| format!("{items} in {}", display(per)));
        over.chain(of_join(self.join, self.concurrency)).chain(batch).chain(rate).collect()
    }
}

async fn items_of(over: Expr, input: StepInput) -> Result<Vec<Content>, StepError> {
    let list = move |values: &Values<'_>, budget: &Budget<'_>| over.expression.list(values, budget);
    let list = evaluate(OwnedValues::of(input), list).await?;
    Ok(list.into_iter().map(Content::from).collect())
}
