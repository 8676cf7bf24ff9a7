//! Images, videos, audio and files: through every container, and once in the store.

use crate::support::{mark, of};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_core::media::{MEDIA_INLINE_BYTES_MAX, Media, MediaKind, MediaSource};
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    AnyStore, Error, ErrorId, ErrorKind, EventKind, HumanReview, Memory, RunStatus, StepContext,
    StepError, StepInput, StepOutput,
};
use stepwright_engine::{
    Condition, Export, Loop, Map, MediaInput, Parallel, Parts, Router, Runs, Step, Steps,
};

/// A file that is too large for a fact.
fn scan() -> Media {
    let bytes: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    Media::bytes(MediaKind::File, bytes).with_name("scan.bin").with_mime("application/x-scan")
}

/// Adds up the bytes of all media that a step sees.
async fn weigh(input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
    let mut bytes = 0;
    for medium in input.media() {
        bytes += cx.media_bytes(&medium).await?.len();
    }
    Ok(format!("{bytes}").into())
}

/// Makes a media item of one more byte than the input.
async fn enlarge(input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
    let media = input.media();
    let mut bytes = cx.media_bytes(&media[0]).await?.to_vec();
    bytes.push(7);
    Ok(StepOutput::from("enlarged").medium(Media::bytes(MediaKind::File, bytes)))
}

/// Returns the number of bytes of facts as JSON.
async fn written(store: &Memory, run: &str) -> usize {
    let facts = store.load(&run.parse().unwrap(), 0, 1_000).await.unwrap();
    facts.iter().map(|fact| serde_json::to_string(&fact.kind).unwrap().len()).sum()
}

#[tokio::test]
async fn media_go_through_every_container_and_no_fact_has_their_bytes() {
    let inner = of(Step::new("inner", weigh)).build().unwrap();
    let branch = |name: &str| Step::new(name, weigh);
    let store = Memory::default();
    let workflow = of(Step::new("first", weigh))
        .step(Steps::new("steps").step(branch("in steps")))
        .step(Parallel::new("parallel").branch(branch("left")).branch(branch("right")))
        .step(Loop::new("loop").at_most(1).step(branch("in loop")))
        .step(Condition::new("condition", |_: &StepInput| true).then(branch("then")))
        .step(Router::new("router", |_: &StepInput| "a").choice(branch("a")))
        .step(Map::new("map").over(|_: &StepInput| vec!["x", "y"]).step(branch("in map")))
        .step(Step::workflow("nested", inner))
        .step(Step::new("enlarge", enlarge))
        .step(Step::new("last", weigh))
        .store(store.clone())
        .build()
        .unwrap();
    let run = workflow.run(Parts::default().text("in").media(scan())).run_id("r").await.unwrap();
    for step in [
        "first",
        "steps/in steps",
        "parallel/left",
        "loop#1/in loop",
        "condition/then",
        "router/a",
        "map#2/in map",
        "nested/inner",
    ] {
        assert_eq!(run.step_at(step).unwrap().content.text(), "100000", "{step}");
    }
    assert_eq!(run.content.text(), "200001");
    let bytes = written(&store, "r").await;
    assert!(bytes < 20_000, "{bytes} bytes of facts");
    // The output has the new one, by its hash, and this process still has the bytes.
    let [media] = &*run.media else { panic!("{:?}", run.media) };
    assert!(matches!(media.source, MediaSource::Stored(_)));
    assert_eq!(media.live().unwrap().len(), 100_001);
}

