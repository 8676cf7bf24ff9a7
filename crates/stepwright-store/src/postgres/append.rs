//! Appending facts, in one round trip.

use super::errors::{Failure, is_taken};
use super::link::Link;
use crate::backend::{Attempt, Prepared};
use crate::bodies::{Blob, FactRow};
use crate::errors::{Said, missing, missing_run, missing_session_of};
use crate::operations::media;
use crate::operations::sessions::{self, Kept, OF_RUN};
use crate::rows::{self, WrittenSession, from_column, moment, stray, to_column};
use crate::sums::{Chain, Sums};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Postgres, Row};
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunRow;
use stepwright_core::{ErrorId, RunId, Session, StoreError, UserId};

const SUMS: Sums = Sums::SERVER;

/// The largest append, in bytes: PostgreSQL takes less than a gigabyte for a
/// parameter, and needs several times its size in memory.
const APPEND_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The largest number of attempts to begin a run in a session that others open and delete.
const OPEN_ATTEMPTS_MAX: u32 = 10;

/// The largest number of attempts to append after the last fact: the first may not know its chain
/// hash, and the run may be deleted and begun again meanwhile.
const LINK_ATTEMPTS_MAX: u32 = 4;

/// Appends facts in one round trip. The row of the run is locked against being deleted only; of two
/// that append at one number, the key of the journal refuses the later.
///
/// `NOTIFY` makes transactions commit one after the other, in the whole server: only for a run that
/// is watched.
const ADD: &str = "WITH place AS (
    SELECT id, watched > now() AS watched, coalesce(last.seq + 1, 0) AS next, last.chain,
        coalesce(last.seq + 1, 0) = $2 AND last.chain IS NOT DISTINCT FROM $21 AS fits
    FROM runs LEFT JOIN LATERAL (
        SELECT seq, chain FROM journal WHERE run = runs.id ORDER BY seq DESC LIMIT 1
    ) AS last ON true
    WHERE run_id = $1 FOR KEY SHARE OF runs
), added AS (
    INSERT INTO journal (run, seq, path, at, token, body, shared, blob, sum, chain)
    SELECT place.id, fact.seq, fact.path, fact.at, $3, fact.body, fact.shared, fact.blob,
        fact.sum, fact.chain
    FROM place, unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[],
        $9::text[], $15::bigint[], $22::bytea[])
        AS fact (seq, path, at, body, shared, blob, sum, chain)
    WHERE place.fits
), answered AS (
    INSERT INTO inbox (run, id, at, done, token, sum, done_sum)
    SELECT place.id, answer.id, $11, true, $3, answer.sum, answer.done_sum FROM place,
        unnest($13::text[], $18::bigint[], $19::bigint[]) AS answer (id, sum, done_sum)
    WHERE place.fits
    ON CONFLICT (run, id) DO UPDATE SET done = true, done_sum = excluded.done_sum
), changed AS (
    UPDATE runs SET status = $10, updated_at = $11, wake_at = $12,
        driver = CASE WHEN $10 = 'RUNNING' THEN runs.driver END, facts = $16, status_sum = $17,
        driver_sum = CASE WHEN $10 = 'RUNNING' THEN runs.driver_sum ELSE $20 END,
        metrics = $23, metrics_facts = $24, metrics_sum = $25
    FROM place WHERE runs.id = place.id AND place.fits AND $10 IS NOT NULL
)
SELECT next, chain, fits, CASE WHEN watched AND fits THEN pg_notify($14, $1) END FROM place";

