//! A run to which everything happens that can.

use super::plans::{Log, Plans, said};
use super::store::Slow;
use super::{Outcome, Seen, Sim};
use futures_util::future::{BoxFuture, Either, join, select};
use futures_util::stream::StreamExt as _;
use futures_util::task::noop_waker_ref;
use std::future::IntoFuture as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::store::{Inbox as _, Leases as _, RunStore as _};
use stepwright_core::store::{Signal, WaitingFilter};
use stepwright_core::{
    Answer, Error, ErrorKind, Event, Requirement, RunOutput, RunStatus, StepPath, World,
};
use stepwright_engine::{Events, Workflow};
use stepwright_testing::grammar;

/// The most that may happen to a run until it has ended.
const HAPPENINGS_MAX: u32 = 2_000;

/// Longer than a driver may be silent.
const SILENCE: Duration = Duration::from_secs(11);

type Answers = Vec<(String, Answer)>;
type Drive = BoxFuture<'static, Result<RunOutput, Error>>;

/// A process that stands still, or whose machine is silent: no other can know that it is not alive.
struct Ghost {
    _workflow: Workflow,
    frozen: Option<Drive>,
    /// The number of facts when that happened.
    facts: usize,
}

/// A reader that follows the events slowly.
struct Reader {
    events: Pin<Box<Events>>,
    after: u64,
    got: Vec<Event>,
    over: bool,
}

impl Reader {
    /// Reads an event, if there is one.
    fn read(&mut self) {
        let mut cx = Context::from_waker(noop_waker_ref());
        if let Poll::Ready(event) = self.events.poll_next_unpin(&mut cx) {
            self.take(event.transpose().unwrap());
        }
    }

    fn take(&mut self, event: Option<Event>) {
        match event {
            Some(event) => self.got.push(event),
            None => self.over = true,
        }
    }
}

/// A future that is polled so many times, and then never again.
struct Mortal<'a> {
    work: &'a mut Drive,
    polls: u64,
}

impl Future for Mortal<'_> {
    type Output = Option<Result<RunOutput, Error>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        self.work.as_mut().poll(cx).map(Some)
    }
}

struct Chaos<'s> {
    sim: Sim,
    chance: World,
    /// The requests of the undisturbed run, in its order.
    asked: &'s [Requirement],
    ghosts: Vec<Ghost>,
    readers: Vec<Reader>,
    seen: &'s mut Seen,
}

pub(super) fn run(seed: u64, undisturbed: &[Event], seen: &mut Seen) -> Outcome {
    let asked = undisturbed.iter().filter_map(|fact| fact.kind.requirement());
    let asked: Vec<Requirement> = asked.cloned().collect();
    let chance = World::seeded(seed ^ 0xD157_02BE);
    let sim = Sim::new(seed);
    let (ghosts, readers) = (Vec::new(), Vec::new());
    let mut chaos = Chaos { sim, chance, asked: &asked, ghosts, readers, seen };
    chaos.begin();
    for _ in 0..HAPPENINGS_MAX {
        if chaos.sim.status().is_terminal() {
            return chaos.end();
        }
        chaos.something_happens();
    }
    panic!("it does not end");
}

/// Returns `true` if the caller was told that another process drives the run.
fn is_driven(answer: &Result<RunOutput, Error>) -> bool {
    answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Store)
}

/// Returns `true` if the caller was told that an answer comes too late.
fn is_late(answer: &Result<RunOutput, Error>) -> bool {
    let late = |error: &Error| {
        let text = error.to_string();
        error.kind() == ErrorKind::Usage
            && (text.contains("comes too late") || text.contains("has ended"))
    };
    answer.as_ref().is_err_and(late)
}

/// Returns `true` if the run was driven until it waited or ended.
fn is_rested(answer: &Result<RunOutput, Error>) -> bool {
    match answer {
        Ok(output) => output.is_paused() || output.is_terminal(),
        Err(error) => error.output().is_some_and(RunOutput::is_terminal),
    }
}

