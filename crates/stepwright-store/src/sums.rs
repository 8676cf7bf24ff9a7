//! Checksums of rows: a row that damage has changed, swapped or moved is an error, never a result.
//!
//! A checksum is the first 64 bits of a SHA-256 over the names and values that decide what a row
//! means, each with its length in front. It finds damage; it does not stop an attacker who may
//! write to the database, and who can compute it too.
//!
//! The chain hash of a fact is the SHA-256 of that of the fact before it and of its own digest. The
//! last one stands for all facts of a run: as long as it is known elsewhere, no fact can be changed
//! without being noticed.

use sha2::{Digest, Sha256};
use stepwright_core::{RunId, Timestamp};

/// The values that are written for a column that has nothing.
const NOTHING: u64 = u64::MAX;

/// Computes and verifies the checksums of one database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums {
    /// A random number that each database file has. Rows that come from another file, by way of a
    /// write-ahead log that was left behind, do not fit.
    database: i64,
    /// `true` if rows may have no checksum, because an older version wrote them.
    older: bool,
}

impl Sums {
    /// The checksums of a database file, in which each row has one.
    #[cfg(feature = "sqlite")]
    pub(crate) fn of_file(database: i64) -> Self {
        Self { database, older: false }
    }

    /// The checksums of a database on a server. Rows from before there were checksums have none.
    pub(crate) const SERVER: Self = Self { database: 0, older: true };

    fn begin(self, table: &str) -> Sum {
        Sum(Sha256::new()).number(self.database).text(table)
    }

    /// Returns the digest of a fact: of its place and of its whole body, wherever parts of it are
    /// kept.
    pub(crate) fn fact(
        self,
        run: &RunId,
        sequence: u64,
        path: &[u8],
        at: Timestamp,
        body: &[u8],
    ) -> FactDigest {
        let place = [sequence.to_le_bytes(), at.0.to_le_bytes()].concat();
        let sum = self.begin("journal").text(run.as_str()).bytes(&place).bytes(path).bytes(body);
        FactDigest(sum.0.finalize().into())
    }

    /// The checksum of what stays as it is in the row of a run.
    pub(crate) fn run(self, run: &RunIdentity<'_>) -> i64 {
        let sum = self
            .begin("runs")
            .text(run.run_id)
            .text(run.session_id)
            .maybe(run.user_id)
            .text(run.workflow_id)
            .text(run.digest)
            .number(run.created_at)
            .number(run.background.into());
        // Rows that are no forks have the checksum that they had before there were forks.
        match run.origin {
            Some((journal, name, until)) => sum.number(journal).text(name).number(until).end(),
            None => sum.end(),
        }
    }

    /// The checksum of the status of a run, and of how many facts it had when that was written.
    pub(crate) fn status(self, run: &str, status: &RunState<'_>) -> i64 {
        self.begin("runs.status")
            .text(run)
            .text(status.status)
            .number(status.updated_at)
            .maybe_number(status.wake_at)
            .number(status.facts)
            .end()
    }

    /// The checksum of the consumption of a run that has ended with this number of facts.
    pub(crate) fn metrics(self, run: &str, facts: i64, metrics: &str) -> i64 {
        self.begin("runs.metrics").text(run).number(facts).text(metrics).end()
    }

    /// The checksum of the driver of a run.
    pub(crate) fn driver(self, run: &str, driver: Option<&str>) -> i64 {
        self.begin("runs.driver").text(run).maybe(driver).end()
    }

    /// The checksum of what a signal wants.
    pub(crate) fn signal(self, run: &str, id: &str, wish: Option<&str>, at: i64) -> i64 {
        self.begin("inbox").text(run).text(id).maybe(wish).number(at).end()
    }

    /// The checksum of whether a fact was made of a signal.
    pub(crate) fn done(self, run: &str, id: &str, done: bool) -> i64 {
        self.begin("inbox.done").text(run).text(id).number(done.into()).end()
    }

    /// The checksum of a session.
    pub(crate) fn session(self, session: &SessionValues<'_>) -> i64 {
        self.begin("sessions")
            .text(session.session_id)
            .maybe(session.user_id)
            .text(session.workflow_id)
            .maybe(session.name)
            .text(session.state)
            .number(session.version)
            .text(session.metrics)
            .number(session.created_at)
            .number(session.updated_at)
            .end()
    }

    /// The checksum of a memory of a user.
    pub(crate) fn memory(self, memory: &MemoryValues<'_>) -> i64 {
        self.begin("memories")
            .text(memory.user_id)
            .text(memory.memory_id)
            .text(memory.body)
            .maybe(memory.run_id)
            .number(memory.created_at)
            .number(memory.updated_at)
            .end()
    }

    /// The checksum of a plan.
    pub(crate) fn plan(self, digest: &str, plan: &str) -> i64 {
        self.begin("plans").text(digest).text(plan).end()
    }

    /// Returns `true` if rows may have no checksum, because an older version wrote them.
    pub(crate) fn are_older(self) -> bool {
        self.older
    }

    /// Compares the checksum of a row with the one that its values have.
    ///
    /// # Errors
    /// The damage, in words.
    pub(crate) fn verify(
        self,
        stored: Option<i64>,
        computed: impl FnOnce() -> i64,
    ) -> Result<(), String> {
        match stored {
            None if self.older => Ok(()),
            None => Err("it has no checksum".to_owned()),
            Some(stored) if stored == computed() => Ok(()),
            Some(_) => Err("its checksum does not match: it is not as it was written".to_owned()),
        }
    }
}