/// As [`ADD`], and changes the session, if it is still as it was when it was read.
const CLOSE: &str = "WITH place AS (
    SELECT id, session_id, watched > now() AS watched, coalesce(last.seq + 1, 0) AS next,
        last.chain,
        coalesce(last.seq + 1, 0) = $2 AND last.chain IS NOT DISTINCT FROM $21 AS fits
    FROM runs LEFT JOIN LATERAL (
        SELECT seq, chain FROM journal WHERE run = runs.id ORDER BY seq DESC LIMIT 1
    ) AS last ON true
    WHERE run_id = $1 FOR KEY SHARE OF runs
), closed AS (
    UPDATE sessions SET state = $26, version = $27, metrics = $28, updated_at = $29, token = $3,
        sum = $31
    FROM place
    WHERE sessions.session_id = place.session_id AND sessions.token = $30 AND place.fits
    RETURNING place.id, place.watched
), added AS (
    INSERT INTO journal (run, seq, path, at, token, body, shared, blob, sum, chain)
    SELECT closed.id, fact.seq, fact.path, fact.at, $3, fact.body, fact.shared, fact.blob,
        fact.sum, fact.chain
    FROM closed, unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[],
        $9::text[], $15::bigint[], $22::bytea[])
        AS fact (seq, path, at, body, shared, blob, sum, chain)
), answered AS (
    INSERT INTO inbox (run, id, at, done, token, sum, done_sum)
    SELECT closed.id, answer.id, $11, true, $3, answer.sum, answer.done_sum FROM closed,
        unnest($13::text[], $18::bigint[], $19::bigint[]) AS answer (id, sum, done_sum)
    ON CONFLICT (run, id) DO UPDATE SET done = true, done_sum = excluded.done_sum
), changed AS (
    UPDATE runs SET status = $10, updated_at = $11, wake_at = $12,
        driver = CASE WHEN $10 = 'RUNNING' THEN runs.driver END, facts = $16, status_sum = $17,
        driver_sum = CASE WHEN $10 = 'RUNNING' THEN runs.driver_sum ELSE $20 END,
        metrics = $23, metrics_facts = $24, metrics_sum = $25
    FROM closed WHERE runs.id = closed.id AND $10 IS NOT NULL
)
SELECT next, chain, fits, EXISTS (SELECT FROM closed),
    (SELECT count(pg_notify($14, $1)) FROM closed WHERE watched) FROM place";

/// Begins a run: its row, its session if there is none of that name, its first facts.
const BEGIN: &str = "WITH known AS (
    SELECT FROM runs WHERE run_id = $1
), owned AS (
    SELECT user_id IS NULL OR user_id IS NOT DISTINCT FROM $27 AS mine
    FROM sessions WHERE session_id = $26 FOR KEY SHARE
), opened AS (
    INSERT INTO sessions (session_id, user_id, workflow_id, state, version, metrics, created_at,
        updated_at, token, sum)
    SELECT $26, $27, $28, $31, 0, $32, $30, $30, $3, $36
    WHERE NOT EXISTS (SELECT FROM owned) AND NOT EXISTS (SELECT FROM known)
    ON CONFLICT (session_id) DO NOTHING RETURNING 1
), begun AS (
    INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, status, created_at,
        updated_at, wake_at, background, driver, facts, sum, status_sum, driver_sum, metrics,
        metrics_facts, metrics_sum)
    SELECT $1, $26, $27, $28, $29, $10, $30, $11, $12, $33, $34, $16, $35, $17,
        CASE WHEN $34::text IS NULL THEN $20::bigint ELSE $37::bigint END, $23, $24, $25
    WHERE NOT EXISTS (SELECT FROM known)
      AND (EXISTS (SELECT FROM owned WHERE mine) OR EXISTS (SELECT FROM opened))
    RETURNING id
), added AS (
    INSERT INTO journal (run, seq, path, at, token, body, shared, blob, sum, chain)
    SELECT begun.id, fact.seq, fact.path, fact.at, $3, fact.body, fact.shared, fact.blob,
        fact.sum, fact.chain
    FROM begun, unnest($4::bigint[], $5::text[], $6::bigint[], $7::text[], $8::text[],
        $9::text[], $15::bigint[], $22::bytea[])
        AS fact (seq, path, at, body, shared, blob, sum, chain)
    WHERE $2 = 0
), answered AS (
    INSERT INTO inbox (run, id, at, done, token, sum, done_sum)
    SELECT begun.id, answer.id, $11, true, $3, answer.sum, answer.done_sum FROM begun,
        unnest($13::text[], $18::bigint[], $19::bigint[]) AS answer (id, sum, done_sum)
)
SELECT EXISTS (SELECT FROM known), (SELECT mine FROM owned), EXISTS (SELECT FROM begun)";

