//! Answers to runs: checked, and left in the inbox.

use super::Runs;
use super::snapshot::{Snapshot, answer_in};
use crate::gate::{SessionRules, rule_of};
use std::sync::Arc;
use stepwright_core::event::{RefusedAnswer, Reply};
use stepwright_core::store::{Signal, SignalKind};
use stepwright_core::{Answer, Error, ErrorId, Requirement, RunId};

impl Runs {
    /// Leaves answers in the inbox of a run. Each answer names a pending request by its id, or by
    /// the path of its step if that step has only one. The journal names `by` as the one who
    /// answered.
    ///
    /// All answers are checked before any takes effect. If the inbox has an answer already, the
    /// same answer is accepted again, and a different one is refused. The driver of the run takes
    /// the answers, or the next driver if the run has none. [`Runs`] has an example.
    ///
    /// # Errors
    /// The errors of [`Runs::row`]. [`ErrorKind::Usage`](stepwright_core::ErrorKind) if the run has
    /// ended, or if an answer does not fit its request, comes too late, comes twice or differs from
    /// an earlier one.
    pub async fn submit<R: AsRef<str>>(
        &self,
        run: &RunId,
        answers: impl IntoIterator<Item = (R, Answer)>,
        by: Option<&str>,
    ) -> Result<(), Error> {
        let answers = answers.into_iter().map(|(key, answer)| (key.as_ref().to_owned(), answer));
        let answers: Vec<_> = answers.collect();
        let snapshot = self.load_with_facts(run).await?;
        snapshot.check_open()?;
        match self.leave(&snapshot, &answers, by.map(Arc::from)).await? {
            Submitted::All { .. } => Ok(()),
            Submitted::Late(error) => Err(error),
        }
    }

    /// Leaves answers in the inbox of a run that was loaded with its facts.
    pub(crate) async fn leave(
        &self,
        snapshot: &Snapshot,
        answers: &[(String, Answer)],
        by: Option<Arc<str>>,
    ) -> Result<Submitted, Error> {
        let (run, fold, store) = (&snapshot.row().run_id, snapshot.fold(), &self.store);
        let mut wanted: Vec<(&Requirement, Answer)> = Vec::new();
        for (key, answer) in answers {
            let asked = find(run, fold.requirements(), snapshot.facts(), key)?;
            if matches!(answer, Answer::Event { .. }) {
                let error =
                    Error::usage(format!("`{}` cannot be answered with an event", asked.id));
                let hint = "send the event: `stepwright emit`, `POST /v1/events` or `Runs::emit`";
                return Err(error.with_id(ErrorId::ANSWER_UNFIT).with_hint(hint));
            }
            let answer = asked.filled_in(answer);
            asked.check(&answer).map_err(|why| Error::usage(why).with_id(ErrorId::ANSWER_UNFIT))?;
            if wanted.iter().any(|(other, _)| other.id == asked.id) {
                let error = Error::usage(format!("`{}` is answered twice", asked.id));
                return Err(error.with_id(ErrorId::ANSWERED_BEFORE));
            }
            wanted.push((asked, answer));
        }
        let now = self.world.now();
        let reply = |asked: &Requirement, answer: &Answer| Reply {
            requirement_id: asked.id.clone(),
            answer: answer.clone(),
            by: by.clone(),
            timed_out: false,
        };
        let mut late: Option<RefusedAnswer> = None;
        let mut given = Vec::new();
        let mut again = false;
        for (asked, answer) in &wanted {
            let waiting = snapshot.waiting_answer(&asked.id);
            let came = waiting.map_or(now, |signal| signal.at);
            if let Some(due) = fold.answer_due(&asked.id).filter(|due| came > *due) {
                let refused = RefusedAnswer { reply: reply(asked, answer), due, came: now };
                if waiting.is_none() {
                    // The driver records the refusal.
                    let signal = Signal::answer(run.clone(), refused.reply.clone(), now);
                    store.submit(signal).await?;
                }
                late.get_or_insert(refused);
                continue;
            }
            match waiting {
                Some(signal) => {
                    same(asked, answer, signal)?;
                    again = true;
                }
                None => given.push((asked, answer)),
            }
        }
        if let Some(refused) = late {
            let hint = "no answer of this call counts: the run goes on as it does without an \
                        answer in time";
            let late = Error::usage(refused.to_string()).with_id(ErrorId::ANSWER_TOO_LATE);
            return Ok(Submitted::Late(late.with_hint(hint)));
        }
        for (asked, answer) in given {
            let signal = Signal::answer(run.clone(), reply(asked, answer), now);
            if !store.submit(signal).await? {
                let inbox = store.inbox(run).await?;
                let waiting = answer_in(&inbox, &asked.id)
                    .ok_or_else(|| late_for(&asked.id, "it has been answered"))?;
                same(asked, answer, waiting)?;
                again = true;
            }
        }
        // Other runs of the session must not ask again before a driver takes the answer. If this
        // fails, the driver does it.
        let rules: Vec<_> =
            wanted.iter().filter_map(|(asked, answer)| rule_of(&asked.kind, answer)).collect();
        if !rules.is_empty() {
            let session = &snapshot.row().session_id;
            let _ = SessionRules { store, session }.add(&rules, now).await;
        }
        let answered = wanted.iter().map(|(asked, _)| asked.id.clone()).collect();
        Ok(Submitted::All { answered, from: Some(fold.next_sequence()), again })
    }
}

