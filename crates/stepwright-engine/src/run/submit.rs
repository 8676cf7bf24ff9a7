//! Answers that are given to a run: checked, and left in its inbox.

use super::Resume;
use crate::drive::{fold_all, load_all};
use std::sync::Arc;
use stepwright_core::event::{RefusedAnswer, Reply};
use stepwright_core::store::{Signal, Wish};
use stepwright_core::{Answer, AnyStore, Error, Requirement, RunId, Timestamp};

impl Resume {
    /// Leaves the answers in the inbox of the run.
    ///
    /// An answer that waits there already, because the process that left it died before the run
    /// took it, counts: the same answer is accepted again, and another one is refused.
    pub(super) async fn submit(&self, store: &AnyStore, run: &RunId) -> Result<Submitted, Error> {
        if self.answers.is_empty() {
            return Ok(Submitted::All { answered: Vec::new(), from: None, again: false });
        }
        let facts = load_all(store, run).await?;
        let fold = fold_all(run, &facts)?;
        if facts.is_empty() {
            return Err(self.workflow.not_found(&format!("run `{run}`")));
        }
        if fold.status().is_terminal() {
            let what = format!("run `{run}` has ended ({}), and waits for nothing", fold.status());
            return Err(Error::usage(what));
        }
        // An answer that is given counts: nothing is given to a run that cannot go on.
        self.workflow.check_plan(store, &facts, self.accept).await?;
        let mut wanted: Vec<(&Requirement, Answer)> = Vec::new();
        for (key, answer) in &self.answers {
            let asked = find(run, fold.requirements(), &facts, key)?;
            let answer = asked.filled_in(answer);
            asked.check(&answer).map_err(Error::usage)?;
            if wanted.iter().any(|(other, _)| other.id == asked.id) {
                return Err(Error::usage(format!("`{}` is answered twice", asked.id)));
            }
            wanted.push((asked, answer));
        }
        let now = self.workflow.world().now();
        let reply = |asked: &Requirement, answer: &Answer| Reply {
            requirement_id: asked.id.clone(),
            answer: answer.clone(),
            by: self.by.clone(),
            timed_out: false,
        };
        let inbox = store.inbox(run).await?;
        let mut late: Option<RefusedAnswer> = None;
        let mut given = Vec::new();
        let mut again = false;
        for (asked, answer) in &wanted {
            let waiting = waiting_answer(&inbox, &asked.id);
            let came = waiting.map_or(now, |(_, came)| came);
            if let Some(due) = fold.answer_due(&asked.id).filter(|due| came > *due) {
                let refused = RefusedAnswer { reply: reply(asked, answer), due, came: now };
                if waiting.is_none() {
                    // The driver records that it was refused.
                    let signal = Signal::answer(run.clone(), refused.reply.clone(), now);
                    store.submit(signal).await?;
                }
                late.get_or_insert(refused);
                continue;
            }
            match waiting {
                Some((reply, _)) if reply.answer == *answer => again = true,
                Some((reply, _)) => return Err(already(&asked.id, &reply.answer)),
                None => given.push((asked, answer)),
            }
        }
        if let Some(refused) = late {
            let hint = "no answer of this call counts: the run goes on as it does when nobody \
                        answers in time";
            return Ok(Submitted::Late(Error::usage(refused.to_string()).with_hint(hint)));
        }
        for (asked, answer) in given {
            let signal = Signal::answer(run.clone(), reply(asked, answer), now);
            if !store.submit(signal).await? {
                let inbox = store.inbox(run).await?;
                match waiting_answer(&inbox, &asked.id) {
                    Some((reply, _)) if reply.answer == *answer => again = true,
                    Some((reply, _)) => return Err(already(&asked.id, &reply.answer)),
                    None => return Err(late_for(&asked.id, "it has been answered")),
                }
            }
        }
        let answered = wanted.iter().map(|(asked, _)| asked.id.clone()).collect();
        Ok(Submitted::All { answered, from: Some(fold.next_sequence()), again })
    }
}

/// What became of the answers of a call.
pub(super) enum Submitted {
    All {
        /// The names of what they answer.
        answered: Vec<Arc<str>>,
        /// The number of the fact that will be the next, if there are answers.
        from: Option<u64>,
        /// `true` if one of them was there already: another process may drive the run for it.
        again: bool,
    },
    /// One came after its deadline, so that none was given.
    Late(Error),
}

/// The answer to this requirement that waits in an inbox, and when it came.
fn waiting_answer<'a>(inbox: &'a [Signal], id: &str) -> Option<(&'a Reply, Timestamp)> {
    inbox.iter().find_map(|signal| match &signal.wish {
        Wish::Answer(reply) if *reply.requirement_id == *id => Some((reply, signal.at)),
        _ => None,
    })
}

/// The requirement of this name, or the only one of the step at this path.
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
        // What the tool calls of a step wait for is waited for by the step.
        here = open.iter().filter(|asked| asked.path.step().as_str() == key).collect();
    }
    match here.as_slice() {
        [asked] => return Ok(asked),
        [] => {}
        several => {
            let names = several.iter().map(|asked| format!("`{}`", asked.id));
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!("`{key}` waits for several things: {names}"))
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
            Some(due) => format!("its deadline was {due}, and nobody answered in time"),
            None => "nobody answered in time".to_owned(),
        };
        return Err(late_for(id, &why));
    }
    let error = Error::usage(format!("run `{run}` does not wait for `{key}`"));
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
        .with_hint("`resume` takes the run up with that answer")
}

fn late_for(id: &str, why: &str) -> Error {
    Error::usage(format!("the answer to `{id}` comes too late: {why}"))
}
