//! Runs as lines of JSON: to move them to another store, or to keep them elsewhere.

use super::Runs;
use crate::waits::{WaitEntry, WaitIndex};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::fold::Fold;
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::media::{MEDIA_BYTES_MAX, MediaSource, StoredMedia};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{
    FirstClaim, HeldSlot, MemoryChange, MemoryUpdate, PAGE_MAX, RunFilter, Signal, SlotClaim,
    UserMemory,
};
use stepwright_core::{
    Error, ErrorId, ErrorKind, Event, EventKind, RunId, Session, SessionId, Timestamp, UserId, json,
};

/// The name of the format, in its first line.
const FORMAT: &str = "stepwright-runs";

/// The version of the format.
const VERSION: u32 = 4;

/// The oldest version that is read. It has no media; those since version 2 have them, those since
/// version 3 have memories, and those of version 4 have slots too.
const VERSION_OLDEST: u32 = 1;

/// The number of facts that are read and appended at a time.
const PAGE: usize = 200;

/// The size of the parts that media are written in, in bytes.
const PART_BYTES: usize = 1024 * 1024;

/// The longest id of a memory that is imported, in bytes.
const MEMORY_ID_BYTES_MAX: usize = 64;

/// The longest line that is imported, in bytes.
pub const IMPORT_LINE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The runs that [`Runs::export`] writes. Without any choice, all of them. The memories of users go
/// along with all runs, and those of a user with the runs of the user.
///
/// ```
/// use stepwright_engine::Export;
/// let all = Export::default();
/// assert!(all.runs.is_empty() && all.session.is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// Only these runs.
    pub runs: Vec<RunId>,
    /// Only those of this session.
    pub session: Option<SessionId>,
    /// Only those of this user, and the memories of the user.
    pub user: Option<UserId>,
}

/// The amount that was exported or imported.
///
/// ```
/// use stepwright_engine::Archived;
/// assert_eq!(Archived::default().runs, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// The number of runs.
    pub runs: u64,
    /// The number of sessions.
    pub sessions: u64,
    /// The number of facts.
    pub facts: u64,
    /// The number of runs that the store had already, with the same facts.
    pub known: u64,
    /// The number of memories of users.
    #[serde(default)]
    pub memories: u64,
}

/// A line of an export.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Begin {
        format: String,
        version: u32,
    },
    Session {
        session: Box<Session>,
    },
    Plan {
        digest: String,
        plan: String,
    },
    Run {
        run_id: RunId,
        session_id: SessionId,
    },
    Fact {
        fact: Box<Event>,
    },
    /// A part of the bytes of media, ahead of the first fact of the run that refers to them.
    Media {
        media: StoredMedia,
        part: MediaSource,
    },
    Signal {
        signal: Box<Signal>,
    },
    /// A slot of the run that the line is in. Outside of runs, the key of a deleted run.
    Slot {
        slot: HeldSlot,
    },
    Memory {
        memory: Box<UserMemory>,
    },
    /// The end of a run. `sum` is of all lines since its beginning.
    RunEnd {
        run_id: RunId,
        facts: u64,
        sum: String,
    },
    /// The end of the export. `sum` is of all lines before it.
    End {
        runs: u64,
        sum: String,
    },
}

/// A running SHA-256 of lines.
#[derive(Clone, Default)]
struct Sum(Sha256);

