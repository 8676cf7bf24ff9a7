//! The answers to a dispatcher that hands over a run.

use crate::support::{hangs, mark};
use futures_util::future::select;
use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::dispatch::{
    Cause, DispatchError, Dispatcher, Drive, Driven, Limits, Served, Wake,
};
use stepwright_core::store::{Claim, Claimed, Leases as _};
use stepwright_core::world::{VirtualClock, World};
use stepwright_core::{BoxFuture, ErrorId, HumanReview, Memory, RunId, RunStatus, Timestamp};
use stepwright_engine::{LocalDispatcher, Step, Worker, Workflow, real_world};
use tokio_util::sync::CancellationToken;

/// Hands over the first run, and notes the answer.
#[derive(Default)]
struct Once {
    wakes: Mutex<Vec<Wake>>,
    answers: Mutex<Vec<Driven>>,
    served: Mutex<Vec<Served>>,
    /// As [`Dispatcher::drives_one_at_a_time`].
    one_at_a_time: bool,
}

impl Dispatcher for Once {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        self.wakes.lock().unwrap().push(wake);
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        _: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            *self.served.lock().unwrap() = drive.serves();
            let wake = self.wakes.lock().unwrap()[0].clone();
            let answer = drive.drive(&wake).await;
            self.answers.lock().unwrap().push(answer);
            Ok(())
        })
    }

    fn drives_one_at_a_time(&self) -> bool {
        self.one_at_a_time
    }
}

fn build(name: &str, version: &str, store: &Memory, once: &Arc<Once>) -> Workflow {
    let step = Step::new("work", async |text: String| text).version(version);
    let builder = Workflow::builder(name).step(step).store(store.clone());
    builder.dispatcher(once.clone()).build().unwrap()
}

#[tokio::test]
async fn a_worker_drives_the_runs_of_several_workflows_and_versions_and_leaves_others_alone() {
    let (store, once) = (Memory::default(), Arc::new(Once::default()));
    let of = |name, version| build(name, version, &store, &once);
    let (blog, old, new) = (of("Blog", "1"), of("News", "1"), of("News", "2"));
    old.run("ants").run_id("r").background().await.unwrap();
    let wake = once.wakes.lock().unwrap()[0].clone();
    assert_eq!((wake.workflow.as_str(), wake.key().as_str()), ("news", "r:begun"));

    let serve = async |worker: Worker| {
        worker.serve(CancellationToken::new()).await.unwrap();
        once.answers.lock().unwrap().pop().unwrap()
    };
    let answer = serve(Worker::new().workflow(&blog)).await;
    assert!(matches!(&answer, Driven::NotMine { why } if why.contains("news")), "{answer:?}");
    let answer = serve(Worker::new().workflow(&blog).workflow(&new)).await;
    assert!(
        matches!(&answer, Driven::NotMine { why } if why.contains("has changed")),
        "{answer:?}"
    );
    let answer = serve(Worker::new().workflow(&new).workflow(&blog).workflow(&old)).await;
    assert_eq!(answer, Driven::Done);
    let served = once.served.lock().unwrap().clone();
    assert_eq!(served.len(), 3);
    assert_eq!(served[2].digest, wake.digest);
    assert_eq!(old.get_run("r").await.unwrap().status, RunStatus::Completed);
}

