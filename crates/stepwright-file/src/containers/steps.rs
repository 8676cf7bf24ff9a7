//! `steps`: steps one after the other.

use super::with_common;
use crate::format::form::STEPS;
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Inside, Item};
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Steps {
    body: Vec<Item>,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "steps",
    read,
    form: &STEPS,
    beside: &[],
    needs: &[],
    about: "Steps, one after the other.",
};

#[expect(clippy::unnecessary_wraps, reason = "the functions that read containers have one type")]
fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let body = reader.items(written.value, "steps", written.key.span);
    Some(Box::new(Steps { body }))
}

impl Container for Steps {
    fn word(&self) -> &'static str {
        "steps"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.body, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        Inside::Sequence
    }

    fn build(&self, item: &Item, [body, _]: [Vec<AnyStep>; 2]) -> AnyStep {
        let steps = with_common!(stepwright_engine::Steps::new(&item.name.text), item);
        body.into_iter().fold(steps, stepwright_engine::Steps::step).into_step()
    }

    fn details(&self) -> Vec<String> {
        Vec::new()
    }
}
