//! Workers that share the runs of a database.

use crate::support::{answer, completed, facts, id, start};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stepwright_core::dispatch::{Cause, Dispatcher as _, Drive, Driven, Limits, Served, Wake};
use stepwright_core::store::{Claim, Claimed, Inbox as _, Leases as _, RunStore as _};
use stepwright_core::world::{Clock, World};
use stepwright_core::{BoxFuture, EventKind, Timestamp};
use stepwright_store::{Postgres, PostgresDispatcher};
use stepwright_testing::postgres::{self, Server};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The longest wait for anything. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(2);

/// The clock of the tests: that of the machine.
struct Machine;

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        Timestamp(since.as_millis().try_into().unwrap())
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// A worker that notes what it drives.
struct Noted {
    name: &'static str,
    digest: &'static str,
    /// The queues that it serves; all if there are none.
    queues: Vec<&'static str>,
    driven: Arc<Mutex<Vec<(String, &'static str)>>>,
    /// The answers by run. Others wait for a permit, and are done.
    answers: Mutex<BTreeMap<String, Vec<Driven>>>,
    may_end: Semaphore,
    changed: Notify,
}

impl Noted {
    fn new(name: &'static str, digest: &'static str) -> Self {
        let answers = Mutex::default();
        let (driven, may_end, changed) = (Arc::default(), Semaphore::new(0), Notify::new());
        Self { name, digest, queues: Vec::new(), driven, answers, may_end, changed }
    }

    fn serving(self, queues: &[&'static str]) -> Self {
        Self { queues: queues.to_vec(), ..self }
    }

    /// Answers with these, one after the other, when the run is driven.
    fn answers(self, run: &str, answers: impl IntoIterator<Item = Driven>) -> Self {
        let mut all: Vec<Driven> = answers.into_iter().collect();
        all.reverse();
        self.answers.lock().unwrap().insert(run.to_owned(), all);
        self
    }

    /// Waits until so many drives have begun, and returns the runs in their order.
    async fn has_driven(&self, count: usize) -> Vec<String> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                let driven = self.driven.lock().unwrap().clone();
                if driven.len() >= count {
                    return driven.into_iter().map(|(run, _)| run).collect();
                }
                changed.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the runs were not driven")
    }
}

impl Drive for Noted {
    fn serves(&self) -> Vec<Served> {
        let (workflow, digest) = ("w".parse().unwrap(), self.digest.into());
        vec![Served { workflow, digest, queue: "default".into() }]
    }

    fn queues(&self) -> Vec<Arc<str>> {
        self.queues.iter().map(|queue| (*queue).into()).collect()
    }

    fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            let run = wake.run.to_string();
            let answer = self.answers.lock().unwrap().get_mut(&run).and_then(Vec::pop);
            self.driven.lock().unwrap().push((run, self.name));
            self.changed.notify_waiters();
            self.changed.notify_one();
            if let Some(answer) = answer {
                answer
            } else {
                self.may_end.acquire().await.unwrap().forget();
                Driven::Done
            }
        })
    }
}

/// A database with a queue.
struct Queue {
    server: &'static Server,
    database: String,
    store: Postgres,
    dispatcher: Arc<PostgresDispatcher>,
}