#[tokio::test]
async fn a_run_that_waits_says_for_how_long() {
    let (store, once) = (Memory::default(), Arc::new(Once::default()));
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let timed = asked.clone().timeout(Duration::from_hours(1));
    for (review, has_time) in [(asked, false), (timed, true)] {
        once.wakes.lock().unwrap().clear();
        let step = mark("a").human_review(review);
        let builder = Workflow::builder("w").step(step).store(store.clone());
        let workflow = builder.dispatcher(once.clone()).build().unwrap();
        workflow.run("-").background().await.unwrap();
        workflow.serve(CancellationToken::new()).await.unwrap();
        let answer = once.answers.lock().unwrap().pop().unwrap();
        match answer {
            Driven::WaitsForAnswer => assert!(!has_time),
            Driven::WaitsUntil(due) => assert!(has_time && due > real_world().now()),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn where_the_dispatcher_has_one_driver_at_a_time_no_lease_is_waited_for() {
    let once = Once { one_at_a_time: true, ..Once::default() };
    let (store, once) = (Memory::default(), Arc::new(once));
    let workflow = build("w", "1", &store, &once);
    workflow.run("-").run_id("r").background().await.unwrap();
    // Its driver, on another machine, was there just now.
    let (run, driver) = (RunId::new("r").unwrap(), Arc::<str>::from("elsewhere"));
    store.heartbeat(&driver, real_world().wall()).await.unwrap();
    let claim = Claim { run, driver, dead: None, stale: Timestamp(0) };
    assert_eq!(store.claim(claim).await.unwrap(), Claimed::Yes);
    workflow.serve(CancellationToken::new()).await.unwrap();
    assert_eq!(once.answers.lock().unwrap().pop(), Some(Driven::Done));
}

#[tokio::test]
async fn a_process_that_resumes_a_run_by_itself_leaves_it_to_the_worker_that_drives_it() {
    let once = Once { one_at_a_time: true, ..Once::default() };
    let (store, once) = (Memory::default(), Arc::new(once));
    let workflow = build("w", "1", &store, &once);
    workflow.run("-").run_id("r").background().await.unwrap();
    let (run, driver) = (RunId::new("r").unwrap(), Arc::<str>::from("elsewhere"));
    store.heartbeat(&driver, real_world().wall()).await.unwrap();
    let claim = Claim { run, driver, dead: None, stale: Timestamp(0) };
    assert_eq!(store.claim(claim).await.unwrap(), Claimed::Yes);
    let refused = workflow.resume("r").await.unwrap_err();
    assert_eq!(refused.id(), ErrorId::RUN_DRIVEN_ELSEWHERE, "{refused}");
}

#[tokio::test]
async fn a_run_that_is_released_is_for_another_worker() {
    let (store, once) = (Memory::default(), Arc::new(Once::default()));
    let builder = Workflow::builder("w").step(hangs("a")).store(store);
    let workflow = builder.dispatcher(once.clone()).build().unwrap();
    workflow.run("-").run_id("r").background().await.unwrap();
    let released = async {
        // Until it has been taken up, there is nothing to release.
        while !workflow.release_now("r") {
            tokio::task::yield_now().await;
        }
    };
    let (served, ()) = tokio::join!(workflow.serve(CancellationToken::new()), released);
    served.unwrap();
    let answer = once.answers.lock().unwrap().pop();
    assert!(matches!(&answer, Some(Driven::NotMine { .. })), "{answer:?}");
}

#[tokio::test]
async fn a_run_of_a_dead_driver_elsewhere_is_to_be_tried_again_when_its_lease_ends() {
    let (store, once) = (Memory::default(), Arc::new(Once::default()));
    let workflow = Workflow::builder("w").step(mark("a")).store(store.clone());
    let workflow = workflow.dispatcher(once.clone()).build().unwrap();
    workflow.run("-").run_id("r").background().await.unwrap();
    // A driver of another machine claims it, and dies four seconds later.
    let (run, driver) = (RunId::new("r").unwrap(), Arc::<str>::from("elsewhere"));
    let seen = Timestamp(real_world().wall().0 - 4_000);
    store.heartbeat(&driver, seen).await.unwrap();
    let claim = Claim { run, driver: driver.clone(), dead: None, stale: Timestamp(0) };
    assert_eq!(store.claim(claim).await.unwrap(), Claimed::Yes);

    workflow.serve(CancellationToken::new()).await.unwrap();
    let answer = once.answers.lock().unwrap().pop().unwrap();
    let Driven::Retry { after } = answer else { panic!("{answer:?}") };
    assert!(after > Duration::from_secs(4) && after <= Duration::from_millis(6_001), "{after:?}");

    store.heartbeat(&driver, Timestamp(seen.0 - 60_000)).await.unwrap();
    workflow.serve(CancellationToken::new()).await.unwrap();
    let answer = once.answers.lock().unwrap().pop().unwrap();
    assert!(matches!(answer, Driven::Done), "{answer:?}");
    assert_eq!(workflow.get_run("r").await.unwrap().status, RunStatus::Completed);
}

/// Drives the first run once, and then only notes what it is told.
#[derive(Default)]
struct Silent(Mutex<Vec<Wake>>);

impl Dispatcher for Silent {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        self.0.lock().unwrap().push(wake);
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let first = self.0.lock().unwrap().remove(0);
            assert!(matches!(drive.drive(&first).await, Driven::WaitsUntil(_)));
            stop.cancelled().await;
            Ok(())
        })
    }
}

