//! Drives the runs that a dispatcher hands to this process, of one definition or of several.

use super::supervise::supervise;
use super::{HEARTBEAT, Runner, TakeUp};
use crate::held::{HandedOver, Held};
use futures_util::future::{Either, join_all, select, select_all};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{DEFAULT_QUEUE, Dispatcher, Drive, Driven, Served, Wake};
use stepwright_core::{BoxFuture, Error, ErrorId, ErrorKind};
use tokio_util::sync::CancellationToken;

/// Drives the background runs of these definitions until `stop` is cancelled.
///
/// # Errors
/// If a definition has a dispatcher and no store, if there are `queues` and a dispatcher has none,
/// or if a dispatcher fails.
pub(crate) async fn serve(
    runners: &[Arc<Runner>],
    queues: Option<&[Arc<str>]>,
    stop: CancellationToken,
) -> Result<(), Error> {
    if let Some(runner) =
        runners.iter().find(|runner| runner.is_dispatched() && runner.remembering().is_none())
    {
        return Err(storeless(runner));
    }
    let mut groups = Registry::by_dispatcher(runners);
    for (dispatcher, registry) in &mut groups {
        registry.served = registry.queues_of(&**dispatcher, queues)?;
    }
    let serving = groups.into_iter().map(|(dispatcher, registry)| {
        let limits = registry.runners[0].limits;
        let serving = dispatcher.serve(Arc::new(registry), limits, stop.clone());
        Box::pin(async move {
            serving.await.map_err(|error| {
                Error::new(ErrorKind::Store, "the dispatcher failed")
                    .with_id(ErrorId::DISPATCHER_FAILED)
                    .with_source(error)
            })
        })
    });
    let serving: Vec<_> = serving.collect();
    if serving.is_empty() {
        for runner in runners {
            runner.supervise();
        }
        stop.cancelled().await;
        return Ok(());
    }
    // One without a store has nothing to supervise. The others are supervised until every
    // dispatcher has left its runs.
    let supervised = runners.iter().filter(|runner| runner.remembering().is_some());
    let supervising = join_all(supervised.map(|runner| supervise(Arc::downgrade(runner))));
    let serving = async {
        let (mut served, _, others) = select_all(serving).await;
        // One of several dispatchers has failed, or all of them stop.
        stop.cancel();
        for other in others {
            served = served.and(other.await);
        }
        served
    };
    match select(pin!(serving), pin!(supervising)).await {
        Either::Left((served, _)) => served,
        Either::Right((_, serving)) => serving.await,
    }
}

fn storeless(runner: &Runner) -> Error {
    let name = &runner.definition.name;
    Error::usage(format!("workflow `{name}` has no store, so it has no runs to be served"))
        .with_id(ErrorId::STORE_MISSING)
        .with_hint("add one with `.store(…)`")
}

/// The definitions that a process drives for one dispatcher.
pub(super) struct Registry {
    runners: Vec<Arc<Runner>>,
    /// The queues whose steps it carries out. `None` for all.
    served: Option<Arc<[Arc<str>]>>,
}

impl Registry {
    pub(super) fn of(runner: &Arc<Runner>) -> Self {
        Self { runners: vec![runner.clone()], served: None }
    }

    /// Returns the queues that the worker serves: those that it was given, or the default queue if
    /// the dispatcher has queues.
    fn queues_of(
        &self,
        dispatcher: &dyn Dispatcher,
        given: Option<&[Arc<str>]>,
    ) -> Result<Option<Arc<[Arc<str>]>>, Error> {
        match (dispatcher.has_queues(), given) {
            (true, Some(queues)) if !queues.is_empty() => Ok(Some(queues.into())),
            (true, _) => Ok(Some([DEFAULT_QUEUE.into()].into())),
            (false, None) => Ok(None),
            (false, Some(_)) => {
                let name = &self.runners[0].definition.name;
                let what = format!("the dispatcher of workflow `{name}` has no queues");
                let hint = "leave out the queues of the worker, or use a dispatcher that has \
                            queues, such as that of PostgreSQL";
                Err(Error::usage(what).with_hint(hint))
            }
        }
    }

