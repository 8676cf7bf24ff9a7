//! Verifying all that is stored of a run.

use super::journal::{self, Whole};
use super::{media, runs, sessions, signals};
use crate::backend::{Attempt, Connection, Work};
use crate::bodies::{corrupt, hex};
use crate::errors::{Failure, missing, missing_run};
use crate::rows;
use crate::sums::Chain;
use std::collections::BTreeMap;
use stepwright_core::store::Verified;
use stepwright_core::{Event, RunId};

/// The number of facts that are read at once.
const PAGE: usize = 1_000;

/// Verifies the rows of a run: its own, its facts with their checksums and chain, its inbox, its
/// session and its plan.
pub(crate) struct Verify(pub(crate) RunId);

impl<C: Connection> Work<C> for Verify {
    type Made = Verified;

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<Verified, Failure<C::Error>> {
        let run = &self.0;
        let found = runs::Find(run.clone()).make(c, attempt).await?;
        let row = found.ok_or_else(|| missing_run(run))?;
        let (mut facts, mut chained, mut last) = (0, 0, None);
        let mut media = BTreeMap::new();
        loop {
            let page = journal::load(c, run, facts, PAGE).await?;
            let full = page.len() == PAGE;
            for fact in page {
                let (event, link) = linked(run, facts, &fact, last, c.sums())?;
                last = link;
                for stored in event.kind.stored_media() {
                    media.insert(stored.sha256.clone(), stored.clone());
                }
                facts += 1;
                chained += u64::from(last.is_some());
            }
            if !full {
                break;
            }
        }
        journal::check_end(c, run).await?;
        for stored in media.values() {
            media::load(c, stored).await?.ok_or_else(|| media::missing(stored))?;
        }
        signals::Inbox(run.clone()).make(c, attempt).await?;
        sessions::Find(row.session_id.clone())
            .make(c, attempt)
            .await?
            .ok_or_else(|| missing(&row.session_id))?;
        runs::Plan(row.digest.to_string()).make(c, attempt).await?;
        let head = last.map(|chain: Chain| hex(chain.bytes()).into());
        Ok(Verified { facts, chained, head })
    }
}

/// Verifies a fact, and returns it with its chain hash. `last` is that of the fact before it.
fn linked(
    run: &RunId,
    expected: u64,
    fact: &Whole,
    last: Option<Chain>,
    sums: crate::sums::Sums,
) -> Result<(Event, Option<Chain>), stepwright_core::StoreError> {
    let Whole { run: stored, sequence, path, at, body, sum, chain } = fact;
    let event = rows::fact((run, stored), expected, (*sequence, path, *at), body, sums, *sum)?;
    let computed = Chain::link(last, &sums.fact(stored, *sequence, path, *at, body));
    let damaged = |what: &str| Err(corrupt(run, *sequence, path, what.to_owned()));
    match (chain.as_deref(), last) {
        (Some(chain), _) if Chain::read(chain) == Some(computed) => Ok((event, Some(computed))),
        (Some(_), _) => damaged("its chain hash does not match: a fact before it was replaced"),
        // An older version wrote it.
        (None, None) if sums.are_older() => Ok((event, None)),
        (None, _) => damaged("it has no chain hash"),
    }
}
