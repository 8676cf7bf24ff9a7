//! Messages to agents: they wait for them, and a run that ended leaves them to the next one.

use super::{Outcome, START, TestRun, cases, completed, same, samples, started, wants};
use futures_util::future::try_join_all;
use stepwright_core::sent::{SendMode, SentMessage};
use stepwright_core::store::{Signal, WaitingFilter};
use stepwright_core::{EventKind, Store, StoreError, Timestamp};

cases![
    a_message_comes_back_as_it_was_sent,
    a_message_wakes_no_run_that_waits,
    a_message_that_was_recorded_is_done,
    what_a_run_ended_without_is_left_to_the_next_one,
    of_many_that_take_a_message_one_gets_it,
];

fn message(id: &str) -> SentMessage {
    SentMessage {
        id: id.into(),
        text: samples::TEXT.into(),
        mode: SendMode::FollowUp,
        to: Some("ä/b#2".into()),
        by: Some("änne".into()),
    }
}

fn signal(run: &TestRun<'_>, id: &str) -> Signal {
    Signal::message(run.run.clone(), message(id), Timestamp(START + 5))
}

fn received(id: &str) -> EventKind {
    EventKind::MessageReceived { message: Box::new(message(id)) }
}

async fn a_message_comes_back_as_it_was_sent(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    wants!(
        "a message to no run",
        store.submit(signal(&run, "m-1")).await,
        Err(StoreError::NotFound(_))
    );
    run.begin().await?;
    wants!("the first", store.submit(signal(&run, "m-2")).await?, true);
    wants!("another", store.submit(signal(&run, "m-1")).await?, true);
    wants!("the first again", store.submit(signal(&run, "m-2")).await?, false);
    let wanted = vec![signal(&run, "m-2"), signal(&run, "m-1")];
    same("the inbox, in the order of arrival", store.inbox(&run.run).await?, wanted)
}

async fn a_message_wakes_no_run_that_waits(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.append(vec![EventKind::WorkflowPaused { until: None }]).await?;
    store.submit(signal(&run, "m-1")).await?;
    let filter = WaitingFilter::new(run.start.workflow_id.clone(), Timestamp(START + 9), 9);
    let waiting = store.waiting(filter.clone()).await?;
    same("runs that need a driver", waiting.runs, Vec::new())?;
    store.submit(Signal::cancel(run.run.clone(), "no", Timestamp(START + 6))).await?;
    let waiting = store.waiting(filter).await?;
    same("those with another signal besides", waiting.runs.len(), 1)
}

async fn a_message_that_was_recorded_is_done(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    let mut append = run.append_at(0, vec![run.start_kind(), started(1)]);
    append.driver = Some("d".into());
    store.append(append).await?;
    run.next = 2;
    for id in ["m-1", "m-2", "m-3"] {
        store.submit(signal(&run, id)).await?;
    }
    let open = async || -> Result<Vec<String>, super::Nonconformance> {
        let heard = store.heartbeat("d", Timestamp(START + 7)).await?;
        Ok(heard.signals.into_iter().map(|signal| signal.id.to_string()).collect())
    };
    same(
        "before",
        open().await?,
        ["message:m-1", "message:m-2", "message:m-3"].map(String::from).to_vec(),
    )?;
    let of_decider = EventKind::DeciderRecorded { fact: Box::new(received("m-3")) };
    run.append(vec![received("m-1"), of_decider]).await?;
    same("afterwards", open().await?, vec!["message:m-2".to_owned()])?;
    wants!("one that is done", store.forward(&run.run, "message:m-1", None).await?, false);
    wants!("one that waits", store.forward(&run.run, "message:m-2", None).await?, true);
    wants!("one that was taken", store.forward(&run.run, "message:m-2", None).await?, false);
    same("in the end", open().await?, Vec::new())
}

async fn what_a_run_ended_without_is_left_to_the_next_one(store: &dyn Store) -> Outcome {
    let (mut first, mut next) = (TestRun::new(store, "r-1", "s"), TestRun::new(store, "r-2", "s"));
    let mut other = TestRun::new(store, "r-3", "t");
    for run in [&mut first, &mut next, &mut other] {
        run.begin().await?;
        store.submit(signal(run, "m-1")).await?;
    }
    store.submit(signal(&first, "m-2")).await?;
    store.submit(Signal::cancel(first.run.clone(), "no", Timestamp(START + 6))).await?;
    let session = &first.start.session_id.clone();
    same("of runs under way", store.unread(session).await?, Vec::new())?;
    first.append(vec![started(1), received("m-1")]).await?;
    let step = EventKind::StepCancelled { partial: "".into() };
    first.append(vec![step, completed("done")]).await?;
    other.append(vec![completed("done")]).await?;
    let left = store.unread(session).await?;
    same("of a run that has ended", left, vec![signal(&first, "m-2")])?;
    store.submit(signal(&first, "m-3")).await?;
    same("sent afterwards", store.unread(session).await?.len(), 2)?;
    let nowhere = "none".parse().expect("a valid id");
    wants!(
        "to no run",
        store.forward(&first.run, "message:m-2", Some(&nowhere)).await,
        Err(StoreError::NotFound(_))
    );
    wants!("taken", store.forward(&first.run, "message:m-2", Some(&next.run)).await?, true);
    same("afterwards", store.unread(session).await?, vec![signal(&first, "m-3")])?;
    let taken = signal(&first, "m-2").forwarded_to(next.run.clone());
    same("the inbox", store.inbox(&next.run).await?, vec![signal(&next, "m-1"), taken])
}

async fn of_many_that_take_a_message_one_gets_it(store: &dyn Store) -> Outcome {
    let mut first = TestRun::new(store, "r-1", "s");
    first.begin().await?;
    store.submit(signal(&first, "m-1")).await?;
    first.append(vec![completed("done")]).await?;
    let mut next = Vec::new();
    for nth in 0..8 {
        let mut run = TestRun::new(store, &format!("n-{nth}"), "s");
        run.begin().await?;
        next.push(run.run);
    }
    let takes = next.iter().map(|run| store.forward(&first.run, "message:m-1", Some(run)));
    let taken = try_join_all(takes).await?;
    same("runs that took it", taken.iter().filter(|taken| **taken).count(), 1)?;
    let mut inboxes = 0;
    for run in &next {
        inboxes += store.inbox(run).await?.len();
    }
    same("the messages in their inboxes", inboxes, 1)
}