impl Sum {
    fn add(&mut self, line: &str) {
        self.0.update(line.as_bytes());
        self.0.update(b"\n");
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for byte in self.0.clone().finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

/// Writes lines, and keeps their sums.
struct Out<W> {
    write: W,
    all: Sum,
    run: Sum,
}

impl<W: FnMut(&str) -> std::io::Result<()>> Out<W> {
    fn line(&mut self, line: &Line) -> Result<(), Error> {
        let text = serde_json::to_string(line).map_err(|error| unwritable(&error.to_string()))?;
        (self.write)(&text).map_err(|error| unwritable(&error.to_string()))?;
        self.all.add(&text);
        self.run.add(&text);
        Ok(())
    }
}

fn unwritable(why: &str) -> Error {
    Error::usage(format!("the export cannot be written: {why}")).with_id(ErrorId::EXPORT_UNWRITABLE)
}

impl Runs {
    /// Writes runs as lines of JSON, each with the facts of its journal, its inbox, its session and
    /// its plan, and memories of users: see [`Export`]. `write` gets one line at a time, without a
    /// line break. [`Runs::import`] reads them.
    ///
    /// A run that is under way is written as far as it is now.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory};
    /// # use stepwright_engine::{Export, Runs, Workflow};
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let memory = Memory::default();
    /// # let workflow = Workflow::builder("Greeting").step(greet).store(memory.clone()).build()?;
    /// workflow.run("Ada").run_id("r-7").await?;
    /// let mut lines = Vec::new();
    /// let here = Runs::of(AnyStore::new(memory));
    /// here.export(&Export::default(), |line| Ok(lines.push(line.to_owned()))).await?;
    ///
    /// let there = Runs::of(AnyStore::new(Memory::default()));
    /// there.import(lines, false).await?;
    /// assert_eq!(there.get(&"r-7".parse()?).await?.content.text(), "Hello Ada");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a run is not found or damaged, or if `write` fails.
    pub async fn export(
        &self,
        which: &Export,
        write: impl FnMut(&str) -> std::io::Result<()>,
    ) -> Result<Archived, Error> {
        let mut runs = which.runs.clone();
        if runs.is_empty() {
            let filter = RunFilter {
                session_id: which.session.clone(),
                user_id: which.user.clone(),
                ..RunFilter::default()
            };
            self.each(filter, |row| runs.push(row.run_id)).await?;
            // The oldest first, as they were made.
            runs.reverse();
        }
        let mut out = Out { write, all: Sum::default(), run: Sum::default() };
        out.line(&Line::Begin { format: FORMAT.to_owned(), version: VERSION })?;
        let (mut sessions, mut plans) = (HashSet::new(), HashSet::new());
        let mut archived = Archived::default();
        for run in runs {
            let row = self.row(&run).await?;
            if sessions.insert(row.session_id.clone())
                && let Some(session) = self.store.session(&row.session_id).await?
            {
                out.line(&Line::Session { session: Box::new(session) })?;
                archived.sessions += 1;
            }
            if plans.insert(row.digest.clone())
                && let Some(plan) = self.store.plan(&row.digest).await?
            {
                out.line(&Line::Plan { digest: row.digest.to_string(), plan })?;
            }
            archived.facts += self.export_run(&run, row.session_id, &mut out).await?;
            archived.runs += 1;
        }
        if which.runs.is_empty() && which.session.is_none() && which.user.is_none() {
            for slot in self.store.slots_of("").await? {
                out.line(&Line::Slot { slot })?;
            }
        }
        archived.memories = self.export_memories(which, &mut out).await?;
        let sum = out.all.text();
        out.line(&Line::End { runs: archived.runs, sum })?;
        Ok(archived)
    }

    /// Writes the memories of the user, or of all users if everything is exported.
    async fn export_memories<W: FnMut(&str) -> std::io::Result<()>>(
        &self,
        which: &Export,
        out: &mut Out<W>,
    ) -> Result<u64, Error> {
        if !which.runs.is_empty() || which.session.is_some() {
            return Ok(0);
        }
        let mut users: Vec<UserId> = which.user.iter().cloned().collect();
        let mut is_last = which.user.is_some();
        while !is_last {
            let page = self.memory_users(0, users.len()).await?;
            is_last = page.len() < PAGE_MAX;
            users.extend(page.into_iter().map(|user| user.user_id));
        }
        let mut written = 0;
        for user in users {
            for memory in self.memories(user.as_str())?.list().await? {
                out.line(&Line::Memory { memory: Box::new(memory) })?;
                written += 1;
            }
        }
        Ok(written)
    }

    async fn export_run<W: FnMut(&str) -> std::io::Result<()>>(
        &self,
        run: &RunId,
        session_id: SessionId,
        out: &mut Out<W>,
    ) -> Result<u64, Error> {
        out.run = Sum::default();
        out.line(&Line::Run { run_id: run.clone(), session_id })?;
        let (mut facts, mut written) = (0, HashSet::new());
        loop {
            let page = self.store.load(run, facts, PAGE).await?;
            let is_last = page.len() < PAGE;
            facts += page.len() as u64;
            for fact in page {
                for stored in fact.kind.stored_media() {
                    if written.insert(stored.sha256.clone()) {
                        self.export_media(run, stored, out).await?;
                    }
                }
                out.line(&Line::Fact { fact: Box::new(fact) })?;
            }
            if is_last {
                break;
            }
        }
        for signal in self.store.inbox(run).await? {
            out.line(&Line::Signal { signal: Box::new(signal) })?;
        }
        for slot in self.store.slots_of(run.as_str()).await? {
            out.line(&Line::Slot { slot })?;
        }
        let sum = out.run.text();
        out.line(&Line::RunEnd { run_id: run.clone(), facts, sum })?;
        Ok(facts)
    }

    async fn export_media<W: FnMut(&str) -> std::io::Result<()>>(
        &self,
        run: &RunId,
        stored: &StoredMedia,
        out: &mut Out<W>,
    ) -> Result<(), Error> {
        let bytes = self.store.media(stored).await?.ok_or_else(|| {
            let what = format!("media `{}` of run `{run}` are not in the store", stored.sha256);
            Error::new(ErrorKind::Store, what).with_id(ErrorId::MEDIA_MISSING)
        })?;
        for part in bytes.chunks(PART_BYTES) {
            let part = MediaSource::Bytes(part.into());
            out.line(&Line::Media { media: stored.clone(), part })?;
        }
        Ok(())
    }

    /// Reads runs that [`Runs::export`] has written into this store. Everything is checked: the
    /// sums of the lines, the numbers of the facts, and that they are a possible history. A run
    /// that the store has already with the same facts is passed over; one with other facts is an
    /// error. A memory that the store has, and that was changed later there, stays as it is.
    ///
    /// With `dry_run`, everything is checked and nothing is written. Do that first: an error in the
    /// middle of an import leaves the runs before it in the store.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](stepwright_core::ErrorKind) with the number of the line, if the lines
    /// are not an export, or not as they were written.
    pub async fn import(
        &self,
        lines: impl IntoIterator<Item = impl AsRef<str>>,
        dry_run: bool,
    ) -> Result<Archived, Error> {
        let mut import = Import::default();
        for line in lines {
            import.line(self, line.as_ref(), dry_run).await?;
        }
        import.end()
    }
}

/// An import, as far as it is read.
#[derive(Default)]
struct Import {
    number: u64,
    all: Sum,
    run: Option<Part>,
    ended: bool,
    archived: Archived,
}

/// A run that is being read.
struct Part {
    run: RunId,
    session: SessionId,
    sum: Sum,
    fold: Fold,
    facts: Vec<Event>,
    signals: Vec<Signal>,
    slots: Vec<HeldSlot>,
    /// The media that are read, with their bytes.
    media: Vec<StoredMedia>,
    /// The media whose parts are being read, and their bytes so far.
    open: Option<(StoredMedia, Arc<[u8]>, usize)>,
}

impl Import {
    fn wrong(&self, what: &str) -> Error {
        let number = self.number.max(1);
        Error::usage(format!("line {number} of the import: {what}"))
            .with_id(ErrorId::IMPORT_INVALID)
            .with_hint("export the runs again; nothing of this run was imported")
    }

    async fn line(&mut self, runs: &Runs, text: &str, dry_run: bool) -> Result<(), Error> {
        self.number += 1;
        if text.len() > IMPORT_LINE_BYTES_MAX {
            return Err(self.wrong(&format!("it has more than {IMPORT_LINE_BYTES_MAX} bytes")));
        }
        // The depth is limited before anything is read into it.
        json::parse(text).map_err(|error| self.wrong(&format!("it is not JSON ({error})")))?;
        let line: Line = serde_json::from_str(text)
            .map_err(|error| self.wrong(&format!("it is not part of an export ({error})")))?;
        if self.ended {
            return Err(self.wrong("it comes after the end of the export"));
        }
        match (&line, self.number) {
            (Line::Begin { format, version }, 1)
                if format == FORMAT && (VERSION_OLDEST..=VERSION).contains(version) => {}
            (Line::Begin { format, version }, 1) => {
                let what = format!(
                    "its format is `{format}` {version}, and this program reads `{FORMAT}` \
                     {VERSION}"
                );
                return Err(self.wrong(&what));
            }
            (_, 1) => return Err(self.wrong("it does not begin an export")),
            (Line::Begin { .. }, _) => return Err(self.wrong("a second export begins here")),
            _ => {}
        }
        let before = self.all.text();
        self.all.add(text);
        self.take(runs, line, text, &before, dry_run).await
    }

    async fn take(
        &mut self,
        runs: &Runs,
        line: Line,
        text: &str,
        before: &str,
        dry_run: bool,
    ) -> Result<(), Error> {
        match line {
            Line::Begin { .. } => {}
            Line::Session { session } => {
                self.outside()?;
                self.archived.sessions += 1;
                if let Some(there) = runs.store.session(&session.session_id).await?
                    && there.user_id != session.user_id
                {
                    let what = format!(
                        "session `{}` belongs to another user in this store",
                        session.session_id
                    );
                    return Err(self.wrong(&what));
                }
                if !dry_run {
                    runs.store.open_session(*session).await?;
                }
            }
            Line::Plan { digest, plan } => {
                self.outside()?;
                if !dry_run {
                    runs.store.remember_plan(&digest, &plan).await?;
                }
            }
            Line::Memory { memory } => {
                self.outside()?;
                self.memory(runs, *memory, dry_run).await?;
            }
            Line::Run { run_id, session_id } => {
                self.outside()?;
                let mut sum = Sum::default();
                sum.add(text);
                self.run = Some(Part {
                    run: run_id,
                    session: session_id,
                    sum,
                    fold: Fold::default(),
                    facts: Vec::new(),
                    signals: Vec::new(),
                    slots: Vec::new(),
                    media: Vec::new(),
                    open: None,
                });
            }
            Line::Fact { fact } => {
                let checked = match &mut self.run {
                    None => Err("it is a fact of no run".to_owned()),
                    Some(part) => part.fact(*fact, text),
                };
                checked.map_err(|what| self.wrong(&what))?;
            }
            Line::Media { media, part } => {
                let checked = match &mut self.run {
                    None => Err("it is a part of media of no run".to_owned()),
                    Some(run) => run.part(&media, &part, text),
                };
                checked.map_err(|what| self.wrong(&what))?;
            }
            Line::Signal { signal } => match &mut self.run {
                Some(part) if part.run == signal.run => {
                    part.sum.add(text);
                    part.signals.push(*signal);
                }
                _ => return Err(self.wrong("it is a signal of no run")),
            },
            Line::Slot { slot } => match &mut self.run {
                Some(part) if *slot.holder == *part.run.as_str() => {
                    part.sum.add(text);
                    part.slots.push(slot);
                }
                None if slot.holder.is_empty() && slot.until.is_some() => {
                    if !dry_run {
                        restore(runs, slot).await?;
                    }
                }
                _ => return Err(self.wrong("it is a slot of no run")),
            },
            Line::RunEnd { run_id, facts, sum } => {
                let part = self.run.take();
                let part = part.ok_or_else(|| self.wrong("no run ends here"))?;
                if part.run != run_id || part.facts.len() as u64 != facts || facts == 0 {
                    let what = format!(
                        "run `{run_id}` has {facts} facts, and {} of `{}` were read",
                        part.facts.len(),
                        part.run
                    );
                    return Err(self.wrong(&what));
                }
                if part.sum.text() != sum {
                    return Err(self.wrong(&format!("the lines of run `{run_id}` were changed")));
                }
                self.store(runs, part, dry_run).await?;
            }
            Line::End { runs, sum } => {
                self.outside()?;
                if sum != before || runs != self.archived.runs + self.archived.known {
                    return Err(self.wrong("lines before it were changed, or are missing"));
                }
                self.ended = true;
            }
        }
        Ok(())
    }

    /// Restores a memory of a user.
    async fn memory(
        &mut self,
        runs: &Runs,
        memory: UserMemory,
        dry_run: bool,
    ) -> Result<(), Error> {
        let UserMemory { memory_id, user_id, memory, topics, run_id, created_at, updated_at } =
            memory;
        let change = MemoryChange::Restore { memory_id, memory, topics, created_at };
        if let Some(why) = change.mistake() {
            return Err(self.wrong(&why));
        }
        if !(1..=MEMORY_ID_BYTES_MAX).contains(&change.memory_id().len()) {
            let what = format!("the id of a memory must have 1 to {MEMORY_ID_BYTES_MAX} bytes");
            return Err(self.wrong(&what));
        }
        self.archived.memories += 1;
        if !dry_run {
            let changes = vec![change];
            let update = MemoryUpdate { user_id, run_id, changes, at: updated_at };
            runs.store.update_memories(update).await?;
        }
        Ok(())
    }

    fn outside(&self) -> Result<(), Error> {
        match &self.run {
            Some(part) => Err(self.wrong(&format!("run `{}` has not ended before it", part.run))),
            None => Ok(()),
        }
    }

    /// Appends the facts of a run, unless the store has them.
    async fn store(&mut self, runs: &Runs, part: Part, dry_run: bool) -> Result<(), Error> {
        let Part { run, fold, facts, signals, slots, .. } = part;
        if runs.store.run(&run).await?.is_some() {
            let mut next = 0;
            for page in facts.chunks(PAGE) {
                if runs.store.load(&run, next, PAGE).await? != *page {
                    return Err(taken(&run));
                }
                next += page.len() as u64;
            }
            if !runs.store.load(&run, next, 1).await?.is_empty() {
                return Err(taken(&run));
            }
            self.archived.known += 1;
            return Ok(());
        }
        self.archived.runs += 1;
        self.archived.facts += facts.len() as u64;
        if dry_run {
            return Ok(());
        }
        // The session that came with the run has counted it already.
        let counted =
            SessionClose { retried: true, run: Some(fold.metrics()), ..Default::default() };
        let close = fold.status().is_terminal().then_some(counted);
        // In one piece: half of a run looks like one whose process died, and would be driven on.
        let append = Append { run: run.clone(), facts, close, driver: None };
        runs.store.append(append).await?;
        for signal in signals {
            runs.store.submit(signal).await?;
        }
        for slot in slots {
            restore(runs, slot).await?;
        }
        let index = WaitIndex { store: &runs.store, world: &runs.world };
        for asked in fold.requirements() {
            if let RequirementKind::Event { name, key, .. } = &asked.kind {
                let entry = WaitEntry { run: run.clone(), asked: asked.id.clone() };
                index.put(name, key.as_deref(), &entry).await?;
            }
        }
        Ok(())
    }

    fn end(self) -> Result<Archived, Error> {
        if !self.ended {
            return Err(self.wrong("the export ends here, and is not complete"));
        }
        Ok(self.archived)
    }
}

/// Gives a run its slot, or the key of which it was the first. A run of this store that has the key
/// keeps it.
async fn restore(runs: &Runs, slot: HeldSlot) -> Result<(), Error> {
    let HeldSlot { scope, holder, at, until } = slot;
    let (driver, stale, dead) = ("import".into(), Timestamp::default(), Vec::new());
    match until {
        Some(until) if until <= runs.world.wall() => {}
        Some(until) => {
            let at = runs.world.wall();
            let claim = FirstClaim { scope, holder, driver, at, until, stale, dead };
            runs.store.first(claim).await?;
        }
        // It had the slot beside as many others as the limit allows.
        None => {
            let claim = SlotClaim { scope, holder, driver, max: u32::MAX, at, stale, dead };
            runs.store.enter(claim).await?;
        }
    }
    Ok(())
}

fn taken(run: &RunId) -> Error {
    Error::usage(format!("this store has a run `{run}` with other facts"))
        .with_id(ErrorId::RUN_ID_TAKEN)
        .with_hint("erase it first, or import into another store")
}

impl Part {
    /// Takes a part of the bytes of media.
    fn part(&mut self, media: &StoredMedia, part: &MediaSource, text: &str) -> Result<(), String> {
        let MediaSource::Bytes(part) = part else {
            return Err("a part of media has no bytes".to_owned());
        };
        if media.bytes > MEDIA_BYTES_MAX {
            let hash = &media.sha256;
            return Err(format!(
                "media `{hash}` have {} bytes; the limit is {MEDIA_BYTES_MAX}",
                media.bytes
            ));
        }
        let (of, mut bytes, at) = match self.open.take() {
            Some(open) => open,
            None => (media.clone(), media.space(), 0),
        };
        let end = at + part.len();
        let space = Arc::get_mut(&mut bytes).and_then(|bytes| bytes.get_mut(at..end));
        let Some(space) = space.filter(|_| of == *media) else {
            return Err(format!("it is no part of media `{}`", of.sha256));
        };
        space.copy_from_slice(part);
        self.sum.add(text);
        if end < bytes.len() {
            self.open = Some((of, bytes, end));
            return Ok(());
        }
        if !of.fits(&bytes) {
            return Err(format!("media `{}` have another hash", of.sha256));
        }
        let mut of = of;
        of.fill(bytes);
        self.media.push(of);
        Ok(())
    }

    fn fact(&mut self, mut fact: Event, text: &str) -> Result<(), String> {
        let next = self.facts.len() as u64;
        if fact.run != self.run || fact.sequence != next || !fact.is_fact() {
            return Err(format!("it is not fact {next} of run `{}`", self.run));
        }
        if let EventKind::WorkflowStarted(started) = &fact.kind
            && started.session_id != self.session
        {
            return Err(format!("run `{}` did not begin in session `{}`", self.run, self.session));
        }
        fact.kind.fill_media(&self.media);
        if let Some(missing) = fact.kind.stored_media().iter().find(|media| media.live().is_none())
        {
            return Err(format!("media `{}` are missing before it", missing.sha256));
        }
        self.fold.apply(&fact).map_err(|illegal| illegal.to_string())?;
        self.sum.add(text);
        self.facts.push(fact);
        Ok(())
    }
}