/// As [`OF_RUN`], and keeps others from changing it until the transaction is over.
const OF_RUN_LOCKED: &str =
    "session_id = (SELECT session_id FROM runs WHERE run_id = $1) FOR NO KEY UPDATE";

const RECORDED: &str = "SELECT count(*) FROM journal
    WHERE run = (SELECT id FROM runs WHERE run_id = $1) AND token = $2 AND seq >= $3 AND seq <= $4";

const ADD_BLOBS: &str = "INSERT INTO blobs (hash, uses, body)
    SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[])
    ON CONFLICT (hash) DO UPDATE SET uses = blobs.uses + excluded.uses";

/// The answer to the question whether facts fit behind those that are there.
enum Fit {
    Yes,
    /// They were linked to another fact than the last one, whose chain hash is this.
    After(Option<Chain>),
}

/// An append, and what all of its statements have in common.
struct Append<'a> {
    run: &'a RunId,
    prepared: &'a Prepared,
    token: Option<i64>,
    /// The channel of those who watch the run.
    channel: std::sync::Arc<str>,
}

impl Append<'_> {
    /// The first number, if the others follow it without a gap; a number that is never the next
    /// otherwise.
    fn first(&self) -> i64 {
        let first = self.prepared.facts.first().map_or(0, |fact| fact.sequence);
        if stray(self.run, first, &self.prepared.facts).is_some() { -1 } else { to_column(first) }
    }

    /// The row of the run, if these facts begin one.
    fn begun(&self) -> Option<&RunRow> {
        self.prepared.effect.begun.as_ref().filter(|_| self.first() == 0)
    }

    /// A statement with what all that append have in common: parameters 1 to 25.
    /// `last` is the chain hash of the fact before them.
    fn bound(&self, sql: &'static str, last: Option<Chain>) -> Query<'_, Postgres, PgArguments> {
        let facts = || self.prepared.facts.iter();
        let sequences: Vec<i64> = facts().map(|fact| to_column(fact.sequence)).collect();
        let paths: Vec<&str> = facts().map(|fact| fact.path.as_str()).collect();
        let times: Vec<i64> = facts().map(|fact| to_column(fact.at.0)).collect();
        let bodies: Vec<&str> = facts().map(|fact| &*fact.body).collect();
        let shared: Vec<Option<&str>> = facts().map(|fact| fact.shared.as_deref()).collect();
        let blobs: Vec<Option<&str>> = facts().map(|fact| fact.blob.as_deref()).collect();
        let sums: Vec<i64> = facts().map(|fact| fact.digest.sum()).collect();
        let chains: Vec<Vec<u8>> = self.chain(last).map(|chain| chain.bytes().to_vec()).collect();
        let answered: Vec<&str> = self.prepared.effect.answered.iter().map(|id| &**id).collect();
        let (run, at) = (self.run.as_str(), to_column(self.prepared.effect.at.0));
        let ids = || self.prepared.effect.answered.iter();
        let answer_sums: Vec<i64> = ids().map(|id| SUMS.signal(run, id, None, at)).collect();
        let done_sums: Vec<i64> = ids().map(|id| SUMS.done(run, id, true)).collect();
        let status = self.prepared.effect.status;
        let facts_then = to_column(self.prepared.effect.facts);
        sqlx::query(sql)
            .bind(self.run.as_str())
            .bind(self.first())
            .bind(self.token)
            .bind(sequences)
            .bind(paths)
            .bind(times)
            .bind(bodies)
            .bind(shared)
            .bind(blobs)
            .bind(self.prepared.effect.status.map(stepwright_core::RunStatus::as_str))
            .bind(to_column(self.prepared.effect.at.0))
            .bind(self.prepared.effect.wake_at.map(moment))
            .bind(answered)
            .bind(&*self.channel)
            .bind(sums)
            .bind(facts_then)
            .bind(status.map(|status| self.prepared.effect.status_sum(SUMS, self.run, status)))
            .bind(answer_sums)
            .bind(done_sums)
            .bind(SUMS.driver(run, None))
            .bind(last.map(|chain| chain.bytes().to_vec()))
            .bind(chains)
            .bind(self.prepared.effect.metrics.as_deref())
            .bind(self.prepared.effect.metrics.as_ref().map(|_| facts_then))
            .bind(self.prepared.effect.metrics_sum(SUMS, self.run))
    }

    /// The chain hashes of the facts.
    fn chain(&self, last: Option<Chain>) -> impl Iterator<Item = Chain> {
        self.prepared.facts.iter().scan(last, |last, fact| {
            let chain = Chain::link(*last, &fact.digest);
            *last = Some(chain);
            Some(chain)
        })
    }

    fn taken(&self) -> Failure {
        let sequence = self.prepared.facts.first().map_or(0, |fact| fact.sequence);
        StoreError::Taken { run: self.run.clone(), sequence }.into()
    }

    /// Refuses, unless the facts are the next ones of a run that there is. `row` begins with the
    /// number of its next fact.
    fn check(&self, row: Option<&PgRow>) -> Result<Fit, Failure> {
        let next: Option<i64> = row.map(|row| row.try_get(0)).transpose()?;
        if let Some(taken) = stray(self.run, next.map_or(0, from_column), &self.prepared.facts) {
            return Err(taken.into());
        }
        let Some(row) = row else { return Err(missing_run(self.run).into()) };
        if row.try_get(2)? {
            return Ok(Fit::Yes);
        }
        let found: Option<&[u8]> = row.try_get(1)?;
        Ok(Fit::After(found.and_then(Chain::read)))
    }

    /// The chain hash of the fact before these, as far as it is known.
    fn last(&self, link: &Link) -> Option<Chain> {
        let first = self.prepared.facts.first()?;
        link.heads.before(self.run, first.sequence)
    }

    /// Remembers the chain hash of the last of these facts, which were appended after `last`.
    fn learn(&self, link: &Link, last: Option<Chain>) {
        match self.chain(last).last() {
            Some(chain) if !self.prepared.effect.rests() => {
                link.heads.learn(self.run, self.prepared.effect.facts, chain);
            }
            _ => link.heads.forget(self.run),
        }
    }

    fn unlinked(&self) -> StoreError {
        StoreError::Unavailable {
            what: format!("cannot append to the journal of run `{}`", self.run),
            source: Box::new(Said("the chain hash of its last fact cannot be read".to_owned())),
            hint: Some("restore the database from a backup".to_owned()),
            id: ErrorId::JOURNAL_DAMAGED,
        }
    }

    /// As `failure`, if it is not the key of the journal or of the runs that refuses.
    fn or_taken(&self, failure: sqlx::Error) -> Failure {
        if is_taken(&failure) { self.taken() } else { failure.into() }
    }
}