    fn by_dispatcher(runners: &[Arc<Runner>]) -> Vec<(Arc<dyn Dispatcher>, Self)> {
        let mut groups: Vec<(Arc<dyn Dispatcher>, Self)> = Vec::new();
        for runner in runners {
            let Some(dispatcher) = runner.given_dispatcher() else { continue };
            match groups.iter_mut().find(|(known, _)| Arc::ptr_eq(known, dispatcher)) {
                Some((_, group)) => group.runners.push(runner.clone()),
                None => groups.push((dispatcher.clone(), Self::of(runner))),
            }
        }
        groups
    }

    /// Returns the runner of a wake: of the same definition, or else of the same workflow, which
    /// tells how its definition has changed.
    fn of_wake(&self, wake: &Wake) -> Option<&Arc<Runner>> {
        let mut runners =
            self.runners.iter().filter(|runner| runner.definition.id == wake.workflow).peekable();
        let first = runners.peek().copied();
        runners.find(|runner| runner.definition.digest == wake.digest).or(first)
    }
}

impl Drive for Registry {
    fn serves(&self) -> Vec<Served> {
        let served = |runner: &Arc<Runner>| Served {
            workflow: runner.definition.id.clone(),
            digest: runner.definition.digest.clone(),
            queue: runner.definition.compiled.queue.clone().unwrap_or(DEFAULT_QUEUE.into()),
        };
        self.runners.iter().map(served).collect()
    }

    fn queues(&self) -> Vec<Arc<str>> {
        self.served.as_deref().unwrap_or_default().to_vec()
    }

    fn drivers(&self) -> Vec<Arc<str>> {
        self.runners.iter().map(|runner| runner.driver_name().clone()).collect()
    }

    fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven> {
        Box::pin(async move {
            match self.of_wake(wake) {
                Some(runner) => runner.drive_for_dispatcher(wake, self.served.clone()).await,
                None => Driven::NotMine { why: format!("it has no workflow `{}`", wake.workflow) },
            }
        })
    }
}

impl Runner {
    async fn drive_for_dispatcher(
        self: &Arc<Self>,
        wake: &Wake,
        served: Option<Arc<[Arc<str>]>>,
    ) -> Driven {
        let run = &wake.run;
        // A run that waits here for its turn is driven as long as the shutdown is patient.
        if self.local().is_closed() && self.local().get(run.as_str()).is_none() {
            return Driven::NotMine { why: "this process is about to end".to_owned() };
        }
        let how = TakeUp { leaves: true, served, ..TakeUp::default() };
        let error = match self.drive(run, how).await {
            Ok(output) if output.is_paused() => {
                return match self.wakes_at(run, &output).await {
                    Some(until) => Driven::WaitsUntil(until),
                    None => Driven::WaitsForAnswer,
                };
            }
            Ok(_) => return Driven::Done,
            Err(error) => error,
        };
        if let Some(driven) = HandedOver::driven(&error) {
            return driven;
        }
        match error.kind() {
            _ if error.id() == ErrorId::RUN_DRIVEN_HERE => Driven::UnderWay,
            ErrorKind::Released => Driven::NotMine { why: "it was released".to_owned() },
            // To read it again would not change it.
            ErrorKind::Store
                if matches!(error.id(), ErrorId::JOURNAL_DAMAGED | ErrorId::ROW_DAMAGED) =>
            {
                self.supervision.here().refuse(run, &error);
                Driven::Done
            }
            ErrorKind::Store => {
                let later = HEARTBEAT + Duration::from_millis(1);
                Driven::Retry { after: Held::retry_after(&error).unwrap_or(later) }
            }
            _ if error.output().is_none() => {
                self.supervision.here().refuse(run, &error);
                let is_other = error.id() == ErrorId::DEFINITION_CHANGED
                    || error.id() == ErrorId::EXECUTED_STEP_GONE;
                if is_other { Driven::NotMine { why: error.to_string() } } else { Driven::Done }
            }
            _ => Driven::Done,
        }
    }
}