impl Chaos<'_> {
    fn below(&self, n: u64) -> u64 {
        self.chance.chance() % n
    }

    fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[usize::try_from(self.below(from.len() as u64)).unwrap()])
    }

    fn somebody(&self) -> Workflow {
        let (world, memory) = (self.sim.world(), self.sim.memory.clone());
        // Of its own chance: how long a store takes has nothing to do with what is done.
        let world = World::new(self.sim.clock.clone(), self.chance.chance() ^ world.now().0);
        self.sim.fresh(Slow { world: Some(world), ..Slow::quick(memory) })
    }

    fn passes(&self, time: Duration) {
        let world = self.sim.world();
        self.sim.clock.run(world.sleep(time));
    }

    /// Drives a run, and renews the heartbeat of its driver meanwhile.
    fn drive<F: Future>(&self, work: F) -> F::Output {
        let (world, memory) = (self.sim.world(), &self.sim.memory);
        let run = &self.sim.run;
        let beats = async {
            loop {
                world.sleep(Duration::from_secs(2)).await;
                let row = memory.run(run).await.unwrap();
                if let Some(driver) = row.and_then(|row| row.driver) {
                    memory.heartbeat(&driver, world.now()).await.unwrap();
                }
            }
        };
        let both = async {
            match select(pin!(work), pin!(beats)).await {
                Either::Left((done, _)) => done,
                Either::Right((never, _)) => never,
            }
        };
        self.sim.clock.run(both)
    }

    fn begin(&mut self) {
        loop {
            let workflow = self.somebody();
            let run = workflow.run("in").run_id(&self.sim.run).session_id("s");
            let work = Box::pin(run);
            self.until_killed(workflow, work, &[], is_rested);
            if self.sim.clock.run(self.sim.memory.run(&self.sim.run)).unwrap().is_some() {
                return;
            }
        }
    }

    /// Drives a run, whose process may die at any moment.
    fn until_killed(
        &mut self,
        workflow: Workflow,
        mut work: Drive,
        before: &[Event],
        as_expected: impl Fn(&Result<RunOutput, Error>) -> bool,
    ) {
        if self.one_in(2) {
            let answer = self.drive(work);
            self.sim.check_drive(before);
            assert!(as_expected(&answer), "{answer:?}");
            return;
        }
        let polls = 1 + self.below(12);
        let answer = self.drive(Mortal { work: &mut work, polls });
        self.sim.check_drive(before);
        if let Some(answer) = answer {
            assert!(as_expected(&answer), "{answer:?}");
            return;
        }
        self.seen.saw("killed");
        let facts = self.sim.journal().len();
        match self.below(3) {
            0 => {}
            1 => self.ghosts.push(Ghost { _workflow: workflow, frozen: None, facts }),
            _ => self.ghosts.push(Ghost { _workflow: workflow, frozen: Some(work), facts }),
        }
    }

    /// Returns `true` if the run has a driver on record that no longer drives it.
    fn is_haunted(&self) -> bool {
        let row = self.sim.clock.run(self.sim.memory.run(&self.sim.run)).unwrap().unwrap();
        row.driver.is_some() && !self.ghosts.is_empty()
    }

    /// Returns `true` if the request has an answer already, even if the run has not read it yet.
    fn is_answered(&self, facts: &[Event], id: &str) -> bool {
        let name = Signal::answer_id(id);
        let inbox = self.sim.clock.run(self.sim.memory.inbox(&self.sim.run)).unwrap();
        inbox.iter().any(|signal| signal.id == name)
            || facts.iter().filter_map(|f| f.kind.reply()).any(|r| *r.requirement_id == *id)
    }

    /// Returns the answers that can be given now.
    fn answers(&self, facts: &[Event]) -> Answers {
        let mut answers = self.sim.answers(facts);
        answers.retain(|(id, _)| !self.is_answered(facts, id));
        answers
    }

    fn submit(&self, id: &str, answer: &Answer) -> bool {
        let requirement_id = id.into();
        let reply = Reply { requirement_id, answer: answer.clone(), by: None, timed_out: false };
        let signal = Signal::answer(self.sim.run.clone(), reply, self.sim.world().now());
        self.sim.clock.run(self.sim.memory.submit(signal)).unwrap()
    }

    fn something_happens(&mut self) {
        let facts = self.sim.journal();
        if self.is_haunted() {
            self.haunted(&facts);
            return;
        }
        let answers = self.answers(&facts);
        let waits = self.sim.status() == RunStatus::Paused;
        self.check_found(&facts, waits);
        match self.below(16) {
            0..=1 => self.wake(&facts),
            2 => self.two_wake(&facts),
            3 | 8 if answers.len() > 1 => self.two_answer(&answers),
            3..=5 if !answers.is_empty() => self.answer(&facts, &answers),
            6 if !answers.is_empty() => {
                let (id, answer) = self.pick(&answers).unwrap();
                assert!(self.submit(id, answer), "`{id}` had an answer already");
                assert!(!self.submit(id, answer), "`{id}` is answered twice");
                self.seen.saw("answers without a listener");
            }
            7 if !answers.is_empty() => self.two_answer_the_same(&facts, &answers),
            9 => self.answers_early(&facts),
            10 => self.answers_late(&facts),
            11 => self.answers_wrongly(&facts),
            12 => self.passes(Duration::from_millis(self.below(100))),
            13 => self.thaw(),
            14 if self.readers.len() < 3 => {
                let after = self.below(facts.len() as u64 + 2);
                self.follow(&self.somebody(), after);
            }
            15 => self.readers.iter_mut().for_each(Reader::read),
            _ if answers.is_empty() && waits && !self.has_unheard(&facts) => {
                self.sim.sleep_until_due();
                self.wake(&facts);
            }
            _ if answers.is_empty() => self.wake(&facts),
            _ => {}
        }
    }

    fn has_unheard(&self, facts: &[Event]) -> bool {
        let open = Sim::open(facts);
        open.iter().any(|asked| self.is_answered(facts, &asked.id))
    }

    /// The search for runs that wait and can go on finds this one.
    fn check_found(&mut self, facts: &[Event], waits: bool) {
        if waits && self.has_unheard(facts) {
            let (id, now) = ("sim".parse().unwrap(), self.sim.world().now());
            let filter = WaitingFilter::new(id, now, 9);
            let found = self.sim.clock.run(self.sim.memory.waiting(filter)).unwrap();
            assert_eq!(found.runs.len(), 1, "a run that was answered is not found");
            self.seen.saw("lost wakes");
        }
    }

    /// A silent process holds the run. No other may drive it until that one was silent for long.
    fn haunted(&mut self, facts: &[Event]) {
        let workflow = self.somebody();
        let answers = self.answers(facts);
        if self.one_in(2) && !answers.is_empty() {
            // The caller that answers learns what comes of the answer, also then.
            let work: Drive = Box::pin(workflow.continue_run(&self.sim.run, answers));
            let answer = self.sim.clock.run(work);
            self.sim.check_drive(facts);
            assert!(is_rested(&answer), "{answer:?}");
            self.seen.saw("haunted answers");
            return;
        }
        let answer = self.drive(workflow.resume(&self.sim.run).into_future());
        self.sim.check_drive(facts);
        if !is_driven(&answer) {
            // It was dead, and this is known of it; or silent for long enough.
            assert!(is_rested(&answer), "{answer:?}");
            return;
        }
        assert_eq!(self.sim.journal(), facts, "a process wrote that does not drive the run");
        self.seen.saw("haunted");
        self.passes(SILENCE);
        let again = self.drive(workflow.resume(&self.sim.run).into_future());
        self.sim.check_drive(facts);
        assert!(is_rested(&again), "{again:?}");
    }

    /// A wake: it may be one too many.
    fn wake(&mut self, facts: &[Event]) {
        self.answer(facts, &Vec::new());
    }

    fn answer(&mut self, facts: &[Event], answers: &Answers) {
        let many = self.below(answers.len() as u64 + 1);
        let mut answers: Answers = answers.clone();
        while answers.len() as u64 > many.max(1) {
            answers.remove(usize::try_from(self.below(answers.len() as u64)).unwrap());
        }
        if self.one_in(2) {
            answers.reverse();
        }
        let workflow = self.somebody();
        let work: Drive = Box::pin(workflow.continue_run(&self.sim.run, answers));
        if self.one_in(3) {
            self.drive_with_a_slow_reader(&workflow, work, facts);
            return;
        }
        self.until_killed(workflow, work, facts, is_rested);
    }

    fn drive_with_a_slow_reader(&mut self, workflow: &Workflow, work: Drive, facts: &[Event]) {
        let after = if self.one_in(2) { 0 } else { self.below(facts.len() as u64) };
        self.follow(workflow, after);
        let mut reader = self.readers.pop().unwrap();
        let (world, rest) = (self.sim.world(), Duration::from_millis(self.below(40)));
        let answer = {
            let reads = async {
                while !reader.over {
                    world.sleep(rest).await;
                    let event = reader.events.next().await.transpose().unwrap();
                    reader.take(event);
                }
                std::future::pending().await
            };
            let both = async {
                match select(work, pin!(reads)).await {
                    Either::Left((done, _)) => done,
                    Either::Right((never, _)) => never,
                }
            };
            self.drive(both)
        };
        self.sim.check_drive(facts);
        assert!(is_rested(&answer), "{answer:?}");
        self.readers.push(reader);
        self.seen.saw("slow readers");
    }

    fn follow(&mut self, workflow: &Workflow, after: u64) {
        let events = self.sim.clock.run(workflow.events(&self.sim.run, after)).unwrap();
        let events = Box::pin(events);
        self.readers.push(Reader { events, after, got: Vec::new(), over: false });
    }

    /// Two want to drive the run at once: one of them does, and the other is told so.
    fn two_wake(&mut self, facts: &[Event]) {
        let (one, other) = (self.somebody(), self.somebody());
        let works = (one.resume(&self.sim.run), other.resume(&self.sim.run));
        let both = join(works.0.into_future(), works.1.into_future());
        let (one, other) = self.drive(both);
        self.sim.check_drive(facts);
        assert!(is_driven(&one) != is_driven(&other), "{one:?}\n{other:?}");
        assert!(is_rested(&one) || is_rested(&other), "{one:?}\n{other:?}");
        self.seen.saw("two at once");
    }

    /// Two give the same answer at once. It counts once: the other gets what comes of it, or is
    /// told that it comes too late.
    fn two_answer_the_same(&mut self, facts: &[Event], answers: &Answers) {
        let answer = self.pick(answers).unwrap().clone();
        let (one, other) = (self.somebody(), self.somebody());
        let works = (
            one.continue_run(&self.sim.run, [answer.clone()]),
            other.continue_run(&self.sim.run, [answer]),
        );
        let (one, other) = self.drive(join(works.0.into_future(), works.1.into_future()));
        self.sim.check_drive(facts);
        assert!(is_late(&one) || is_rested(&one), "{one:?}");
        assert!(is_late(&other) || is_rested(&other), "{other:?}");
        assert!(is_rested(&one) || is_rested(&other), "{one:?}\n{other:?}");
        self.seen.saw("two who answer the same");
    }

    /// Two answer different things at once: both are heard.
    fn two_answer(&mut self, answers: &Answers) {
        let (one, other) = (self.somebody(), self.somebody());
        let works = (
            one.continue_run(&self.sim.run, [answers[0].clone()]),
            other.continue_run(&self.sim.run, [answers[1].clone()]),
        );
        let later = Duration::from_millis(self.below(12));
        let world = self.sim.world();
        let other = async {
            world.sleep(later).await;
            works.1.await
        };
        let (one, other) = self.drive(join(works.0.into_future(), other));
        // Each may have driven the run for a while.
        *self.sim.log.lock().unwrap() = Log::default();
        assert!(is_rested(&one), "{one:?}");
        // The one answer may have ended the run, or left out the step that the other was for.
        let gone = other.as_ref().is_err_and(|error| error.kind() == ErrorKind::Usage);
        assert!(is_rested(&other) || gone, "{other:?}");
        self.seen.saw("two who answer");
    }

    /// An answer comes before the run has asked.
    fn answers_early(&mut self, facts: &[Event]) {
        if Plans::races(self.sim.seed) {
            return;
        }
        let is_asked = |id: &str| {
            facts.iter().filter_map(|f| f.kind.requirement()).any(|asked| *asked.id == *id)
        };
        let later: Vec<&Requirement> =
            self.asked.iter().filter(|asked| !is_asked(&asked.id)).collect();
        let Some(asked) = self.pick(&later) else { return };
        if let Some(answer) = said(self.sim.seed, asked)
            && !self.is_answered(facts, &asked.id)
        {
            let workflow = self.somebody();
            let answers = [(asked.id.to_string(), answer.clone())];
            let refused = self.drive(workflow.continue_run(&self.sim.run, answers).into_future());
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Usage, "{}", refused.report());
            assert!(self.submit(&asked.id, &answer));
            self.seen.saw("early answers");
        }
    }

    /// Whatever was answered is not answered again.
    fn answers_late(&mut self, facts: &[Event]) {
        let replies: Vec<&Reply> = facts.iter().filter_map(|fact| fact.kind.reply()).collect();
        let Some(reply) = self.pick(&replies) else { return };
        assert!(!self.submit(&reply.requirement_id, &reply.answer), "it was answered");
        let workflow = self.somebody();
        let answers = [(reply.requirement_id.to_string(), Answer::Approve)];
        let late = self.drive(workflow.continue_run(&self.sim.run, answers).into_future());
        assert!(is_late(&late), "{late:?}");
        assert_eq!(self.sim.journal(), facts);
        self.seen.saw("late answers");
    }

    /// An answer that does not fit is refused, and has no effect.
    fn answers_wrongly(&mut self, facts: &[Event]) {
        let open = Sim::open(facts);
        let Some(asked) = self.pick(&open) else { return };
        let wrong =
            if asked.answers().contains(&"approve") { Answer::Retry } else { Answer::Approve };
        let workflow = self.somebody();
        let answers = [(asked.id.to_string(), wrong)];
        let refused = self.drive(workflow.continue_run(&self.sim.run, answers).into_future());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(self.sim.journal(), facts);
        self.seen.saw("wrong answers");
    }

    /// A process that stood still goes on, and does not know that others have taken its run.
    fn thaw(&mut self) {
        let Some(ghost) = self.ghosts.pop() else { return };
        let Some(work) = ghost.frozen else { return };
        let before = self.sim.journal();
        let answer = self.drive(work);
        let after = self.sim.journal();
        if after == before {
            let begun = std::mem::take(&mut self.sim.log.lock().unwrap().ran);
            // Of a step that it was about to begin it cannot know better.
            let under_way = |path: &StepPath| {
                let began = before[..ghost.facts].iter().filter(|f| f.name() == "StepStarted");
                began.map(|fact| &fact.path).any(|began| began == path)
            };
            for (path, _) in &begun {
                assert!(under_way(path), "`{path}` was begun by one who does not drive the run");
            }
            self.seen.saw("thawed");
        } else {
            // It has gone on with what it was about, and may then have taken the run up anew.
            assert_eq!(after[..before.len()], before, "the past is rewritten");
        }
        *self.sim.log.lock().unwrap() = Log::default();
        // Or another process began the run of that name.
        let second = answer.as_ref().is_err_and(|error| error.to_string().ends_with("already"));
        let known = is_rested(&answer) || is_driven(&answer) || is_late(&answer) || second;
        assert!(known, "{answer:?}");
    }

    fn end(mut self) -> Outcome {
        let facts = self.sim.journal();
        Sim::check_journal(&facts);
        while !self.ghosts.is_empty() {
            self.thaw();
        }
        self.answers_late(&facts);
        let workflow = self.somebody();
        self.follow(&workflow, 0);
        for reader in &mut self.readers {
            while !reader.over {
                let event = self.sim.clock.run(reader.events.next());
                reader.take(event.transpose().unwrap());
            }
            let got: Vec<_> = reader.got.iter().filter(|event| event.is_fact()).cloned().collect();
            let after = usize::try_from(reader.after).unwrap().min(facts.len());
            assert_eq!(got, facts[after..], "what was read after {after}");
            if reader.after == 0 {
                grammar::check(&reader.got);
            }
        }
        let again = self.drive(workflow.resume(&self.sim.run).into_future());
        assert!(is_rested(&again), "{again:?}");
        let all = self.sim.clock.run(self.sim.memory.load(&self.sim.run, 0, usize::MAX)).unwrap();
        assert_eq!(all, facts, "something happened after the end");
        assert!(self.sim.log.lock().unwrap().ran.is_empty());
        self.sim.outcome(&workflow)
    }
}