#[tokio::test]
async fn a_run_that_goes_on_elsewhere_reads_its_media_from_the_store() {
    let (store, seen) = (Memory::default(), Arc::new(AtomicUsize::new(0)));
    let build = || {
        let seen = seen.clone();
        let look = move |input: StepInput, cx: StepContext| {
            let seen = seen.clone();
            async move {
                let media = input.media();
                // A reference as a journal on a disk has it.
                let bare: Media =
                    serde_json::from_str(&serde_json::to_string(&media[0]).unwrap()).unwrap();
                assert!(bare.live().is_none());
                seen.store(cx.media_bytes(&bare).await?.len(), Ordering::Relaxed);
                Ok::<_, StepError>(bare.name.unwrap_or_default())
            }
        };
        let asked = HumanReview::new().requires_confirmation("Look?");
        let look = Step::new("look", look).human_review(asked);
        of(look).store(store.clone()).build().unwrap()
    };
    let paused = build().run(Parts::default().text("in").media(scan())).run_id("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert_eq!(seen.load(Ordering::Relaxed), 0);
    let id = paused.requirements[0].id.to_string();
    let answer = stepwright_core::Answer::Approve;
    let done = build().continue_run("r", [(id, answer)]).await.unwrap();
    assert_eq!((done.content.text().as_ref(), seen.load(Ordering::Relaxed)), ("scan.bin", 100_000));
}

#[tokio::test]
async fn without_a_store_media_are_the_same() {
    let workflow =
        of(Step::new("enlarge", enlarge)).step(Step::new("last", weigh)).build().unwrap();
    let run = workflow.run(Parts::default().text("in").media(scan())).await.unwrap();
    assert_eq!(run.content.text(), "200001");
    assert!(matches!(run.media[0].source, MediaSource::Stored(_)));
    let small = Media::bytes(MediaKind::File, vec![1; MEDIA_INLINE_BYTES_MAX]);
    let run = workflow.run(Parts::default().text("in").media(small)).await.unwrap();
    assert_eq!(run.content.text(), (2 * MEDIA_INLINE_BYTES_MAX + 1).to_string());
}

#[tokio::test]
async fn a_hash_alone_is_no_input() {
    let store = Memory::default();
    let workflow = of(mark("same")).store(store).build().unwrap();
    workflow.run(Parts::default().text("in").media(scan())).user_id("anna").await.unwrap();
    let mut kept = scan();
    kept.keep();
    let stolen: Media = serde_json::from_value(serde_json::to_value(&kept).unwrap()).unwrap();
    let error =
        workflow.run(Parts::default().text("in").media(stolen)).user_id("ben").await.unwrap_err();
    assert_eq!((error.kind(), error.id()), (ErrorKind::Usage, ErrorId::MEDIA_MISSING));
    assert!(error.to_string().starts_with("`scan.bin` of the input is only the hash"), "{error}");
}

#[tokio::test]
async fn media_belong_to_the_user_of_their_run() {
    let store = Memory::default();
    let workflow = of(mark("same")).store(store.clone()).build().unwrap();
    let run =
        workflow.run(Parts::default().text("in").media(scan())).user_id("anna").run_id("anna:r");
    run.await.unwrap();
    let (all, id) = (Runs::of(AnyStore::new(store)), "anna:r".parse().unwrap());
    let media = all.media(&id).await.unwrap();
    assert_eq!(all.media_bytes(&id, &media[0]).await.unwrap().len(), 100_000);
    let ben = all.clone().as_user("ben").unwrap();
    assert_eq!(ben.media(&id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ben.media_bytes(&id, &media[0]).await.unwrap_err().kind(), ErrorKind::NotFound);
    let other = Media::bytes(MediaKind::File, *b"another");
    let error = all.media_bytes(&id, &other).await.unwrap_err();
    assert_eq!(error.to_string(), "`file` of run `anna:r` is in none of its facts");
}

#[tokio::test]
async fn an_export_has_the_media_of_its_runs_once() {
    let store = Memory::default();
    let workflow = of(Step::new("enlarge", enlarge)).store(store.clone()).build().unwrap();
    workflow.run(Parts::default().text("in").media(scan())).run_id("r").await.unwrap();
    let (here, id) = (Runs::of(AnyStore::new(store)), "r".parse().unwrap());
    let mut lines = Vec::new();
    here.export(&Export::default(), |line| {
        let _: () = lines.push(line.to_owned());
        Ok(())
    })
    .await
    .unwrap();
    let parts = lines.iter().filter(|line| line.starts_with(r#"{"line":"media""#)).count();
    assert_eq!(parts, 2, "one part of each");

    let there = Runs::of(AnyStore::new(Memory::default()));
    there.import(&lines, true).await.unwrap();
    there.import(&lines, false).await.unwrap();
    let media = there.media(&id).await.unwrap();
    let sizes: Vec<_> = media.iter().map(|medium| medium.size().unwrap()).collect();
    assert_eq!(sizes, [100_000, 100_001]);
    assert_eq!(there.media_bytes(&id, &media[1]).await.unwrap().len(), 100_001);
    let again = there.import(&lines, false).await.unwrap();
    assert_eq!((again.runs, again.known), (0, 1));

    // Without its bytes, a fact is refused.
    let without: Vec<_> = lines.iter().filter(|line| !line.contains(r#""line":"media""#)).collect();
    let elsewhere = Runs::of(AnyStore::new(Memory::default()));
    let error = elsewhere.import(without, true).await.unwrap_err();
    assert!(error.to_string().contains("are missing before it"), "{error}");
}

#[tokio::test]
async fn a_fork_of_a_deleted_run_has_the_media_of_its_input() {
    let store = Memory::default();
    let workflow = of(Step::new("weigh", weigh)).store(store.clone()).build().unwrap();
    workflow.run(Parts::default().text("in").media(scan())).run_id("r").await.unwrap();
    let fork = workflow.fork("r").run_id("f").await.unwrap();
    assert_eq!(fork.content.text(), "100000");
    let runs = Runs::of(AnyStore::new(store.clone()));
    let delete = stepwright_core::store::DeleteRun::ended("r".parse().unwrap());
    store.delete_run(delete).await.unwrap().unwrap();
    let id = "f".parse().unwrap();
    let media = runs.media(&id).await.unwrap();
    assert_eq!(runs.media_bytes(&id, &media[0]).await.unwrap().len(), 100_000);
    let again = workflow.fork("f").run_id("f2").await.unwrap();
    assert_eq!(again.content.text(), "100000");
}

#[tokio::test]
async fn a_workflow_says_which_media_its_runs_take() -> Result<(), Error> {
    let workflow = of(mark("same"))
        .media(MediaInput::new("photo", MediaKind::Image).description("What is described."))
        .media(MediaInput::new("notes", MediaKind::File).optional().many())
        .build()?;
    let photo = || Media::bytes(MediaKind::Image, *b"x");
    let file = || Media::bytes(MediaKind::File, *b"x");
    let run = |media: Vec<Media>| {
        let parts = media.into_iter().fold(Parts::default().text("in"), Parts::media);
        let workflow = workflow.clone();
        async move { workflow.run(parts).await.map_err(|error| error.to_string()) }
    };
    assert!(run(vec![photo()]).await.is_ok());
    assert!(run(vec![file(), photo(), file()]).await.is_ok());
    for (media, why) in [
        (vec![], "the input has no image, and the workflow needs `photo`"),
        (vec![photo(), photo()], "the input has 2 of the kind image; the limit is 1"),
        (
            vec![photo(), Media::url(MediaKind::Audio, "https://example.org/a.mp3")],
            "the input has 1 of the kind audio; the limit is 0",
        ),
    ] {
        assert_eq!(run(media).await.unwrap_err(), why);
    }
    Ok(())
}

#[tokio::test]
async fn media_of_an_event_for_readers_are_a_hash() {
    let store = Memory::default();
    let workflow = of(Step::new("enlarge", enlarge)).store(store).build().unwrap();
    let run = workflow.run(Parts::default().text("in").media(scan())).stream_events(true);
    let (events, _) = crate::support::streamed(run).await;
    for event in events {
        let json = serde_json::to_string(&event).unwrap();
        assert!(json.len() < 2_000, "{json}");
        if let EventKind::StepCompleted { output } = &event.kind {
            assert!(json.contains(r#""bytes":100001"#), "{json}");
            assert_eq!(output.media[0].live().unwrap().len(), 100_001);
        }
    }
}