fn too_large(run: &RunId, bytes: usize) -> StoreError {
    StoreError::Unavailable {
        what: format!("cannot append to the journal of run `{run}`"),
        source: Box::new(Said(format!(
            "the append is {bytes} bytes; the limit is {APPEND_BYTES_MAX}"
        ))),
        hint: Some("keep large values elsewhere, and hand on where they are".to_owned()),
        id: ErrorId::FACT_UNWRITABLE,
    }
}

/// Refuses an append that the server would not take.
fn check_size(prepared: &Prepared) -> Result<(), StoreError> {
    let of_blobs = prepared.blobs.iter().map(|blob| blob.packed.len());
    match prepared.facts.iter().map(FactRow::bytes).chain(of_blobs).sum() {
        0..=APPEND_BYTES_MAX => Ok(()),
        bytes => Err(too_large(&prepared.run, bytes)),
    }
}

/// Appends facts. If a connection was lost during an earlier attempt, the server may have appended
/// them all the same, or be about to.
pub(super) async fn append(
    link: &mut Link,
    prepared: &Prepared,
    attempt: Attempt,
) -> Result<(), Failure> {
    check_size(prepared)?;
    let channel = link.channels.facts.clone();
    let append = &Append { run: &prepared.run, prepared, token: attempt.token, channel };
    let outcome = match (&*prepared.blobs, &*prepared.media) {
        ([], []) => record(link, append).await,
        (blobs, _) => record_with(link, append, blobs).await,
    };
    match outcome {
        // A refusal of any kind may come from the earlier attempt, which got through.
        Err(Failure::Refused(_)) if attempt.lost && is_recorded(link, append).await? => Ok(()),
        outcome => outcome,
    }
}

