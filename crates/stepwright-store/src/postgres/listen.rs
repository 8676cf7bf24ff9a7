//! Listening for changes of other processes.

use super::channels::Channels;
use super::connections::{Connections, Server};
use super::link::Link;
use super::target::Target;
use crate::watch::Watchers;
use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{AssertSqlSafe, Error as SqlError, Executor, Row};
use std::collections::HashSet;
use std::io;
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;
use stepwright_core::RunId;
use stepwright_core::store::Watched;
use tokio::time::{Instant, interval, sleep};

/// The interval at which watchers are woken without a notification: while there is no connection, a
/// pooler is in between, and for runs that have not begun.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The interval at which the server is told which runs are watched. All watchers are woken then.
const RENEW_EVERY: Duration = Duration::from_secs(20);

/// The time that an echo may take. If it does not come, a pooler is in between.
const ECHO_WAIT: Duration = Duration::from_secs(5);

/// The number of looks without a watcher before listening ends.
const IDLE_LOOKS_MAX: u32 = 20;

/// Marks runs as watched. It waits for appends that have begun, and later ones see the mark: so
/// waking all watchers once afterwards misses nothing.
const MARK: &str = "WITH found AS (
    SELECT id, run_id FROM runs WHERE run_id = ANY($1) ORDER BY id FOR UPDATE
)
UPDATE runs SET watched = now() + interval '60 seconds' FROM found WHERE runs.id = found.id
RETURNING found.run_id";

/// Listens on a connection of its own while there are watchers.
pub(super) fn begin(connections: &Arc<Connections>, watchers: &Arc<Watchers>) {
    let mut ear = Ear {
        connections: Arc::downgrade(connections),
        watchers: Arc::downgrade(watchers),
        channels: connections.target.channels.clone(),
        idle: 0,
        warned: false,
    };
    tokio::spawn(async move {
        while let Some(target) = ear.connections.upgrade().map(|found| found.target.clone()) {
            match ear.listen(&target).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(database = target.shown, %error, "cannot listen to it");
                }
            }
            ear.meanwhile(sleep(LOOK_EVERY)).await;
        }
    });
}

/// Receives notifications for the watchers.
struct Ear {
    connections: Weak<Connections>,
    watchers: Weak<Watchers>,
    channels: Channels,
    /// The number of looks without a watcher.
    idle: u32,
    /// `true` if the log has the warning that no notifications arrive.
    warned: bool,
}

impl Drop for Ear {
    /// With its runtime, for instance. The next watcher starts another.
    fn drop(&mut self) {
        if let Some(watchers) = self.watchers.upgrade() {
            watchers.give_up();
        }
    }
}

impl Ear {
    /// Listens until the connection is lost, or until there are no watchers.
    async fn listen(&mut self, target: &Target) -> Result<(), SqlError> {
        let Channels { signals, facts, echo, .. } = self.channels.clone();
        let channels = [&*signals, &*facts, &*echo];
        let mut listener = self.meanwhile(connect(target, &channels)).await?;
        let (mut heard, began) = (false, Instant::now());
        let mut marked = HashSet::<RunId>::new();
        let mut renewed: Option<Instant> = None;
        let mut ticks = interval(LOOK_EVERY);
        loop {
            tokio::select! {
                said = listener.try_recv() => {
                    let Some(said) = said? else { return Err(gone()) };
                    let Some(watchers) = self.watchers.upgrade() else { return Ok(()) };
                    if said.channel() == &*self.channels.signals {
                        watchers.wake(&Watched::Signals);
                    } else if said.channel() == &*self.channels.facts {
                        if let Ok(run) = RunId::new(said.payload()) {
                            watchers.wake(&Watched::Facts(run));
                        }
                    } else if !heard {
                        heard = true;
                        watchers.wake_all();
                    }
                }
                _ = ticks.tick() => {
                    let Some(watchers) = self.watchers.upgrade() else { return Ok(()) };
                    self.idle = if watchers.are_there() { 0 } else { self.idle + 1 };
                    if self.idle >= IDLE_LOOKS_MAX && watchers.rest() {
                        return Ok(());
                    }
                    let renew = renewed.is_none_or(|at| at.elapsed() >= RENEW_EVERY);
                    if renew {
                        renewed = Some(Instant::now());
                        marked.clear();
                    }
                    let mut runs = watchers.runs();
                    runs.retain(|run| !marked.contains(run));
                    if !runs.is_empty() {
                        marked.extend(self.meanwhile(mark(&mut listener, &runs)).await?);
                        for run in runs {
                            watchers.wake(&Watched::Facts(run));
                        }
                    }
                    if renew || !heard {
                        watchers.wake_all();
                    }
                    if renew && !heard {
                        self.speak();
                    }
                    if !heard {
                        self.warn(target, began);
                    }
                }
            }
        }
    }

    /// Waits for `work`. There are no notifications meanwhile, so the watchers look themselves.
    async fn meanwhile<T>(&self, work: impl Future<Output = T>) -> T {
        let (mut work, mut ticks) = (pin!(work), interval(LOOK_EVERY));
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    if let Some(watchers) = self.watchers.upgrade() {
                        watchers.wake_all();
                    }
                }
            }
        }
    }

    /// Notifies itself over another connection: if that arrives, other notifications do too.
    fn speak(&self) {
        let (connections, channel) = (self.connections.clone(), self.channels.echo.clone());
        tokio::spawn(async move {
            let Some(connections) = connections.upgrade() else { return };
            let speak = async move |link: &mut Link, _| {
                let speak = sqlx::query("SELECT pg_notify($1, '')").bind(&*channel);
                speak.execute(&mut link.connection).await?;
                Ok(())
            };
            let _ = connections.run("write to", Server::Known, speak).await;
        });
    }

    fn warn(&mut self, target: &Target, began: Instant) {
        if !self.warned && began.elapsed() >= ECHO_WAIT {
            self.warned = true;
            tracing::warn!(
                database = target.shown,
                "it does not say what changes (is a pooler in between?), so it is asked often"
            );
        }
    }
}

/// Listens to these channels, on a connection of its own.
pub(super) async fn connect(target: &Target, channels: &[&str]) -> Result<PgListener, SqlError> {
    let greeting = format!("{}; SET synchronous_commit TO off", target.greeting);
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(target.connect_timeout)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| {
            let greeting = greeting.clone();
            Box::pin(async move {
                connection.execute(sqlx::raw_sql(AssertSqlSafe(greeting))).await.map(drop)
            })
        })
        .connect_lazy_with(target.address.connect.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen_all(channels.iter().copied()).await?;
    Ok(listener)
}

/// Makes appends to these runs notify, and returns those that exist.
async fn mark(listener: &mut PgListener, runs: &[RunId]) -> Result<Vec<RunId>, SqlError> {
    let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
    let rows = sqlx::query(MARK).bind(names).fetch_all(listener).await?;
    let found = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    Ok(found.into_iter().filter_map(|run| RunId::new(run).ok()).collect())
}

fn gone() -> SqlError {
    SqlError::Io(io::Error::new(io::ErrorKind::ConnectionAborted, "the connection was lost"))
}
