//! The pending requests of a run, while it is driven.

use rustc_hash::FxHashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use stepwright_core::event::{Event, Reply};
use stepwright_core::{Requirement, StepPath, Timestamp};

/// The pending requests of a run, and a count of the work that goes on beside them.
///
/// If nothing but waiting goes on, the driver can leave the run: the requests are in the journal.
#[derive(Debug, Default)]
pub(crate) struct PendingRequests {
    /// The number of steps, decisions and appends at work.
    working: AtomicU32,
    /// `None` before the first request.
    table: Mutex<Option<Box<Table>>>,
}

#[derive(Debug, Default)]
struct Table {
    /// All requests of the run, also those from before it was resumed.
    asked: FxHashMap<Arc<str>, Arc<Requirement>>,
    replies: FxHashMap<Arc<str>, Arc<Reply>>,
    open: FxHashMap<Arc<str>, Open>,
    /// The number of replies whose waiters have not been polled yet.
    unread: usize,
    /// The steps that wait for a driver with their queue, in the order in which the walk met them.
    steps_elsewhere: Vec<(StepPath, Arc<str>)>,
    /// The steps and tool calls that have requests of their own or calls under way.
    inside: FxHashMap<StepPath, Inside>,
    poked: bool,
    driver: Option<Waker>,
}

/// The requests and calls of a step, or of a tool call, at work.
#[derive(Debug, Default)]
struct Inside {
    /// The number of its own requests.
    asks: u32,
    /// The number of its calls under way.
    calls: u32,
    /// The number of those calls that wait.
    waiting: u32,
    /// For a call under way: the step or the call that made it.
    caller: Option<StepPath>,
}

impl Inside {
    /// Returns `true` if nothing but waiting goes on in it. A step with a request or with calls
    /// under way is taken to do nothing else.
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

/// The reason why the driver must look at a waiting run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// None: there are no open requests.
    Away,
    /// The inbox has a new signal.
    Poked,
    /// All work under way waits.
    Idle,
    /// Some work waits and some goes on. The timestamp is the earliest deadline.
    Busy(Option<Timestamp>),
}

impl PendingRequests {
    /// Collects the requests and replies of a resumed run.
    pub(crate) fn of(past: &[Event]) -> Self {
        if past.is_empty() {
            return Self::default();
        }
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

    /// Counts as work until the returned value is dropped.
    pub(crate) fn work(&self) -> Working<'_> {
        self.working.fetch_add(1, Ordering::Relaxed);
        Working { requests: self, within: None }
    }

