//! The things that last longer than a process: a store, a clock, and a driver.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park_timeout};
use std::time::Duration;
use stepwright_core::fold::Fold;
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Answer, Error, Event, Memory, Requirement, RunId, RunOutput, World};
use stepwright_engine::{Run, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;
use tokio::runtime::Runtime;

/// A process and its surroundings. Time passes when all tasks wait.
pub(super) struct Scene {
    pub(super) clock: VirtualClock,
    pub(super) memory: Memory,
    /// Functions that block have threads of it. Its tasks are not driven: none goes on by itself.
    runtime: Option<Runtime>,
}

struct Flag {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

impl Scene {
    pub(super) fn new(kind: &str) -> Self {
        let threads = kind == "blocking function";
        let runtime =
            threads.then(|| tokio::runtime::Builder::new_current_thread().build().unwrap());
        Self { clock: VirtualClock::default(), memory: Memory::default(), runtime }
    }

    pub(super) fn world(&self) -> World {
        World::new(self.clock.clone(), 7)
    }

    pub(super) fn build(&self, workflow: WorkflowBuilder) -> Result<Workflow, Error> {
        workflow.store(self.memory.clone()).world(self.world()).build()
    }

    /// Drives `work` to its end on this thread. Time passes when it waits, and no other thread has
    /// had anything to say for a while.
    pub(super) fn run<F: Future>(&self, work: F) -> F::Output {
        let Some(runtime) = &self.runtime else { return self.clock.run(work) };
        let _runtime = runtime.enter();
        let flag = Arc::new(Flag { woken: true.into(), thread: current() });
        let waker = Waker::from(flag.clone());
        let mut cx = Context::from_waker(&waker);
        let mut work = std::pin::pin!(work);
        let mut rested = 0;
        loop {
            if flag.woken.swap(false, Ordering::AcqRel) {
                rested = 0;
                if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
                    return done;
                }
                continue;
            }
            if rested > 0 && self.clock.advance() {
                continue;
            }
            rested += 1;
            assert!(rested < 6_000, "the work waits for something that will never come");
            park_timeout(Duration::from_millis(10));
        }
    }

    /// The name of a run that is begun.
    pub(super) fn begin(workflow: &Workflow, run: &str) -> Run {
        workflow.run("in").run_id(run).session_id("s")
    }

    pub(super) fn journal(&self, run: &str) -> Vec<Event> {
        let run: RunId = run.parse().unwrap();
        self.run(self.memory.load(&run, 0, usize::MAX)).unwrap()
    }

    /// Another process, much later, that finds these facts and knows nothing else.
    pub(super) fn after(kind: &str, facts: &[Event]) -> Self {
        let scene = Self::new(kind);
        let (run, facts) = (facts[0].run.clone(), facts.to_vec());
        scene.run(scene.memory.append(Append { run, facts, close: None, driver: None })).unwrap();
        scene
    }

    /// Answers whatever a run asks until it has ended.
    pub(super) fn to_the_end(
        &self,
        workflow: &Workflow,
        mut answer: Result<RunOutput, Error>,
        mut say: impl FnMut(&Requirement) -> Answer,
    ) -> Result<RunOutput, Error> {
        for _ in 0..100 {
            match answer {
                Ok(output) if output.is_paused() => {
                    let open = output.requirements.iter();
                    let answers: Vec<_> = open.map(|r| (r.id.to_string(), say(r))).collect();
                    assert!(!answers.is_empty(), "it waits for nothing");
                    answer = self.run(workflow.continue_run(&output.run_id, answers).into_future());
                }
                ended => {
                    if let Ok(output) = &ended {
                        grammar::check(&self.journal(output.run_id.as_str()));
                    }
                    return ended;
                }
            }
        }
        panic!("it asks without an end");
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Functions that block are let go by their test, and not waited for.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Returns the requests that a run waits for after these facts.
pub(super) fn open(facts: &[Event]) -> Vec<Requirement> {
    let mut fold = Fold::default();
    for fact in facts {
        fold.apply(fact).unwrap();
    }
    fold.requirements().to_vec()
}