async fn record(connection: &mut Link, append: &Append<'_>) -> Result<(), Failure> {
    match (&append.prepared.close, append.begun()) {
        (None, None) => add(connection, append).await,
        (None, Some(row)) => begin(connection, append, row).await,
        (Some(close), row) => end(connection, append, close, row).await,
    }
}

/// Large bodies and media take a transaction. They come after the row of the run, as when they are
/// deleted.
async fn record_with(link: &mut Link, append: &Append<'_>, blobs: &[Blob]) -> Result<(), Failure> {
    link.begin().await?;
    let recorded = record_both(link, append, blobs).await;
    link.end(recorded).await
}

async fn record_both(link: &mut Link, append: &Append<'_>, blobs: &[Blob]) -> Result<(), Failure> {
    record(link, append).await?;
    media::keep(link, append.run, &append.prepared.media).await?;
    if blobs.is_empty() {
        return Ok(());
    }
    sqlx::query(ADD_BLOBS)
        .bind(blobs.iter().map(|blob| &*blob.hash).collect::<Vec<_>>())
        .bind(blobs.iter().map(|blob| blob.uses).collect::<Vec<_>>())
        .bind(blobs.iter().map(|blob| &*blob.packed).collect::<Vec<_>>())
        .execute(&mut link.connection)
        .await?;
    Ok(())
}

/// Returns `true` if these facts, of this append and of no other, are in the journal.
async fn is_recorded(connection: &mut Link, append: &Append<'_>) -> Result<bool, Failure> {
    let sequence = |fact: Option<&FactRow>| fact.map_or(0, |fact| to_column(fact.sequence));
    let row = sqlx::query(RECORDED)
        .bind(append.run.as_str())
        .bind(append.token)
        .bind(sequence(append.prepared.facts.first()))
        .bind(sequence(append.prepared.facts.last()))
        .fetch_one(&mut connection.connection)
        .await?;
    let found: i64 = row.try_get(0)?;
    Ok(usize::try_from(found) == Ok(append.prepared.facts.len()))
}

async fn add(link: &mut Link, append: &Append<'_>) -> Result<(), Failure> {
    let mut last = append.last(link);
    for _ in 0..LINK_ATTEMPTS_MAX {
        let row = append.bound(ADD, last).fetch_optional(&mut link.connection).await;
        let row = row.map_err(|error| append.or_taken(error))?;
        match append.check(row.as_ref())? {
            Fit::Yes => {
                append.learn(link, last);
                return Ok(());
            }
            Fit::After(found) => last = found,
        }
    }
    Err(append.unlinked().into())
}

async fn begin(connection: &mut Link, append: &Append<'_>, row: &RunRow) -> Result<(), Failure> {
    let (id, user) = (row.session_id.clone(), row.user_id.clone());
    let session = Session::new(id, user, row.workflow_id.clone(), row.created_at);
    let written = WrittenSession::of(&session, SUMS)?;
    let driver = row.driver.as_deref().filter(|_| !append.prepared.effect.rests());
    for _ in 0..OPEN_ATTEMPTS_MAX {
        let found = append
            .bound(BEGIN, None)
            .bind(row.session_id.as_str())
            .bind(row.user_id.as_ref().map(UserId::as_str))
            .bind(row.workflow_id.as_str())
            .bind(&*row.digest)
            .bind(to_column(row.created_at.0))
            .bind(&*written.state)
            .bind(&*written.metrics)
            .bind(row.background)
            .bind(driver)
            .bind(rows::run_sum(row, SUMS, None))
            .bind(written.sum)
            .bind(SUMS.driver(row.run_id.as_str(), driver))
            .fetch_one(&mut connection.connection)
            .await
            .map_err(|error| append.or_taken(error))?;
        let (known, begun): (bool, bool) = (found.try_get(0)?, found.try_get(2)?);
        match found.try_get(1)? {
            _ if begun => {
                append.learn(connection, None);
                return Ok(());
            }
            _ if known => return Err(append.taken()),
            Some(false) => return Err(missing(&row.session_id).into()),
            // Another process opened the session at this moment: it is there the next time.
            Some(true) | None => {}
        }
    }
    Err(StoreError::Unavailable {
        what: format!("cannot begin run `{}` in session `{}`", append.run, row.session_id),
        source: Box::new(Said(
            "other processes opened or deleted that session during every attempt".to_owned(),
        )),
        hint: None,
        id: ErrorId::STORE_CONTENDED,
    }
    .into())
}

