//! `map`: steps for each item of a list.

use super::{JOINS, of_join, with_common};
use crate::budget::Budget;
use crate::format::reader::{Reader, WrittenContainer};
use crate::format::{Container, Expr, Inside, Item};
use crate::reference::{OwnedValues, Values};
use crate::work::evaluate;
use stepwright_core::plan::Join;
use stepwright_core::{Content, StepError, StepInput};
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Map {
    over: Option<Expr>,
    concurrency: Option<u32>,
    join: Join,
    body: Vec<Item>,
}

pub(super) fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let mut settings = reader.settings(written.value, "`map`")?;
    let over = settings.take("over");
    let over = over.and_then(|(_, node)| reader.expression(node, "over"));
    let concurrency = reader.concurrency(&mut settings);
    let join = settings.choice(reader, "join", &JOINS).unwrap_or_default();
    settings.finish(reader);
    let body = reader.body(written.fields, "do", written.key)?;
    Some(Box::new(Map { over, concurrency, join, body }))
}

impl Container for Map {
    fn word(&self) -> &'static str {
        "map"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.body, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        Inside::Items { over: self.over.as_ref() }
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
        body.into_iter().fold(map, stepwright_engine::Map::step).into_step()
    }

    fn details(&self) -> Vec<String> {
        let over = self.over.as_ref().map_or("previous", |over| over.expression.text().trim());
        let over = std::iter::once(format!("over {over}"));
        over.chain(of_join(self.join, self.concurrency)).collect()
    }
}

async fn items_of(over: Expr, input: StepInput) -> Result<Vec<Content>, StepError> {
    let list = move |values: &Values<'_>, budget: &Budget<'_>| over.expression.list(values, budget);
    let list = evaluate(OwnedValues::of(input), list).await?;
    Ok(list.into_iter().map(Content::from).collect())
}
