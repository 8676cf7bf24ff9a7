//! The bytes of media, which a store keeps once for each hash. A store may leave them in facts.

use super::deleting::is_lacking;
use super::forks::{append, forked};
use super::{Outcome, TestRun, cases, completed, same, started, wants};
use std::sync::Arc;
use stepwright_core::media::{Media, MediaKind, MediaSource, StoredMedia};
use stepwright_core::store::DeleteRun;
use stepwright_core::{EventKind, RunId, StepOutput, Store};

cases![
    media_are_kept_by_their_hash_as_long_as_a_run_refers_to_them,
    a_fork_keeps_the_media_of_the_facts_that_it_shares,
    media_that_are_nowhere_are_refused,
    media_of_the_last_fact_are_kept_too,
    small_media_stand_in_their_facts,
];

/// Bytes that are different in each of the parts that a store may write them in.
fn bytes(seed: u64, count: usize) -> Arc<[u8]> {
    let mut state = seed | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..count).map(next).collect()
}

/// A media item as a fact has it.
fn kept(bytes: &Arc<[u8]>) -> (Media, StoredMedia) {
    let mut media = Media::bytes(MediaKind::Image, bytes.clone()).with_name("a.png");
    media.keep();
    let stored = media.stored().expect("it is large").clone();
    (media, stored)
}

fn output(media: &Media) -> EventKind {
    EventKind::StepCompleted { output: StepOutput::from("out").medium(media.clone()).into() }
}

/// Begins a run whose input has a media item.
fn with_input<'a>(store: &'a dyn Store, name: &str, media: &Media) -> TestRun<'a> {
    let mut run = TestRun::new(store, name, "s");
    let mut input = (*run.start.input).clone();
    input.media.push(media.clone());
    run.start.input = Arc::new(input);
    run
}

async fn media_are_kept_by_their_hash_as_long_as_a_run_refers_to_them(
    store: &dyn Store,
) -> Outcome {
    if !store.keeps_media() || is_lacking(store).await {
        return Ok(());
    }
    // More than one part, and not a multiple of its size.
    let all = bytes(7, 1_234_567);
    let (media, stored) = kept(&all);
    same("media before any run", store.media(&stored).await?, None)?;
    let mut first = with_input(store, "r1", &media);
    first.begin().await?;
    let mut second = TestRun::new(store, "r2", "s");
    second.begin().await?;
    second.append(vec![started(1)]).await?;
    // A reference without bytes is enough where the store has them.
    let written = serde_json::to_string(&media)?;
    wants!("the reference in a fact", written.len(), bytes if bytes < 300);
    let bare: Media = serde_json::from_str(&written)?;
    second.append(vec![output(&bare), output(&bare)]).await?;
    for run in [&first, &second] {
        let facts = run.journal().await?;
        let found = facts.iter().flat_map(|fact| fact.kind.stored_media()).next().cloned();
        same("the reference", found, Some(stored.clone()))?;
        store.verify(&run.run).await?;
    }
    wants!("the bytes", store.media(&stored).await?, Some(found) if found == all);

    first.close(Vec::new()).await?;
    second.append(vec![completed("done")]).await?;
    let delete = |run: &TestRun<'_>| store.delete_run(DeleteRun::ended(run.run.clone()));
    wants!("the first deletion", delete(&first).await?, Some(_));
    wants!("the bytes for the other run", store.media(&stored).await?, Some(found)
        if found == all);
    store.verify(&second.run).await?;
    wants!("the second deletion", delete(&second).await?, Some(_));
    drop((first, second, media));
    let alone: StoredMedia = serde_json::from_value(serde_json::to_value(&stored)?)?;
    drop((stored, bare, all));
    same("the bytes after both", store.media(&alone).await?, None)
}

async fn a_fork_keeps_the_media_of_the_facts_that_it_shares(store: &dyn Store) -> Outcome {
    if !store.keeps_media() || is_lacking(store).await {
        return Ok(());
    }
    let all = bytes(9, 100_000);
    let (media, stored) = kept(&all);
    let mut origin = with_input(store, "r", &media);
    origin.begin().await?;
    origin.append(vec![started(1)]).await?;
    store.append(append("f", 2, forked("r", 2, "s", None))).await?;
    origin.close(Vec::new()).await?;
    wants!(
        "the deletion of the origin",
        store.delete_run(DeleteRun::ended(origin.run.clone())).await?,
        Some(_)
    );
    let fork = RunId::new("f").expect("an identifier");
    wants!("the bytes for the fork", store.media(&stored).await?, Some(found) if found == all);
    store.verify(&fork).await?;
    let mut ended = append("f", 3, completed("done"));
    ended.close = None;
    store.append(ended).await?;
    wants!("the deletion of the fork", store.delete_run(DeleteRun::ended(fork)).await?, Some(_));
    drop((origin, media));
    let alone: StoredMedia = serde_json::from_value(serde_json::to_value(&stored)?)?;
    drop((stored, all));
    same("the bytes after both", store.media(&alone).await?, None)
}

async fn media_that_are_nowhere_are_refused(store: &dyn Store) -> Outcome {
    if !store.keeps_media() {
        return Ok(());
    }
    let (media, _) = kept(&bytes(11, 50_000));
    let bare: Media = serde_json::from_str(&serde_json::to_string(&media)?)?;
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    wants!("a fact with a hash alone", run.append(vec![output(&bare)]).await, Err(_));
    run.unchanged("facts after the refusal").await?;
    // With the bytes it is appended.
    run.append(vec![output(&media)]).await?;
    run.unchanged("facts with the bytes").await
}

async fn media_of_the_last_fact_are_kept_too(store: &dyn Store) -> Outcome {
    if !store.keeps_media() {
        return Ok(());
    }
    let all = bytes(13, 300_000);
    let (media, stored) = kept(&all);
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let mut end = run.append_at(run.next, vec![output(&media), completed("done")]);
    end.close = Some(stepwright_core::journal::SessionClose::default());
    store.append(end).await?;
    run.next += 2;
    run.unchanged("facts of the run").await?;
    wants!("the bytes", store.media(&stored).await?, Some(found) if found == all);
    same("the session", super::session(store, "s").await?.metrics.runs, 1)
}

async fn small_media_stand_in_their_facts(store: &dyn Store) -> Outcome {
    let mut media = Media::bytes(MediaKind::File, bytes(15, 1_000));
    media.keep();
    wants!("small media", &media.source, MediaSource::Bytes(_));
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.append(vec![output(&media)]).await?;
    same("the fact", run.journal().await?[1].kind.clone(), output(&media))
}