    /// Counts as work of the tool call at `call` until the returned value is dropped. Work at a
    /// path may wait there for replies; the call waits when all of its work does.
    pub(crate) fn work_within(&self, call: &StepPath, at: Option<StepPath>) -> Working<'_> {
        if let Some(at) = &at {
            self.call_begins(call, at);
        } else {
            let mut guard = self.table();
            self.change(guard.get_or_insert_default(), call, &|inside| inside.calls += 1);
        }
        Working { requests: self, within: Some(Box::new((call.clone(), at))) }
    }

    /// Returns the request with this id, also if it was made before the run was resumed.
    pub(crate) fn asked(&self, id: &str) -> Option<Arc<Requirement>> {
        self.table().as_ref()?.asked.get(id).cloned()
    }

    /// Returns the reply to a request.
    pub(crate) fn reply(&self, id: &str) -> Option<Arc<Reply>> {
        self.table().as_ref()?.replies.get(id).cloned()
    }

    /// Returns the waits for events, also those that are over.
    pub(crate) fn events(&self) -> Vec<Arc<Requirement>> {
        let table = self.table();
        let Some(table) = &*table else { return Vec::new() };
        table.asked.values().filter(|asked| asked.is_event()).cloned().collect()
    }

    /// Adds a request that has been recorded.
    pub(crate) fn note(&self, requirement: Requirement) {
        let mut table = self.table();
        let asked = &mut table.get_or_insert_default().asked;
        asked.insert(requirement.id.clone(), Arc::new(requirement));
    }

    /// Waits for the reply to a request. `inside` is the step or the call that makes the request,
    /// if it is at work. It is taken to do nothing else meanwhile.
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

    /// Waits for another driver to carry out the step at `path`, whose queue this driver does not
    /// serve. That never comes: the driver leaves the run when everything in it waits.
    pub(crate) async fn wait_for_queue(&self, path: &StepPath, queue: Arc<str>) {
        let _waits = WaitsElsewhere { requests: self, path };
        self.table().get_or_insert_default().steps_elsewhere.push((path.clone(), queue));
        std::future::pending::<()>().await;
    }

    /// Returns the queues that steps wait for, each once.
    pub(crate) fn queues(&self) -> Vec<Arc<str>> {
        let table = self.table();
        let mut queues: Vec<Arc<str>> = Vec::new();
        for (_, queue) in table.iter().flat_map(|table| &table.steps_elsewhere) {
            if !queues.contains(queue) {
                queues.push(queue.clone());
            }
        }
        queues
    }

    /// Returns `true` if a request waits for its reply.
    pub(crate) fn is_open(&self, id: &str) -> bool {
        let table = self.table();
        table.as_ref().and_then(|table| table.open.get(id)).is_some_and(|open| !open.replied)
    }

    /// Returns the number of requests with a waiter.
    pub(crate) fn count(&self) -> usize {
        self.table().as_ref().map_or(0, |table| table.open.len())
    }

    /// Returns the requests that wait for their replies.
    pub(crate) fn open(&self) -> Vec<Arc<Requirement>> {
        let table = self.table();
        let Some(table) = &*table else { return Vec::new() };
        let open = table.open.iter().filter(|(_, open)| !open.replied);
        open.filter_map(|(id, _)| table.asked.get(id).cloned()).collect()
    }

    /// Returns `true` if a step only waits.
    pub(crate) fn is_waiting(&self, step: &StepPath) -> bool {
        let table = self.table();
        table.as_ref().is_some_and(|table| table.inside.get(step).is_some_and(Inside::waits))
    }

    /// Notes that a tool call begins or goes on. Until its calls end, the step only waits for them.
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
        // Requests left from an earlier attempt were subtracted from the work already.
        if waits {
            self.working.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that a tool call is no longer at work.
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
        // Requests that remain in the call after its end count on their own again.
        if waited {
            self.working.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Changes the counts of a step or a call, and those of its caller if it begins or stops to
    /// wait.
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

    /// Passes a recorded reply to its waiter.
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

    /// Notes that the run's inbox has a new signal.
    pub(crate) fn poke(&self) {
        let mut guard = self.table();
        let table = guard.get_or_insert_default();
        table.poked = true;
        if let Some(driver) = table.driver.take() {
            driver.wake();
        }
    }

    /// Returns the reason why the driver must look at the run.
    pub(crate) fn look(&self, cx: &Context<'_>) -> Look {
        let mut guard = self.table();
        let Some(table) = guard.as_mut() else { return Look::Away };
        table.driver = Some(cx.waker().clone());
        if table.open.is_empty() && table.steps_elsewhere.is_empty() {
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

/// A step that waits for another driver, until it is dropped.
struct WaitsElsewhere<'w> {
    requests: &'w PendingRequests,
    path: &'w StepPath,
}

impl Drop for WaitsElsewhere<'_> {
    fn drop(&mut self) {
        if let Some(table) = self.requests.table().as_mut() {
            table.steps_elsewhere.retain(|(path, _)| path != self.path);
        }
    }
}

/// Work under way.
pub(crate) struct Working<'w> {
    requests: &'w PendingRequests,
    /// The tool call whose work it is, and the place where it may wait. Boxed, because most work is
    /// not inside of a call.
    within: Option<Box<(StepPath, Option<StepPath>)>>,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        match self.within.take().map(|within| *within) {
            None => {
                self.requests.working.fetch_sub(1, Ordering::Relaxed);
            }
            Some((call, Some(at))) => self.requests.call_ends(&call, &at),
            Some((call, None)) => {
                if let Some(table) = self.requests.table().as_mut() {
                    self.requests.change(table, &call, &|inside| inside.calls -= 1);
                }
            }
        }
    }
}

/// A request that waits for its reply.
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