/// A worker that serves.
struct Serving {
    drive: Arc<Noted>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Queue {
    async fn open() -> Option<Self> {
        let server = postgres::server()?;
        let address = server.database();
        let store = Postgres::connect(&address).await.unwrap();
        let dispatcher = PostgresDispatcher::open(&store, World::new(Machine, 7)).await.unwrap();
        let database = address.rsplit('/').next().unwrap().to_owned();
        Some(Self { server, database, store, dispatcher: Arc::new(dispatcher) })
    }

    /// A worker, on connections of its own.
    async fn worker(&self, drive: Noted, concurrent_runs: usize) -> Serving {
        let address = self.server.address(&self.database);
        let store = Postgres::connect(&address).await.unwrap();
        let queue =
            PostgresDispatcher::open(&store, World::new(Machine, 7 + drive.name.len() as u64));
        let queue = Arc::new(queue.await.unwrap());
        let (drive, stop) = (Arc::new(drive), CancellationToken::new());
        let serving = queue.serve(drive.clone(), Limits { concurrent_runs }, stop.clone());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Serving { drive, stop, task }
    }

    /// Appends the first fact of a background run, and tells no one.
    async fn begin(&self, run: &str) {
        self.store.append(facts(run, 0, vec![begun(true)])).await.unwrap();
    }

    /// Appends the first fact of a background run of a user.
    async fn begin_as(&self, user: &str, run: &str) {
        let EventKind::WorkflowStarted(mut started) = begun(true) else { unreachable!() };
        let mine = Arc::make_mut(&mut started);
        mine.user_id = Some(user.parse().unwrap());
        // A session has one owner.
        mine.session_id = format!("of-{user}").parse().unwrap();
        let kind = EventKind::WorkflowStarted(started);
        self.store.append(facts(run, 0, vec![kind])).await.unwrap();
    }

    /// Ends the runs of these numbers that a worker drives one at a time. Returns the runs that it
    /// has driven, in their order.
    async fn order(&self, drive: &Noted, numbers: Range<usize>) -> Vec<String> {
        for nth in numbers.clone() {
            let driven = drive.has_driven(nth + 1).await;
            self.end(&driven[nth]).await;
            drive.may_end.add_permits(1);
        }
        drive.has_driven(numbers.end).await[..numbers.end].to_vec()
    }

    async fn end(&self, run: &str) {
        self.store.append(facts(run, 1, vec![completed("done")])).await.unwrap();
    }

    fn sql(&self, statement: &str) -> String {
        self.server.sql(&self.database, statement).trim().to_owned()
    }

    /// The queued runs and the workers that have them.
    fn queued(&self) -> String {
        self.sql(
            "SELECT run_id || CASE WHEN worker IS NULL THEN '' ELSE ' taken' END \
             FROM stepwright.queue JOIN stepwright.runs ON id = run ORDER BY id",
        )
    }

    async fn waits_until_queued(&self, wanted: &str) {
        let until = Instant::now() + PATIENCE;
        while self.queued() != wanted {
            assert!(Instant::now() < until, "`{}` is queued, and not `{wanted}`", self.queued());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Serving {
    /// Stops it. Runs that it has taken meanwhile may end.
    async fn stop(self) {
        self.stop.cancel();
        self.drive.may_end.add_permits(1_000);
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").unwrap();
    }
}

fn begun(background: bool) -> EventKind {
    let EventKind::WorkflowStarted(mut started) = start() else { unreachable!() };
    Arc::make_mut(&mut started).background = background;
    EventKind::WorkflowStarted(started)
}

fn wake(run: &str, cause: Cause) -> Wake {
    Wake { workflow: "w".parse().unwrap(), run: id(run), digest: "d1".into(), at: None, cause }
}

#[tokio::test]
async fn a_run_is_queued_by_the_append_of_its_first_fact() {
    let Some(queue) = Queue::open().await else { return };
    queue.begin("r-1").await;
    // No process has told the dispatcher, and none need.
    assert_eq!(queue.queued(), "r-1");
    let worker = queue.worker(Noted::new("a", "d1"), 4).await;
    assert_eq!(worker.drive.has_driven(1).await, ["r-1"]);
    // The worker hears of a run that begins meanwhile.
    queue.begin("r-2").await;
    assert_eq!(worker.drive.has_driven(2).await, ["r-1", "r-2"]);
    queue.end("r-1").await;
    queue.end("r-2").await;
    worker.drive.may_end.add_permits(2);
    queue.waits_until_queued("").await;
    worker.stop().await;
    assert_eq!(queue.sql("SELECT count(*) FROM stepwright.workers"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_has_one_worker_however_many_there_are() {
    let Some(queue) = Queue::open().await else { return };
    for nth in 0..60 {
        queue.begin(&format!("r-{nth}")).await;
    }
    let driven: Arc<Mutex<Vec<(String, &'static str)>>> = Arc::default();
    let mut workers = Vec::new();
    for name in ["a", "bb", "ccc"] {
        let noted = Noted { driven: driven.clone(), ..Noted::new(name, "d1") };
        workers.push(queue.worker(noted, 20).await);
    }
    let until = Instant::now() + PATIENCE;
    while driven.lock().unwrap().len() < 60 {
        assert!(Instant::now() < until, "{driven:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut runs: Vec<String> = driven.lock().unwrap().iter().map(|(run, _)| run.clone()).collect();
    runs.sort_unstable();
    runs.dedup();
    assert_eq!(runs.len(), 60, "{driven:?}");
    // Each is full, so that all three work.
    let of = |name| driven.lock().unwrap().iter().filter(|(_, by)| *by == name).count();
    assert_eq!([of("a"), of("bb"), of("ccc")], [20; 3]);
    for nth in 0..60 {
        queue.end(&format!("r-{nth}")).await;
    }
    for worker in workers {
        worker.drive.may_end.add_permits(60);
        worker.stop().await;
    }
    assert_eq!(queue.queued(), "");
    assert_eq!(driven.lock().unwrap().len(), 60);
}

#[tokio::test]
async fn the_runs_of_a_worker_that_is_silent_go_to_another() {
    let Some(queue) = Queue::open().await else { return };
    queue.begin("r-1").await;
    let silent = queue.worker(Noted::new("a", "d1"), 4).await;
    silent.drive.has_driven(1).await;
    // A driver of it holds the run, and is not seen again.
    let (driver, now) = (Arc::<str>::from("elsewhere"), World::new(Machine, 1).wall());
    queue.store.heartbeat(&driver, now).await.unwrap();
    let claim = Claim { run: id("r-1"), driver, dead: None, stale: Timestamp(0) };
    assert_eq!(queue.store.claim(claim).await.unwrap(), Claimed::Yes);
    let other = queue.worker(Noted::new("bb", "d1"), 4).await;
    // It has to be heard for a lease before it judges others.
    let steady =
        "SELECT count(*) FROM stepwright.workers WHERE steady_since < now() - interval '4 s'";
    while queue.sql(steady) != "2" {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(other.drive.driven.lock().unwrap().len(), 0);
    silent.task.abort();
    let _ = silent.task.await;
    assert_eq!(other.drive.has_driven(1).await, ["r-1"]);
    // The fencing number keeps what the first says from counting.
    queue.end("r-1").await;
    silent.drive.may_end.add_permits(1);
    assert_eq!(queue.queued(), "r-1 taken");
    other.drive.may_end.add_permits(1);
    queue.waits_until_queued("").await;
    other.stop().await;
}

#[tokio::test]
async fn a_run_that_waits_is_driven_when_its_time_or_its_answer_comes() {
    let Some(queue) = Queue::open().await else { return };
    for run in ["timer", "answered", "retried"] {
        queue.begin(run).await;
    }
    let due = World::new(Machine, 1).now().plus(Duration::from_millis(300));
    let retry = Driven::Retry { after: Duration::from_millis(200) };
    let noted = Noted::new("a", "d1")
        .answers("timer", [Driven::WaitsUntil(due)])
        .answers("answered", [Driven::WaitsForAnswer])
        .answers("retried", [retry]);
    // As a run that waits for a person.
    queue.sql("UPDATE stepwright.runs SET status = 'PAUSED' WHERE run_id = 'answered'");
    let worker = queue.worker(noted, 8).await;
    let mut first = worker.drive.has_driven(5).await;
    first.sort_unstable();
    assert_eq!(first, ["answered", "retried", "retried", "timer", "timer"]);
    assert!(World::new(Machine, 1).now() >= due);
    queue.waits_until_queued("timer taken\nretried taken").await;
    assert!(queue.store.submit(answer("answered", "step!confirm")).await.unwrap());
    assert_eq!(worker.drive.has_driven(6).await[5], "answered");
    worker.drive.may_end.add_permits(3);
    worker.stop().await;
}

#[tokio::test]
async fn an_answer_that_comes_while_the_run_is_driven_is_not_forgotten() {
    let Some(queue) = Queue::open().await else { return };
    queue.begin("r-1").await;
    queue.sql("UPDATE stepwright.runs SET status = 'PAUSED'");
    let worker = queue.worker(Noted::new("a", "d1"), 1).await;
    worker.drive.has_driven(1).await;
    // Its driver has looked into the inbox before.
    assert!(queue.store.submit(answer("r-1", "step!confirm")).await.unwrap());
    worker.drive.may_end.add_permits(1);
    worker.drive.has_driven(2).await;
    worker.drive.may_end.add_permits(1);
    queue.waits_until_queued("").await;
    worker.stop().await;
}

#[tokio::test]
async fn runs_of_a_higher_priority_are_driven_first() {
    let Some(queue) = Queue::open().await else { return };
    for run in ["low", "high", "other"] {
        queue.begin(run).await;
    }
    let urgent = (*queue.dispatcher).clone().priority(5);
    urgent.wake(wake("high", Cause::Begun)).await.unwrap();
    let worker = queue.worker(Noted::new("a", "d1"), 1).await;
    assert_eq!(worker.drive.has_driven(1).await, ["high"]);
    worker.drive.may_end.add_permits(1);
    worker.stop().await;
}

#[tokio::test]
async fn a_run_goes_to_the_worker_with_its_definition_while_there_is_one() {
    let Some(queue) = Queue::open().await else { return };
    let newer = queue.worker(Noted::new("newer", "d2"), 4).await;
    let older = queue.worker(Noted::new("old", "d1"), 4).await;
    let both = "SELECT count(*) FROM stepwright.workers";
    while queue.sql(both) != "2" {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    queue.begin("r-1").await;
    assert_eq!(older.drive.has_driven(1).await, ["r-1"]);
    queue.end("r-1").await;
    older.drive.may_end.add_permits(1);
    queue.waits_until_queued("").await;
    older.stop().await;
    assert_eq!(newer.drive.driven.lock().unwrap().len(), 0);
    queue.begin("r-2").await;
    assert_eq!(newer.drive.has_driven(1).await, ["r-2"]);
    newer.drive.may_end.add_permits(1);
    newer.stop().await;
}

#[tokio::test]
async fn a_driver_that_is_no_worker_keeps_its_run() {
    let Some(queue) = Queue::open().await else { return };
    queue.begin("r-1").await;
    let (driver, now) = (Arc::<str>::from("a person's command"), World::new(Machine, 1).wall());
    queue.store.heartbeat(&driver, now).await.unwrap();
    let claim = Claim { run: id("r-1"), driver: driver.clone(), dead: None, stale: Timestamp(0) };
    assert_eq!(queue.store.claim(claim).await.unwrap(), Claimed::Yes);
    queue.begin("r-2").await;
    let worker = queue.worker(Noted::new("a", "d1"), 4).await;
    assert_eq!(worker.drive.has_driven(1).await, ["r-2"]);
    // Until it is silent for the time of its lease.
    queue.store.heartbeat(&driver, Timestamp(now.0 - 11_000)).await.unwrap();
    assert_eq!(worker.drive.has_driven(2).await[1], "r-1");
    worker.drive.may_end.add_permits(2);
    worker.stop().await;
}

#[tokio::test]
async fn a_run_that_is_deleted_leaves_the_queue() {
    let Some(queue) = Queue::open().await else { return };
    queue.begin("r-1").await;
    queue.end("r-1").await;
    // It has ended by the hand of another process, so that nothing is left to drive.
    assert_eq!(queue.queued(), "");
    queue.begin("r-2").await;
    queue.sql("DELETE FROM stepwright.runs WHERE run_id = 'r-2'");
    assert_eq!(queue.queued(), "");
}

#[tokio::test]
async fn runs_that_are_there_before_the_queue_are_queued_when_it_is_created() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let store = Postgres::connect(&address).await.unwrap();
    let database = address.rsplit('/').next().unwrap();
    for run in ["ready", "paused", "over", "in-a-terminal"] {
        let kind = begun(run != "in-a-terminal");
        store.append(facts(run, 0, vec![kind])).await.unwrap();
    }
    store.append(facts("over", 1, vec![completed("done")])).await.unwrap();
    server.sql(database, "UPDATE stepwright.runs SET status = 'PAUSED' WHERE run_id = 'paused'");
    // Several processes create it at once.
    let opening = (0..3).map(|_| PostgresDispatcher::open(&store, World::new(Machine, 7)));
    futures_util::future::try_join_all(opening).await.unwrap();
    let queued = "SELECT run_id FROM stepwright.queue JOIN stepwright.runs ON id = run";
    assert_eq!(server.sql(database, queued), "ready\n");
}

/// The places at which runs of a user come, among the first that were driven.
fn places(order: &[String], user: &str) -> Vec<usize> {
    order.iter().enumerate().filter(|(_, run)| run.starts_with(user)).map(|(at, _)| at).collect()
}

#[tokio::test]
async fn the_run_of_a_user_does_not_wait_for_the_hundreds_of_another() {
    let Some(queue) = Queue::open().await else { return };
    for nth in 0..200 {
        queue.begin_as("anna", &format!("anna-{nth}")).await;
    }
    queue.begin_as("ben", "ben-0").await;
    let worker = queue.worker(Noted::new("a", "d1").serving(&["default"]), 1).await;
    let order = queue.order(&worker.drive, 0..8).await;
    assert_eq!(places(&order, "ben"), [1], "{order:?}");
    // One who comes later waits for none of those either, and then they take turns.
    for nth in 0..3 {
        queue.begin_as("carl", &format!("carl-{nth}")).await;
    }
    let order = queue.order(&worker.drive, 8..20).await;
    let carl = places(&order, "carl");
    assert!(carl.len() == 3 && carl[0] <= 10 && carl[2] <= 15, "{order:?}");
    assert!(carl[1] - carl[0] >= 2 && carl[2] - carl[1] >= 2, "{order:?}");
    // The runs of a user keep their order.
    let anna: Vec<&String> = order.iter().filter(|run| run.starts_with("anna")).collect();
    let expected: Vec<String> = (0..anna.len()).map(|nth| format!("anna-{nth}")).collect();
    assert_eq!(anna, expected.iter().collect::<Vec<_>>());
    worker.task.abort();
}

#[tokio::test]
async fn priorities_come_before_the_turns_of_users() {
    let Some(queue) = Queue::open().await else { return };
    let urgent = (*queue.dispatcher).clone().priority(5);
    queue.begin_as("ben", "ben-0").await;
    for nth in 0..6 {
        let run = format!("anna-{nth}");
        queue.begin_as("anna", &run).await;
        urgent.wake(wake(&run, Cause::Begun)).await.unwrap();
    }
    let worker = queue.worker(Noted::new("a", "d1").serving(&["default"]), 1).await;
    let order = queue.order(&worker.drive, 0..7).await;
    assert_eq!(places(&order, "ben"), [6], "{order:?}");
    worker.stop().await;
}

#[tokio::test]
async fn runs_that_become_due_together_take_turns_too() {
    let Some(queue) = Queue::open().await else { return };
    for nth in 0..40 {
        queue.begin_as("anna", &format!("anna-{nth}")).await;
    }
    queue.begin_as("ben", "ben-0").await;
    queue.sql(
        "UPDATE stepwright.queue SET ready = false, \
         due = now() - interval '1 s' + run * interval '1 ms'",
    );
    let worker = queue.worker(Noted::new("a", "d1").serving(&["default"]), 1).await;
    let order = queue.order(&worker.drive, 0..5).await;
    assert_eq!(places(&order, "ben").len(), 1, "{order:?}");
    worker.task.abort();
}

#[tokio::test]
async fn a_backlog_in_one_queue_keeps_no_one_waiting_in_another() {
    let Some(queue) = Queue::open().await else { return };
    for nth in 0..50 {
        queue.begin_as("anna", &format!("anna-{nth}")).await;
    }
    queue.sql("UPDATE stepwright.queue SET takers = 'queue', pool = 'gpu'");
    for nth in 0..10 {
        queue.begin_as("ben", &format!("ben-{nth}")).await;
    }
    queue.begin_as("anna", "anna-here").await;
    let worker = queue.worker(Noted::new("a", "d1").serving(&["default"]), 1).await;
    let order = queue.order(&worker.drive, 0..11).await;
    assert_eq!(places(&order, "anna"), [1], "{order:?}");
    // It would take one of the next runs.
    worker.stop().await;
    // A worker of both queues looks into both.
    let both = queue.worker(Noted::new("bb", "d1").serving(&["gpu", "default"]), 1).await;
    for nth in 10..13 {
        queue.begin_as("ben", &format!("ben-{nth}")).await;
    }
    let order = queue.order(&both.drive, 0..7).await;
    assert!(!places(&order, "ben").is_empty(), "{order:?}");
    assert!(!places(&order, "anna").is_empty(), "{order:?}");
    both.task.abort();
}

/// The answer of a worker whose run waits for others.
fn waits_for(queues: &[&str], until: Option<Duration>) -> Driven {
    let queues = queues.iter().map(|queue| (*queue).into()).collect();
    let until = until.map(|until| World::new(Machine, 1).now().plus(until));
    Driven::WaitsForQueue { queues, until }
}

#[tokio::test]
async fn a_run_goes_to_a_worker_of_the_queue_that_it_waits_for() {
    let Some(queue) = Queue::open().await else { return };
    let handed = [waits_for(&["arm", "gpu"], None)];
    let here = Noted::new("a", "d1").serving(&["default"]).answers("r-1", handed);
    let here = queue.worker(here, 4).await;
    let gpu = queue.worker(Noted::new("gpu", "d1").serving(&["gpu"]), 4).await;
    queue.begin("r-1").await;
    assert_eq!(here.drive.has_driven(1).await, ["r-1"]);
    assert_eq!(gpu.drive.has_driven(1).await, ["r-1"]);
    queue.end("r-1").await;
    gpu.drive.may_end.add_permits(1);
    queue.waits_until_queued("").await;
    assert_eq!(here.drive.driven.lock().unwrap().len(), 1);
    here.stop().await;
    gpu.stop().await;
}

#[tokio::test]
async fn a_queue_without_a_worker_is_seen_and_a_moment_or_an_answer_goes_to_any() {
    let Some(queue) = Queue::open().await else { return };
    let soon = Duration::from_millis(300);
    let here = Noted::new("a", "d1")
        .serving(&["default"])
        .answers("later", [waits_for(&["gpu"], Some(soon))])
        .answers("answered", [waits_for(&["gpu"], None), waits_for(&["gpu"], None)]);
    let here = queue.worker(here, 4).await;
    queue.begin("later").await;
    queue.begin("answered").await;
    let driven = here.drive.has_driven(3).await;
    assert_eq!(driven[2], "later", "its deadline passes: {driven:?}");
    // The first worker has told the queue by now.
    queue.waits_until_queued("later taken\nanswered").await;
    let state = PostgresDispatcher::look(&queue.store).await.unwrap().unwrap();
    let waiting: Vec<_> = state.waiting.iter().map(|it| (it.queue.as_deref(), it.runs)).collect();
    assert_eq!(waiting, [(Some("gpu"), 1)]);
    assert_eq!(state.waiting[0].unserved, 1);
    let worker = &state.workers[0];
    let queues = worker.queues.iter().flatten().map(|queue| &**queue).collect::<Vec<_>>();
    assert_eq!((worker.is_alive, worker.runs, queues), (true, 1, vec!["default"]));
    // An answer is recorded wherever there is a worker.
    assert!(queue.store.submit(answer("answered", "step!confirm")).await.unwrap());
    assert_eq!(here.drive.has_driven(4).await[3], "answered");
    here.drive.may_end.add_permits(1);
    here.task.abort();
}

#[tokio::test]
async fn a_queue_of_the_first_version_gets_turns_and_pools() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let store = Postgres::connect(&address).await.unwrap();
    PostgresDispatcher::open(&store, World::new(Machine, 7)).await.unwrap();
    let database = address.rsplit('/').next().unwrap().to_owned();
    // As the first version made it.
    for change in [
        "ALTER TABLE stepwright.queue DROP COLUMN user_id, DROP COLUMN turn, \
         DROP COLUMN takers, DROP COLUMN pool, DROP COLUMN until",
        "ALTER TABLE stepwright.workers DROP COLUMN workflows, DROP COLUMN queues, \
         DROP COLUMN begins",
        "DROP FUNCTION stepwright.queue_turn",
        "ALTER TABLE stepwright.runs DISABLE TRIGGER USER",
    ] {
        server.sql(&database, change);
    }
    store.append(facts("r-1", 0, vec![begun(true)])).await.unwrap();
    let queued = "INSERT INTO stepwright.queue (run, workflow_id, digest, due, ready) \
                  SELECT id, workflow_id, digest, now(), true FROM stepwright.runs";
    server.sql(&database, queued);
    server.sql(&database, "ALTER TABLE stepwright.runs ENABLE TRIGGER USER");
    assert!(PostgresDispatcher::look(&store).await.unwrap().is_none());
    let opening = (0..3).map(|_| PostgresDispatcher::open(&store, World::new(Machine, 7)));
    let dispatcher = futures_util::future::try_join_all(opening).await.unwrap().remove(0);
    let queue = Queue { server, database, store, dispatcher: Arc::new(dispatcher) };
    queue.begin_as("ben", "r-2").await;
    let users = "SELECT count(*) FROM stepwright.queue WHERE user_id = 'ben'";
    assert_eq!(queue.sql(users), "1");
    let worker = queue.worker(Noted::new("a", "d1").serving(&["default"]), 4).await;
    assert_eq!(worker.drive.has_driven(2).await, ["r-1", "r-2"]);
    worker.drive.may_end.add_permits(2);
    worker.stop().await;
}
