//! What a run waits for, while it is driven.

use rustc_hash::FxHashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use stepwright_core::event::{Event, Reply};
use stepwright_core::{Requirement, StepPath, Timestamp};

/// What a run waits for, and whether anything else goes on in it.
///
/// A run of which everything under way waits can be left: its journal has the questions.
#[derive(Debug, Default)]
pub(crate) struct PendingRequests {
    /// How many steps, decisions and appends are at work.
    working: AtomicU32,
    /// Nothing before the first question.
    table: Mutex<Option<Box<Table>>>,
}

#[derive(Debug, Default)]
struct Table {
    /// What has been asked, now or in an earlier life of the run.
    asked: FxHashMap<Arc<str>, Arc<Requirement>>,
    replies: FxHashMap<Arc<str>, Arc<Reply>>,
    open: FxHashMap<Arc<str>, Open>,
    /// How many replies are there that nobody has looked at yet.
    unread: usize,
    /// The steps, and tool calls, that ask from within or wait for calls.
    inside: FxHashMap<StepPath, Inside>,
    poked: bool,
    driver: Option<Waker>,
}

/// What a step, or a tool call, at work waits for.
#[derive(Debug, Default)]
struct Inside {
    /// The number of questions it asks itself.
    asks: u32,
    /// The number of calls it has under way.
    calls: u32,
    /// The number of these that wait.
    waiting: u32,
    /// The step, or the call, that makes this call, if it is one under way.
    caller: Option<StepPath>,
}

impl Inside {
    /// `true` if nothing goes on in it. It is taken to do nothing else while it asks, and while it
    /// has calls under way.
    fn waits(&self) -> bool {
        self.asks > 0 || (self.calls > 0 && self.waiting == self.calls)
    }

    fn is_idle(&self) -> bool {
        self.asks == 0 && self.calls == 0 && self.caller.is_none()
    }
}

#[derive(Debug)]
struct Open {
    waker: Option<Waker>,
    replied: bool,
}

/// What the driver has to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing: no question is open.
    Away,
    /// Somebody has left something in the inbox.
    Poked,
    /// Everything under way waits.
    Idle,
    /// Some wait and others work. The moment is the first of the deadlines.
    Busy(Option<Timestamp>),
}

impl PendingRequests {
    /// What was asked and answered in an earlier life of the run.
    pub(crate) fn of(past: &[Event]) -> Self {
        let mut table = Table::default();
        for event in past {
            if let Some(requirement) = event.kind.requirement() {
                table.asked.insert(requirement.id.clone(), Arc::new(requirement.clone()));
            }
            if let Some(reply) = event.kind.reply() {
                table.replies.insert(reply.requirement_id.clone(), Arc::new(reply.clone()));
            }
        }
        let table = (!table.asked.is_empty()).then(|| Box::new(table));
        Self { working: AtomicU32::new(0), table: table.into() }
    }

    fn table(&self) -> MutexGuard<'_, Option<Box<Table>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody works as long as what this gives is kept.
    pub(crate) fn work(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working(self)
    }