/// Appends the end of a run together with what it does to its session.
async fn end(
    connection: &mut Link,
    append: &Append<'_>,
    close: &SessionClose,
    begun: Option<&RunRow>,
) -> Result<(), Failure> {
    if begun.is_none() && end_unlocked(connection, append, close).await? {
        return Ok(());
    }
    // Others change the session too: this waits for them, and they wait for this.
    connection.begin().await?;
    let done = end_locked(connection, append, close, begun).await;
    connection.end(done).await
}

/// `false` if it takes a lock: the session has changed between reading and writing, say.
async fn end_unlocked(
    connection: &mut Link,
    append: &Append<'_>,
    close: &SessionClose,
) -> Result<bool, Failure> {
    let Some(Kept { mut session, token }) =
        sessions::select(connection, OF_RUN, append.run.as_str()).await?
    else {
        return Ok(false);
    };
    // That the run is another's comes before that a patch does not fit: the lock will tell.
    if rows::close(&mut session, close, append.prepared.effect.at).is_err() {
        return Ok(false);
    }
    let written = WrittenSession::of(&session, SUMS)?;
    let mut last = append.last(connection);
    for _ in 0..LINK_ATTEMPTS_MAX {
        let row = append
            .bound(CLOSE, last)
            .bind(&*written.state)
            .bind(written.version)
            .bind(&*written.metrics)
            .bind(written.updated_at)
            .bind(token)
            .bind(written.sum)
            .fetch_optional(&mut connection.connection)
            .await
            .map_err(|error| append.or_taken(error))?;
        match append.check(row.as_ref())? {
            Fit::Yes => {
                let closed = row.map(|row| row.try_get(3)).transpose()?.unwrap_or_default();
                if closed {
                    append.learn(connection, last);
                }
                return Ok(closed);
            }
            Fit::After(found) => last = found,
        }
    }
    Err(append.unlinked().into())
}

async fn end_locked(
    connection: &mut Link,
    append: &Append<'_>,
    close: &SessionClose,
    begun: Option<&RunRow>,
) -> Result<(), Failure> {
    match begun {
        Some(row) => begin(connection, append, row).await?,
        None => add(connection, append).await?,
    }
    let found = sessions::select(connection, OF_RUN_LOCKED, append.run.as_str()).await?;
    let Some(Kept { mut session, .. }) = found else {
        return Err(missing_session_of(append.run).into());
    };
    rows::close(&mut session, close, append.prepared.effect.at)?;
    let attempt = Attempt { token: append.token, lost: false };
    sessions::save(connection, &session, attempt).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Effect;
    use stepwright_core::Timestamp;

    #[test]
    fn facts_that_the_server_would_not_take_are_not_sent() {
        let prepare = |bytes: usize| {
            let (path, at, body) = ("a".into(), Timestamp(1), "x".repeat(bytes));
            let digest = SUMS.fact(&RunId::new("r").unwrap(), 1, b"a", at, b"");
            let facts =
                vec![FactRow { sequence: 1, path, at, digest, body, shared: None, blob: None }];
            let run = RunId::new("r").unwrap();
            let (status, wake_at, answered, facts_then) = (None, None, vec![], 2);
            let metrics = None;
            let effect =
                Effect { begun: None, status, wake_at, answered, at, facts: facts_then, metrics };
            check_size(&Prepared { run, facts, effect, close: None, blobs: vec![], media: vec![] })
        };
        prepare(APPEND_BYTES_MAX - 1).unwrap();
        let error = prepare(APPEND_BYTES_MAX).unwrap_err();
        assert_eq!(error.to_string(), "cannot append to the journal of run `r`");
        assert!(error.hint().is_some());
    }
}
