//! Connections: a few, shared, opened when they are needed, and replaced when they die.

use super::errors::{Failure, Trouble, is_starting, trouble, trouble_connecting, unavailable};
use super::heads::Heads;
use super::link::Link;
use super::target::Target;
use crate::process::Opener;
use sqlx::{AssertSqlSafe, ConnectOptions, Error as SqlError, Executor};
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stepwright_core::{RunId, StoreError};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

/// The first pause before trying again. Each is twice the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(20);

/// The longest pause before trying again.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The time that an idle connection is kept. A firewall may have forgotten an older one.
const IDLE_MAX: Duration = Duration::from_mins(1);

/// The time that an answer may be under way, beyond the time of the statement.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// Connections to one database.
pub(super) struct Connections {
    pub(super) target: Arc<Target>,
    places: Semaphore,
    idle: Mutex<Vec<Idle>>,
    token: AtomicI64,
    heads: Heads,
    opener: Opener,
}

impl Drop for Connections {
    /// The connections of a parent process are its own: closing them here would end its sessions.
    fn drop(&mut self) {
        if !self.opener.is_here() {
            let kept = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(kept));
        }
    }
}

struct Idle {
    connection: Link,
    since: Instant,
}

/// The knowledge about the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    /// It was there before, so it will be again.
    Known,
    /// The address may be wrong, so that it is not waited for unless it answers that it will be
    /// ready soon.
    Unknown,
}

impl Server {
    fn is_worth_waiting_for(self, error: &SqlError) -> bool {
        self == Self::Known || is_starting(error)
    }
}

/// The failure of one attempt.
enum Missed {
    Refused(StoreError),
    Connecting(SqlError),
    Working(SqlError),
}

impl Connections {
    pub(super) fn new(target: Target, count: u32) -> Self {
        let places = usize::try_from(count).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self {
            target: Arc::new(target),
            places: Semaphore::new(places),
            idle: Mutex::default(),
            token: AtomicI64::default(),
            heads: Heads::default(),
            opener: Opener::new(),
        }
    }

    /// Refuses to work in a process that was forked from the one that connected.
    pub(super) fn check_process(&self) -> Result<(), StoreError> {
        self.opener.check(&self.target.shown)
    }

    /// Forgets what is known of a run that was deleted.
    pub(super) fn forget(&self, run: &RunId) {
        self.heads.forget(run);
    }

    /// Sets the first token: a random number that no other store has.
    pub(super) fn begin_tokens(&self, at: i64) {
        self.token.store(at, Ordering::Relaxed);
    }

    /// A mark for one change, which is on the rows of no other.
    pub(super) fn token(&self) -> i64 {
        self.token.fetch_add(1, Ordering::Relaxed)
    }

    /// Does `work` on a connection, and again if something goes wrong that may pass. `work` is told
    /// whether a connection was lost before, so that it may have been done already.
    ///
    /// If the future is dropped, so is its connection: only connections that are ready are kept.
    pub(super) async fn run<T>(
        &self,
        what: &'static str,
        server: Server,
        mut work: impl AsyncFnMut(&mut Link, bool) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.check_process()?;
        let began = Instant::now();
        let (mut lost, mut pause) = (false, PAUSE_FIRST);
        loop {
            let (trouble, error) = match self.once(&mut work, lost).await {
                Ok(done) => return Ok(done),
                Err(Missed::Refused(error)) => return Err(error),
                Err(Missed::Connecting(error)) if !server.is_worth_waiting_for(&error) => {
                    return Err(unavailable("connect to", &self.target, &error));
                }
                Err(Missed::Connecting(error)) => (trouble_connecting(&error), error),
                Err(Missed::Working(error)) => (trouble(&error), error),
            };
            if trouble == Trouble::Lost {
                // What ended this connection has most likely ended the others.
                lost = true;
                self.idle().clear();
            }
            let spent = began.elapsed() + pause;
            if trouble == Trouble::Lasting || spent > self.target.retry_for {
                return Err(unavailable(what, &self.target, &error));
            }
            tracing::warn!(
                database = self.target.shown, %error,
                "cannot {what} the database, trying again"
            );
            sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn once<T>(
        &self,
        work: &mut impl AsyncFnMut(&mut Link, bool) -> Result<T, Failure>,
        lost: bool,
    ) -> Result<T, Missed> {
        // The semaphore is never closed, so there is always a place in the end.
        let _place = self.places.acquire().await;
        let mut connection = match self.take() {
            Some(connection) => connection,
            None => self.connect().await.map_err(Missed::Connecting)?,
        };
        let wait = self.target.statement_timeout.saturating_add(ANSWER_WAIT);
        let done = match timeout(wait, work(&mut connection, lost)).await {
            Ok(done) => done,
            Err(_) => Err(Failure::Sql(silent())),
        };
        match done {
            Ok(done) => {
                self.keep(connection);
                Ok(done)
            }
            Err(Failure::Refused(error)) => {
                self.keep(connection);
                Err(Missed::Refused(error))
            }
            Err(Failure::Sql(error)) => Err(Missed::Working(error)),
        }
    }

    async fn connect(&self) -> Result<Link, SqlError> {
        let connected = async {
            let mut connection = self.target.address.connect.connect().await?;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(&*self.target.greeting))).await?;
            let (channels, heads) = (self.target.channels.clone(), self.heads.clone());
            Ok(Link { connection, channels, heads, depth: 0 })
        };
        timeout(self.target.connect_timeout, connected).await.unwrap_or_else(|_| Err(silent()))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that was used last, if it is fresh.
    fn take(&self) -> Option<Link> {
        let last = self.idle().pop()?;
        (last.since.elapsed() < IDLE_MAX).then_some(last.connection)
    }

    fn keep(&self, connection: Link) {
        let mut idle = self.idle();
        idle.retain(|idle| idle.since.elapsed() < IDLE_MAX);
        idle.push(Idle { connection, since: Instant::now() });
    }
}

fn silent() -> SqlError {
    SqlError::Io(io::Error::new(io::ErrorKind::TimedOut, "the server does not answer"))
}