/// The digest of a fact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FactDigest([u8; 32]);

impl FactDigest {
    /// Returns the checksum of the fact.
    pub(crate) fn sum(&self) -> i64 {
        first(&self.0)
    }
}

/// The chain hash of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain([u8; 32]);

impl Chain {
    /// Links a fact to the one before it; the first fact of a run, and one that follows a fact
    /// without a chain hash, begins a chain.
    pub(crate) fn link(before: Option<Self>, fact: &FactDigest) -> Self {
        let before = before.map_or([0; 32], |chain| chain.0);
        Self(Sha256::new().chain_update(before).chain_update(fact.0).finalize().into())
    }

    /// Reads a column. `None` if it has another length.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The values of a run that never change.
pub(crate) struct RunIdentity<'r> {
    pub(crate) run_id: &'r str,
    pub(crate) session_id: &'r str,
    pub(crate) user_id: Option<&'r str>,
    pub(crate) workflow_id: &'r str,
    pub(crate) digest: &'r str,
    pub(crate) created_at: i64,
    pub(crate) background: bool,
    /// The origin of a fork: the number of its journal, its name, and the number of shared facts.
    pub(crate) origin: Option<(i64, &'r str, i64)>,
}

/// The values of a run that change together.
pub(crate) struct RunState<'r> {
    pub(crate) status: &'r str,
    pub(crate) updated_at: i64,
    pub(crate) wake_at: Option<i64>,
    pub(crate) facts: i64,
}

/// The values of a session, as its columns have them.
pub(crate) struct SessionValues<'s> {
    pub(crate) session_id: &'s str,
    pub(crate) user_id: Option<&'s str>,
    pub(crate) workflow_id: &'s str,
    pub(crate) name: Option<&'s str>,
    pub(crate) state: &'s str,
    pub(crate) version: i64,
    pub(crate) metrics: &'s str,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// The values of a memory of a user, as its columns have them.
pub(crate) struct MemoryValues<'m> {
    pub(crate) user_id: &'m str,
    pub(crate) memory_id: &'m str,
    pub(crate) body: &'m str,
    pub(crate) run_id: Option<&'m str>,
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
}

/// A checksum that is being computed.
struct Sum(Sha256);

impl Sum {
    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    fn number(mut self, number: i64) -> Self {
        self.0.update(number.to_le_bytes());
        self
    }

    fn maybe(self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => self.nothing(),
        }
    }

    fn maybe_number(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.bytes(&number.to_le_bytes()),
            None => self.nothing(),
        }
    }

    fn nothing(mut self) -> Self {
        self.0.update(NOTHING.to_le_bytes());
        self
    }

    fn end(self) -> i64 {
        first(&self.0.finalize().into())
    }
}

/// The first eight bytes of a digest.
fn first(digest: &[u8; 32]) -> i64 {
    let (first, _) = digest.split_at(8);
    i64::from_le_bytes(first.try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_differs_in_a_fact_gives_another_checksum() {
        let sums = Sums { database: 7, older: false };
        let run = |name| RunId::new(name).unwrap();
        let of = |name, sequence, path: &str, at, body: &str| {
            sums.fact(&run(name), sequence, path.as_bytes(), Timestamp(at), body.as_bytes()).sum()
        };
        let sum = of("r", 1, "a", 7, "{}");
        assert_eq!(sum, of("r", 1, "a", 7, "{}"));
        for other in [
            of("s", 1, "a", 7, "{}"),
            of("r", 2, "a", 7, "{}"),
            of("r", 1, "b", 7, "{}"),
            of("r", 1, "a", 8, "{}"),
            of("r", 1, "a", 7, "[]"),
            // What moves from one column into the next.
            of("r", 1, "a{", 7, "}"),
            of("r", 7, "a", 1, "{}"),
            Sums { database: 8, older: false }.fact(&run("r"), 1, b"a", Timestamp(7), b"{}").sum(),
        ] {
            assert_ne!(sum, other);
        }
        assert_ne!(sums.driver("r", None), sums.driver("r", Some("")));
    }

    #[test]
    fn the_last_link_of_a_chain_depends_on_every_fact() {
        let sums = Sums { database: 7, older: false };
        let run = RunId::new("r").unwrap();
        let last = |bodies: [&str; 3]| {
            (0..).zip(bodies).fold(None, |before, (sequence, body)| {
                let digest = sums.fact(&run, sequence, b"a", Timestamp(7), body.as_bytes());
                Some(Chain::link(before, &digest))
            })
        };
        assert_eq!(last(["a", "b", "c"]), last(["a", "b", "c"]));
        for other in [["x", "b", "c"], ["a", "x", "c"], ["a", "b", "x"]] {
            assert_ne!(last(["a", "b", "c"]), last(other));
        }
    }

    #[test]
    fn a_row_without_a_checksum_is_damaged_unless_older_versions_wrote_rows_without() {
        let sums = Sums { database: 7, older: false };
        assert!(sums.verify(None, || 1).is_err());
        assert!(sums.verify(Some(2), || 1).is_err());
        assert!(sums.verify(Some(1), || 1).is_ok());
        assert!(Sums { database: 0, older: true }.verify(None, || 1).is_ok());
        assert!(Sums { database: 0, older: true }.verify(Some(2), || 1).is_err());
    }
}