#[test]
fn a_run_that_is_due_is_told_to_the_dispatcher_once_in_a_lease() {
    let clock = VirtualClock::default();
    let (world, silent) = (World::new(clock.clone(), 7), Arc::new(Silent::default()));
    let review = HumanReview::new().requires_confirmation("Go on?");
    let step = mark("a").human_review(review.timeout(Duration::from_secs(1)));
    let builder = Workflow::builder("w").step(step).store(Memory::default());
    let workflow = builder.world(world.clone()).dispatcher(silent.clone()).build().unwrap();
    clock.run(async {
        workflow.run("-").background().await.unwrap();
        let serving = pin!(workflow.serve(CancellationToken::new()));
        // The supervisor looks every second.
        select(serving, pin!(world.sleep(Duration::from_mins(1)))).await;
    });
    let wakes = silent.0.lock().unwrap();
    let keys: BTreeSet<String> = wakes.iter().map(Wake::key).collect();
    assert_eq!(keys.len(), wakes.len(), "told twice: {wakes:?}");
    assert!((5..=8).contains(&wakes.len()), "{wakes:?}");
}

/// Is woken again while it leaves its run for the first time. Its second drive panics, and the
/// third one ends the run.
struct Leaving {
    local: Arc<LocalDispatcher>,
    drives: Mutex<usize>,
    stop: CancellationToken,
}

impl Drive for Leaving {
    fn serves(&self) -> Vec<Served> {
        Vec::new()
    }

    fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            let nth = {
                let mut drives = self.drives.lock().unwrap();
                *drives += 1;
                *drives
            };
            match nth {
                1 => {
                    self.local.wake(wake.clone()).await.unwrap();
                    // The dispatcher takes the wake while this drive goes on.
                    tokio::task::yield_now().await;
                    Driven::WaitsForAnswer
                }
                2 => {
                    let (local, again) = (self.local.clone(), wake.clone());
                    tokio::spawn(async move { local.wake(again).await });
                    panic!("as a test wants");
                }
                _ => {
                    self.stop.cancel();
                    Driven::Done
                }
            }
        })
    }
}

#[tokio::test]
async fn a_wake_that_comes_while_a_driver_leaves_its_run_is_not_lost() {
    let (local, stop) = (Arc::new(LocalDispatcher::new(real_world())), CancellationToken::new());
    let drive = Leaving { local: local.clone(), drives: Mutex::default(), stop: stop.clone() };
    let drive = Arc::new(drive);
    let (workflow, run) = ("news".parse().unwrap(), "r-1".parse().unwrap());
    let wake = Wake { workflow, run, digest: "4be1".into(), at: None, cause: Cause::Begun };
    local.wake(wake).await.unwrap();
    let served = local.serve(drive.clone(), Limits::default(), stop);
    tokio::time::timeout(Duration::from_secs(30), served)
        .await
        .expect("it waits for ever")
        .unwrap();
    assert_eq!(*drive.drives.lock().unwrap(), 3);
}
