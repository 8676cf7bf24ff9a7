//! The journal: appends, and loading facts with their bodies put together.

use super::lineage;
use crate::backend::{Attempt, Columns, Connection, Prepared, Value, Work};
use crate::bodies::{self, FactRow, corrupt};
use crate::errors::{Failure, sealed};
use crate::query::SELECT_JOURNAL;
use crate::rows::{self, JournalColumns, from_column, to_column};
use crate::shared;
use std::collections::{BTreeSet, HashMap, HashSet};
use stepwright_core::{Event, RunId, Timestamp};

/// The largest append that is written on the thread of its caller, in bytes.
#[cfg_attr(not(feature = "sqlite"), allow(dead_code))]
const QUICK_BYTES_MAX: usize = 256 * 1024;

impl<C: Connection> Work<C> for Prepared {
    type Made = ();

    fn is_quick(&self) -> bool {
        let bytes: usize = self.facts.iter().map(FactRow::bytes).sum();
        self.blobs.is_empty() && self.media.is_empty() && bytes <= QUICK_BYTES_MAX
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<(), Failure<C::Error>> {
        c.append(self, attempt).await
    }
}

const LOAD: &str = "SELECT seq, path, at, body, shared, blob, sum, chain, key_id, run
    FROM journal
    WHERE run = (SELECT id FROM runs WHERE run_id = $1) AND seq >= $2 ORDER BY seq LIMIT $3";

const LOAD_PART: &str = "SELECT seq, path, at, body, shared, blob, sum, chain, key_id, run
    FROM journal WHERE run = $1 AND seq >= $2 AND seq < $3 ORDER BY seq LIMIT $4";

/// A fact as its row has it.
struct Kept {
    sequence: u64,
    path: Vec<u8>,
    at: Timestamp,
    body: Vec<u8>,
    shared: Option<String>,
    blob: Option<String>,
    sum: Option<i64>,
    chain: Option<Vec<u8>>,
    key_id: Option<String>,
    journal: i64,
}

/// A fact whose body is put together.
pub(crate) struct Whole {
    /// The run whose fact it was first: a fork shares the facts of its origin.
    pub(crate) run: RunId,
    pub(crate) sequence: u64,
    pub(crate) path: Vec<u8>,
    pub(crate) at: Timestamp,
    pub(crate) body: Vec<u8>,
    pub(crate) sum: Option<i64>,
    pub(crate) chain: Option<Vec<u8>>,
}

/// Loads facts without looking into their bodies.
pub(crate) async fn load<C: Connection>(
    c: &mut C,
    run: &RunId,
    from: u64,
    limit: usize,
) -> Result<Vec<Whole>, Failure<C::Error>> {
    let values = [run.as_str().into(), column(from).into(), column(limit as u64).into()];
    let own = c.select(LOAD, &values, kept::<C>).await?;
    let mut facts = Vec::with_capacity(own.len());
    if limit == 0 || own.first().is_some_and(|fact| fact.sequence == from) {
        whole(c, run, own, &mut facts).await?;
        return Ok(facts);
    }
    // They are missing, or are facts of an origin.
    let parts = lineage::parts(c, run).await?;
    let Some((last, origins)) = parts.split_last() else { return Ok(facts) };
    let mut next = from;
    for part in origins.iter().filter(|part| part.until > from.max(part.first)) {
        let left = (limit - facts.len()) as u64;
        if left == 0 {
            return Ok(facts);
        }
        let first = next.max(part.first);
        let values = [
            part.journal.into(),
            column(first).into(),
            column(part.until).into(),
            column(left).into(),
        ];
        let rows = c.select(LOAD_PART, &values, kept::<C>).await?;
        whole(c, &part.run, rows, &mut facts).await?;
        next = part.until;
    }
    let left = limit - facts.len();
    whole(c, &last.run, own.into_iter().take(left).collect(), &mut facts).await?;
    Ok(facts)
}

fn column(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn kept<C: Connection>(row: &C::Row<'_>) -> Result<Kept, Failure<C::Error>> {
    Ok(Kept {
        sequence: from_column(row.number(0)?),
        path: row.text_bytes(1)?.to_vec(),
        at: Timestamp(from_column(row.number(2)?)),
        body: row.text_bytes(3)?.to_vec(),
        shared: row.maybe_text(4)?,
        blob: row.maybe_text(5)?,
        sum: row.maybe_number(6)?,
        chain: row.maybe_blob(7)?,
        key_id: row.maybe_text(8)?,
        journal: row.number(9)?,
    })
}

/// Puts the bodies of these facts together. They are from one journal.
async fn whole<C: Connection>(
    c: &mut C,
    run: &RunId,
    kept: Vec<Kept>,
    facts: &mut Vec<Whole>,
) -> Result<(), Failure<C::Error>> {
    let others = Others::of(c, run, &kept).await?;
    for Kept { sequence, path, at, body, shared, blob, sum, chain, key_id, .. } in kept {
        if let Some(key) = key_id {
            return Err(sealed(format_args!("fact {sequence} of run `{run}`"), &key).into());
        }
        let body = match (shared, blob) {
            (None, None) => body,
            (shared, blob) => others
                .whole(sequence, &body, shared.as_deref(), blob.as_deref())
                .map_err(|what| corrupt(run, sequence, &path, what))?,
        };
        facts.push(Whole { run: run.clone(), sequence, path, at, body, sum, chain });
    }
    Ok(())
}

/// Loads facts.
pub(crate) struct Load {
    pub(crate) run: RunId,
    pub(crate) from: u64,
    pub(crate) limit: usize,
}

impl<C: Connection> Work<C> for Load {
    type Made = Vec<Event>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let (run, sums) = (&self.run, c.sums());
        let mut facts = Vec::new();
        for fact in load(c, run, self.from, self.limit).await? {
            let Whole { run: stored, sequence, path, at, body, sum, .. } = fact;
            let expected = self.from + facts.len() as u64;
            let place = (sequence, &*path, at);
            facts.push(rows::fact((run, &stored), expected, place, &body, sums, sum)?);
        }
        if facts.len() < self.limit {
            check_end(c, run).await?;
        }
        Ok(facts)
    }
}

/// Refuses a journal whose last facts are missing.
pub(crate) async fn check_end<C: Connection>(
    c: &mut C,
    run: &RunId,
) -> Result<(), Failure<C::Error>> {
    let read = |row: &C::Row<'_>| {
        Ok(JournalColumns {
            status: row.text(0)?,
            updated_at: row.number(1)?,
            wake_at: row.maybe_number(2)?,
            facts: row.maybe_number(3)?,
            status_sum: row.maybe_number(4)?,
            last: row.maybe_number(5)?,
        })
    };
    let sums = c.sums();
    match c.select(SELECT_JOURNAL, &[run.as_str().into()], read).await?.pop() {
        Some(columns) => Ok(columns.check(run, sums)?),
        None => Ok(()),
    }
}

