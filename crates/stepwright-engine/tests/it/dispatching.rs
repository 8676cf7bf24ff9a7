//! The answers to a dispatcher that hands over a run.

use crate::support::mark;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits};
use stepwright_core::store::{Claim, Claimed, Leases as _};
use stepwright_core::{BoxFuture, Memory, RunId, RunStatus, Timestamp};
use stepwright_engine::{Workflow, real_world};
use tokio_util::sync::CancellationToken;

/// Hands over each run once, and notes the answer.
#[derive(Default)]
struct Once {
    runs: Mutex<Vec<RunId>>,
    answers: Mutex<Vec<Driven>>,
}

impl Dispatcher for Once {
    fn wake<'a>(
        &'a self,
        run: &'a RunId,
        _: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), DispatchError>> {
        self.runs.lock().unwrap().push(run.clone());
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        _: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let run = self.runs.lock().unwrap()[0].clone();
            let answer = drive.drive(&run).await;
            self.answers.lock().unwrap().push(answer);
            Ok(())
        })
    }
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