impl Snapshot {
    /// Checks that the run has not ended.
    ///
    /// # Errors
    /// If it has.
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        let status = self.status();
        if status.is_terminal() {
            let run = &self.row().run_id;
            let what = format!("run `{run}` has ended ({status}), and has no pending requests");
            return Err(Error::usage(what).with_id(ErrorId::RUN_ENDED));
        }
        Ok(())
    }
}

/// Checks that the answer in the inbox equals the given one.
fn same(asked: &Requirement, answer: &Answer, waiting: &Signal) -> Result<(), Error> {
    match &waiting.kind {
        SignalKind::Answer(reply) if reply.answer != *answer => {
            Err(already(&asked.id, &reply.answer))
        }
        _ => Ok(()),
    }
}

/// The result of leaving answers.
pub(crate) enum Submitted {
    All {
        /// The ids of the answered requests.
        answered: Vec<Arc<str>>,
        /// The sequence number of the next fact, if there are answers.
        from: Option<u64>,
        /// `true` if the inbox had one of the answers already: another process may drive the run
        /// for it.
        again: bool,
    },
    /// One answer came after its deadline, so none takes effect.
    Late(Error),
}

/// Returns the pending request with this id, or the only one of the step at this path or with this
/// name.
fn find<'a>(
    run: &RunId,
    open: &'a [Requirement],
    facts: &[stepwright_core::Event],
    key: &str,
) -> Result<&'a Requirement, Error> {
    if let Some(asked) = open.iter().find(|asked| *asked.id == *key) {
        return Ok(asked);
    }
    let mut here: Vec<&Requirement> =
        open.iter().filter(|asked| asked.path.as_str() == key).collect();
    if here.is_empty() {
        // A step waits for the requests of its tool calls.
        here = open.iter().filter(|asked| asked.path.step().as_str() == key).collect();
    }
    if here.is_empty() {
        here = open.iter().filter(|asked| asked.path.step().name() == key).collect();
    }
    if here.len() > 1 {
        // Deadlines, timers and events need no answer of a person.
        here.retain(|asked| asked.needs_person());
    }
    match here.as_slice() {
        [asked] => return Ok(asked),
        [] => {}
        several => {
            let names = several.iter().map(|asked| format!("`{}`", asked.id));
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!("`{key}` waits for several things: {names}"))
                .with_id(ErrorId::REQUEST_AMBIGUOUS)
                .with_hint("answer each by its name"));
        }
    }
    let reply = facts.iter().rev().find_map(|fact| {
        let reply = fact.kind.reply()?;
        let same = *reply.requirement_id == *key || fact.path.as_str() == key;
        same.then_some(reply)
    });
    if let Some(reply) = reply {
        let id = &reply.requirement_id;
        if !reply.timed_out {
            return Err(late_for(id, "it has been answered"));
        }
        let asked = facts.iter().find_map(|fact| {
            fact.kind.requirement().filter(|asked| asked.id == *id).and_then(|asked| asked.due)
        });
        let why = match asked {
            Some(due) => format!("its deadline was {due}, and no answer came in time"),
            None => "no answer came in time".to_owned(),
        };
        return Err(late_for(id, &why));
    }
    let error = Error::usage(format!("run `{run}` does not wait for `{key}`"))
        .with_id(ErrorId::REQUEST_UNKNOWN);
    Err(match open {
        [] => error.with_hint("it waits for nothing"),
        open => {
            let names: Vec<String> = open.iter().map(|asked| format!("`{}`", asked.id)).collect();
            error.with_hint(format!("it waits for {}", names.join(", ")))
        }
    })
}

fn already(id: &str, answer: &Answer) -> Error {
    Error::usage(format!("`{id}` is already answered: the answer `{answer}` waits for the run"))
        .with_id(ErrorId::ANSWERED_BEFORE)
        .with_hint("`resume` takes the run up with that answer")
}

fn late_for(id: &str, why: &str) -> Error {
    Error::usage(format!("the answer to `{id}` comes too late: {why}"))
        .with_id(ErrorId::ANSWER_TOO_LATE)
}