/// The parts of the bodies of a page that are not in their rows.
#[derive(Default)]
struct Others {
    /// The bodies of facts that have texts of others, as they are kept: without those in `blobs`.
    facts: HashMap<u64, (Vec<u8>, Option<String>)>,
    blobs: HashMap<String, Vec<u8>>,
}

impl Others {
    async fn of<C: Connection>(
        c: &mut C,
        run: &RunId,
        page: &[Kept],
    ) -> Result<Self, Failure<C::Error>> {
        let (mut others, mut before) = (Self::default(), BTreeSet::new());
        let Some(first) = page.first() else { return Ok(others) };
        let (from, journal) = (first.sequence, first.journal);
        let mut wanted = HashSet::<String>::new();
        for row in page {
            wanted.extend(row.blob.clone());
            // A column that cannot be read is reported when the fact is put together.
            let sources = row.shared.as_deref().and_then(|shared| shared::sources(shared).ok());
            for source in sources.unwrap_or_default() {
                let at = source.checked_sub(from).and_then(|at| usize::try_from(at).ok());
                match at.and_then(|at| page.get(at)) {
                    Some(row) => {
                        others.facts.insert(source, (row.body.clone(), row.blob.clone()));
                    }
                    None => drop(before.insert(to_column(source))),
                }
            }
        }
        if !before.is_empty() {
            let before: Vec<i64> = before.into_iter().collect();
            let read = |row: &C::Row<'_>| {
                let (sequence, blob, key) =
                    (row.number(0)?, row.maybe_text(2)?, row.maybe_text(3)?);
                if let Some(key) = key {
                    return Err(sealed(format_args!("fact {sequence} of run `{run}`"), &key).into());
                }
                Ok((sequence, row.text_bytes(1)?.to_vec(), blob))
            };
            let values = [journal.into(), Value::Numbers(&before)];
            for (sequence, body, blob) in c.select(C::DIALECT.select_sources, &values, read).await?
            {
                wanted.extend(blob.clone());
                others.facts.insert(from_column(sequence), (body, blob));
            }
        }
        if !wanted.is_empty() {
            let wanted: Vec<String> = wanted.into_iter().collect();
            let read = |row: &C::Row<'_>| {
                let (hash, key) = (row.text(0)?, row.maybe_text(2)?);
                match key {
                    Some(key) => Err(sealed(format_args!("blob `{hash}`"), &key).into()),
                    None => Ok((hash, row.blob(1)?)),
                }
            };
            let found = c.select(C::DIALECT.select_blobs, &[Value::Texts(&wanted)], read).await?;
            others.blobs.extend(found);
        }
        Ok(others)
    }

    /// Returns the body of a fact as it was appended.
    ///
    /// # Errors
    /// The damage.
    fn whole(
        &self,
        sequence: u64,
        body: &[u8],
        shared: Option<&str>,
        blob: Option<&str>,
    ) -> Result<Vec<u8>, String> {
        let body = match blob {
            Some(hash) => self.unpack(hash)?,
            None => body.to_vec(),
        };
        let Some(shared) = shared else { return Ok(body) };
        shared::whole(sequence, &body, shared, |source| {
            let missing = || format!("a text of it was in fact {source}, which is missing");
            match self.facts.get(&source).ok_or_else(missing)? {
                (_, Some(hash)) => self.unpack(hash),
                (body, None) => Ok(body.clone()),
            }
        })
    }

    fn unpack(&self, hash: &str) -> Result<Vec<u8>, String> {
        bodies::unpack(hash, self.blobs.get(hash).map(|packed| &**packed))
    }
}