    /// What has been asked under this name, now or in an earlier life.
    pub(crate) fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.table().as_ref()?.asked.get(id).cloned()
    }

    /// How a question was answered.
    pub(crate) fn reply(&self, id: &str) -> Option<Arc<Reply>> {
        self.table().as_ref()?.replies.get(id).cloned()
    }

    /// A question has been recorded.
    pub(crate) fn note(&self, requirement: Requirement) {
        let mut table = self.table();
        let asked = &mut table.get_or_insert_default().asked;
        asked.insert(requirement.id.clone(), Arc::new(requirement));
    }

    /// Is ready when a question that was asked is answered. `inside` is the step that asks, if it
    /// is one at work: it is taken to do nothing else meanwhile.
    pub(crate) fn wait(&self, id: Arc<str>, inside: Option<StepPath>) -> Waiting<'_> {
        let mut guard = self.table();
        let table = guard.get_or_insert_default();
        table.open.insert(id.clone(), Open { waker: None, replied: false });
        if let Some(step) = &inside {
            self.change(table, step, &|inside| inside.asks += 1);
        }
        drop(guard);
        Waiting { requests: self, id, inside, over: false }
    }

    /// Whether a question is open.
    pub(crate) fn is_open(&self, id: &str) -> bool {
        let table = self.table();
        table.as_ref().and_then(|table| table.open.get(id)).is_some_and(|open| !open.replied)
    }

    /// How many questions are open.
    pub(crate) fn count(&self) -> usize {
        self.table().as_ref().map_or(0, |table| table.open.len())
    }

    /// The questions that are open.
    pub(crate) fn open(&self) -> Vec<Arc<Requirement>> {
        let table = self.table();
        let Some(table) = &*table else { return Vec::new() };
        let open = table.open.iter().filter(|(_, open)| !open.replied);
        open.filter_map(|(id, _)| table.asked.get(id).cloned()).collect()
    }

    /// Whether a step waits for an answer, and does nothing else.
    pub(crate) fn is_waiting(&self, step: &StepPath) -> bool {
        let table = self.table();
        table.as_ref().is_some_and(|table| table.inside.get(step).is_some_and(Inside::waits))
    }

    /// A tool call begins, or goes on. Its step does nothing but wait for its calls until they end.
    pub(crate) fn call_begins(&self, step: &StepPath, call: &StepPath) {
        let mut guard = self.table();
        let table = guard.get_or_insert_default();
        let inside = table.inside.entry(call.clone()).or_default();
        inside.caller = Some(step.clone());
        let waits = inside.waits();
        self.change(table, step, &|inside| {
            inside.calls += 1;
            inside.waiting += u32::from(waits);
        });
        // What was left over from an earlier attempt has counted for itself.
        if waits {
            self.working.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A tool call is not at work any more.
    pub(crate) fn call_ends(&self, step: &StepPath, call: &StepPath) {
        let mut guard = self.table();
        let Some(table) = guard.as_mut() else { return };
        let waited = table.inside.get_mut(call).is_some_and(|inside| {
            inside.caller = None;
            inside.waits()
        });
        if table.inside.get(call).is_some_and(Inside::is_idle) {
            table.inside.remove(call);
        }
        self.change(table, step, &|inside| {
            inside.calls -= 1;
            inside.waiting -= u32::from(waited);
        });
        // Whatever still asks in it, although it is over, counts for itself.
        if waited {
            self.working.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Changes what a step, or a call, waits for, and tells what is around it.
    fn change(&self, table: &mut Table, at: &StepPath, change: &dyn Fn(&mut Inside)) {
        let inside = table.inside.entry(at.clone()).or_default();
        let before = inside.waits();
        change(inside);
        let (after, caller) = (inside.waits(), inside.caller.clone());
        if inside.is_idle() {
            table.inside.remove(at);
        }
        match (before, after, caller) {
            (false, true, Some(caller)) => {
                self.change(table, &caller, &|around| around.waiting += 1);
            }
            (true, false, Some(caller)) => {
                self.change(table, &caller, &|around| around.waiting -= 1);
            }
            (false, true, None) => {
                self.working.fetch_sub(1, Ordering::Relaxed);
            }
            (true, false, None) => {
                self.working.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// A reply that has been recorded.
    pub(crate) fn deliver(&self, reply: Reply) {
        let mut guard = self.table();
        let table = guard.get_or_insert_default();
        let id = reply.requirement_id.clone();
        table.replies.insert(id.clone(), Arc::new(reply));
        if let Some(open) = table.open.get_mut(&id)
            && !open.replied
        {
            open.replied = true;
            table.unread += 1;
            if let Some(waker) = open.waker.take() {
                waker.wake();
            }
        }
    }

    /// Somebody has left something in the inbox of the run.
    pub(crate) fn poke(&self) {
        let mut guard = self.table();
        let table = guard.get_or_insert_default();
        table.poked = true;
        if let Some(driver) = table.driver.take() {
            driver.wake();
        }
    }

    /// What the driver has to look at.
    pub(crate) fn look(&self, cx: &Context<'_>) -> Look {
        let mut guard = self.table();
        let Some(table) = guard.as_mut() else { return Look::Away };
        table.driver = Some(cx.waker().clone());
        if table.open.is_empty() {
            return Look::Away;
        }
        if std::mem::take(&mut table.poked) {
            return Look::Poked;
        }
        if self.working.load(Ordering::Relaxed) == 0 && table.unread == 0 {
            return Look::Idle;
        }
        let open = table.open.keys().filter_map(|id| table.asked.get(id));
        Look::Busy(open.filter_map(|requirement| requirement.due).min())
    }
}

/// Somebody at work.
pub(crate) struct Working<'w>(&'w PendingRequests);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.working.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A question that waits for its answer.
pub(crate) struct Waiting<'w> {
    requests: &'w PendingRequests,
    id: Arc<str>,
    inside: Option<StepPath>,
    over: bool,
}

impl Waiting<'_> {
    fn leave(&mut self) -> Option<Arc<Reply>> {
        let mut guard = self.requests.table();
        let table = guard.as_mut()?;
        if std::mem::replace(&mut self.over, true) {
            return None;
        }
        if table.open.remove(&self.id).is_some_and(|open| open.replied) {
            table.unread -= 1;
        }
        if let Some(step) = &self.inside {
            self.requests.change(table, step, &|inside| inside.asks -= 1);
        }
        table.replies.get(&self.id).cloned()
    }
}

impl Future for Waiting<'_> {
    type Output = Arc<Reply>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Arc<Reply>> {
        {
            let mut guard = self.requests.table();
            let open = guard.as_mut().and_then(|table| table.open.get_mut(&self.id));
            if let Some(open) = open
                && !open.replied
            {
                open.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        match self.leave() {
            Some(reply) => Poll::Ready(reply),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
