//! `parallel`: branches at once.

use super::{CONCURRENCY, JOIN, of_join, with_common};
use crate::format::form::{Form, Mapping, STEPS, key};
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Inside, Item};
use stepwright_core::plan::Join;
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Parallel {
    join: Join,
    concurrency: Option<u32>,
    branches: Vec<Item>,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "parallel",
    read,
    form: &Form::Either(&[Form::Nothing, Form::Mapping(&SETTINGS)]),
    beside: &[key("branches", &STEPS, "The steps that run at once.")],
    needs: &["branches"],
    about: "Branches at once.",
};

static SETTINGS: Mapping = Mapping {
    name: "parallel",
    what: "`parallel`",
    required: &[],
    members: &[
        key("join", &JOIN, "The branches that must have an output."),
        key("concurrency", &CONCURRENCY, "The maximum number of branches at once."),
    ],
};

fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let mut settings = reader.settings(written.value, "`parallel`")?;
    let join_at = settings.place("join");
    let join = reader.join(&mut settings);
    let concurrency = reader.concurrency(&mut settings);
    settings.finish(reader);
    let branches = reader.body(written.fields, "branches", written.key)?;
    if let (Join::Quorum(needed), Some(at)) = (join, join_at)
        && usize::try_from(needed).is_ok_and(|needed| needed > branches.len())
    {
        let message = format!("the quorum is {needed}, and there are {} branches", branches.len());
        reader.push(reader.mistake(at, message).help("need fewer, or add branches"));
    }
    Some(Box::new(Parallel { join, concurrency, branches }))
}

impl Container for Parallel {
    fn word(&self) -> &'static str {
        "parallel"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.branches, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        Inside::Branches
    }

    fn build(&self, item: &Item, [branches, _]: [Vec<AnyStep>; 2]) -> AnyStep {
        let parallel = stepwright_engine::Parallel::new(&item.name.text).join(self.join);
        let mut parallel = with_common!(parallel, item);
        if let Some(concurrency) = self.concurrency {
            parallel = parallel.concurrency(concurrency);
        }
        branches.into_iter().fold(parallel, stepwright_engine::Parallel::branch).into_step()
    }

    fn details(&self) -> Vec<String> {
        of_join(self.join, self.concurrency).collect()
    }
}
