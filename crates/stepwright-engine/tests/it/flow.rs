//! The flow of data and state.

use crate::support::{fails, json, mark, of, part, streamed, text, transcript};
use std::sync::Arc;
use stepwright_core::plan::{Join, OnError};
use stepwright_core::{
    Content, ErrorCode, Media, MediaKind, Memory, Patch, RunOutput, RunStatus, StepInput,
    StepOutput, StepResult, StepStatus,
};
use stepwright_engine::{
    Condition, Json, Loop, LoopView, Map, Parallel, Parts, Router, Step, Steps, Workflow,
};
use tokio::sync::Notify;

#[tokio::test]
async fn parallel_gives_an_object_in_declaration_order_whatever_ends_first() {
    let both = || {
        // It ends when the other one has.
        let ended = Arc::new(Notify::new());
        let end = ended.clone();
        let slow = Step::new("slow", move |input: StepInput| {
            let ended = ended.clone();
            async move {
                ended.notified().await;
                Json(serde_json::json!({"n": input.text().len()}))
            }
        });
        let fast = Step::new("fast", move |input: StepInput| {
            end.notify_one();
            async move { input.text() + "fast" }
        });
        Parallel::new("both").branch(slow).branch(fast)
    };
    let seen =
        Step::new("seen", |input: StepInput| async move { input.message().text().into_owned() });
    let workflow = of(both()).step(seen).build().unwrap();
    let (_, streamed) = streamed(workflow.run("in")).await;
    for output in [workflow.run("in").await.unwrap(), streamed.unwrap()] {
        let parallel = output.step_at("both").unwrap();
        let names: Vec<_> = parallel.steps.iter().map(StepResult::name).collect();
        assert_eq!(names, ["slow", "fast"]);
        // An agent would read it under a heading each.
        assert_eq!(text(&output), "## slow\n\n{\n  \"n\": 2\n}\n\n## fast\n\ninfast");
    }
    let output = of(both()).build().unwrap().run("in").await.unwrap();
    assert_eq!(text(&output), r#"{"slow":{"n":2},"fast":"infast"}"#);
}

#[tokio::test]
async fn what_has_nothing_to_do_is_transparent() {
    use StepStatus::{Completed, Skipped};
    let workflow = Workflow::builder("w")
        .step(mark("a"))
        .step(Condition::constant("no", false).then(mark("x")))
        .step(Router::new("none", |_| None::<String>).choice(mark("x")))
        .step(fails("skipped").on_error(OnError::Skip))
        .step(Steps::new("all skipped").step(fails("f").on_error(OnError::Skip)))
        .step(mark("b"))
        .build()
        .unwrap();
    let output = workflow.run("in").await.unwrap();
    assert_eq!(text(&output), "inab");
    let told = |output: &RunOutput| {
        output.walk().map(|s| (s.path.to_string(), s.status)).collect::<Vec<_>>()
    };
    // A step that decides has done its work when it has decided. Neither arm nor choice has begun.
    let wanted = [
        ("a", Completed),
        ("no", Completed),
        ("none", Completed),
        ("skipped", Skipped),
        ("all skipped", Completed),
        ("all skipped/f", Skipped),
        ("b", Completed),
    ];
    assert_eq!(told(&output), wanted.map(|(path, status)| (path.to_owned(), status)));
    let (_, streamed) = streamed(workflow.run("in")).await;
    let streamed = streamed.unwrap();
    assert_eq!((&streamed.content, told(&streamed)), (&output.content, told(&output)));
    assert_eq!(output.step_at("skipped").unwrap().error.as_ref().unwrap().message, "kaput");
}

#[tokio::test]
async fn what_has_nothing_to_do_and_stands_last_keeps_what_came_before() {
    let last = [
        of(mark("a")).step(Condition::constant("no", false).then(mark("x"))),
        of(mark("a")).step(Router::new("none", |_| None::<String>).choice(mark("x"))),
        of(mark("a")).step(fails("f").on_error(OnError::Skip)),
    ];
    for workflow in last {
        let workflow = workflow.build().unwrap();
        let (_, streamed) = streamed(workflow.run("in")).await;
        for output in [workflow.run("in").await.unwrap(), streamed.unwrap()] {
            assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, "ina"));
        }
    }
}

#[tokio::test]
async fn earlier_outputs_are_found_by_name_and_by_address_but_not_those_of_siblings() {
    let look = |name: &str, wanted: &'static [&'static str]| {
        Step::new(name, move |input: StepInput| async move {
            let found = wanted.iter().map(|name| {
                let address = name.contains(['/', '#']);
                let found = if address { input.step_at(name) } else { input.step(name) };
                found.map(Content::text).unwrap_or_default().into_owned()
            });
            found.collect::<Vec<_>>().join("|")
        })
    };
    let turn = |v: &LoopView| v.iteration() == 2;
    let workflow = Workflow::builder("w")
        .step(mark("a"))
        .step(Parallel::new("p").branch(mark("x")).branch(look("y", &["x", "a"])))
        .step(Loop::new("l").step(mark("t")).forward().at_most(5).until(turn))
        .step(look("end", &["a", "x", "p/x", "t", "l#1/t", "missing"]))
        .build()
        .unwrap();
    let output = workflow.run("in").await.unwrap();
    assert_eq!(output.step_at("p/y").unwrap().content.text(), "|ina", "siblings are not seen");
    let p = r#"{"x":"inax","y":"|ina"}"#;
    assert_eq!(text(&output), format!("ina|inax|inax|{p}tt|{p}t|"));
}

#[tokio::test]
async fn of_namesakes_the_last_one_is_found_by_name_and_each_by_its_address() {
    let ask = |answer: &'static str| Step::new("ask", move |_: StepInput| async move { answer });
    let look = || {
        Step::new("look", |input: StepInput| async move {
            let by_name = input.step("ask").map(Content::text).unwrap_or_default().into_owned();
            let by_address = ["ask", "a/ask", "b/ask"].map(|path| {
                input.step_at(path).map(Content::text).unwrap_or_default().into_owned()
            });
            format!("{by_name}: {}", by_address.join(" "))
        })
    };
    let inside = of(Steps::new("a").step(ask("1"))).step(Steps::new("b").step(ask("2")));
    let output = inside.step(look()).build().unwrap().run("in").await.unwrap();
    assert_eq!(text(&output), "2:  1 2");
    // One at the same level counts before those inside of something.
    let beside = of(ask("0")).step(Steps::new("a").step(ask("1"))).step(look());
    let output = beside.build().unwrap().run("in").await.unwrap();
    assert_eq!(text(&output), "0: 0 1 ");
    let asked = output.walk().filter(|step| step.name() == "ask");
    assert_eq!(asked.map(|step| step.path.as_str()).collect::<Vec<_>>(), ["ask", "a/ask"]);
}

#[tokio::test]
async fn a_loop_begins_again_from_the_start_or_goes_on() {
    let again = |forward: bool| {
        let repeat = Loop::new("l").step(mark("x")).at_most(3);
        let repeat = if forward { repeat.forward() } else { repeat };
        of(repeat).build().unwrap()
    };
    assert_eq!(text(&again(false).run("in").await.unwrap()), "inx");
    assert_eq!(text(&again(true).run("in").await.unwrap()), "inxxx");
}

#[tokio::test]
async fn a_step_can_end_the_run_from_any_depth() {
    let last = Step::new("last", |_: StepInput| async { StepOutput::from("enough").stop() });
    let inner = of(Loop::new("l").step(last).step(mark("never")).at_most(9)).build().unwrap();
    let deep = Parallel::new("p").branch(Steps::new("s").step(inner)).branch(mark("sibling"));
    let workflow = of(deep).step(mark("never")).build().unwrap();
    let output = workflow.run("in").await.unwrap();
    assert_eq!(text(&output), "enough");
    assert_eq!(output.stopped_at.as_ref().unwrap().as_str(), "p/s/test/l#1/last");
    assert!(output.walk().all(|step| step.name() != "never"));
    assert_eq!(output.step_at("p").unwrap().status, StepStatus::Completed);
}

#[tokio::test]
async fn every_later_function_knows_what_the_run_was_given() {
    let look = |name: &str| {
        Step::new(name, |input: StepInput| async move {
            format!("{} {} {}", input.run.content, input.run.additional_data["tone"], input.text())
        })
    };
    let deep = Loop::new("l").step(Steps::new("s").step(look("deep"))).at_most(1);
    let workflow = of(mark("a")).step(look("later")).step(deep).build().unwrap();
    let data = serde_json::json!({"tone": "dry"}).as_object().unwrap().clone();
    let output = workflow.run("in").additional_data(data).await.unwrap();
    assert_eq!(output.step_at("later").unwrap().content.text(), r#"in "dry" ina"#);
    assert_eq!(text(&output), r#"in "dry" in "dry" ina"#);
}

#[tokio::test]
async fn a_nested_workflow_sees_its_input_and_nothing_around_it() {
    let inside = Step::new("inside", |input: StepInput| async move {
        format!("{} {} {:?}", input.run.content, input.text(), input.step("a"))
    });
    let inner = of(inside).build().unwrap();
    let workflow = of(mark("a")).step(Step::workflow("inner", inner)).build().unwrap();
    let output = workflow.run("in").await.unwrap();
    assert_eq!(text(&output), "ina ina None");
    assert_eq!(output.step_results[1].steps[0].path.as_str(), "inner/inside");
}

#[tokio::test]
async fn a_nested_workflow_checks_its_input() {
    let inner = of(mark("x")).input::<Vec<u8>>().build().unwrap();
    let workflow = of(Step::workflow("inner", inner)).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "inner");
    assert_eq!(error.output().unwrap().error.as_ref().unwrap().error.code, ErrorCode::BadInput);
    assert!(workflow.run(vec![1, 2]).await.is_ok());
}

#[tokio::test]
async fn media_reach_every_later_step_and_the_output() {
    let draw = |name: &str| {
        Step::new(name, |_: StepInput, cx: stepwright_core::StepContext| async move {
            let url = format!("https://example.org/{}.png", cx.path().name());
            StepOutput::from("drawn").medium(Media::url(MediaKind::Image, url))
        })
    };
    let count =
        Step::new("count", |input: StepInput| async move { input.media().len().to_string() });
    let deep = Steps::new("s").step(draw("b")).step(Parallel::new("p").branch(draw("c")));
    let workflow = of(draw("a")).step(deep).step(count).build().unwrap();
    let given = Parts::default().text("in").media(Media::path(MediaKind::File, "notes.txt"));
    let output = workflow.run(given).await.unwrap();
    assert_eq!(text(&output), "4");
    assert_eq!(output.images().count(), 3);
}

#[tokio::test]
async fn media_made_inside_of_any_container_reach_the_next_step_and_the_output() {
    let draw = || {
        Step::new("draw", |_: StepInput| async {
            let image = Media::bytes(MediaKind::Image, [1, 2, 3].as_slice());
            let file = Media::path(MediaKind::File, "notes.txt");
            StepOutput::from("drawn").medium(image).medium(file)
        })
    };
    let kinds = || {
        Step::new("kinds", |input: StepInput| async move {
            format!("{:?}", input.media().iter().map(|media| media.kind).collect::<Vec<_>>())
        })
    };
    let inner = of(draw()).build().unwrap();
    let cases = [
        of(Steps::new("c").step(draw())),
        of(Parallel::new("c").branch(mark("x")).branch(draw())),
        of(Loop::new("c").step(draw()).at_most(1)),
        of(Condition::constant("c", true).then(draw())),
        of(Router::constant("c", ["draw"]).choice(draw())),
        of(Map::new("c").over(|_| vec!["x"]).step(draw())),
        of(Step::workflow("c", inner)),
    ];
    for case in cases {
        let workflow = case.step(kinds()).build().unwrap();
        let (_, streamed) = streamed(workflow.run("in")).await;
        for output in [workflow.run("in").await.unwrap(), streamed.unwrap()] {
            assert_eq!(text(&output), "[Image, File]", "{output:?}");
            assert_eq!((output.images().count(), output.files().count()), (1, 1));
        }
    }
}

#[tokio::test]
async fn a_run_is_given_media_of_every_kind() {
    use MediaKind::{Audio, File, Image, Video};
    let kinds = Step::new("kinds", |input: StepInput| async move {
        format!("{:?}", input.media().iter().map(|media| media.kind).collect::<Vec<_>>())
    });
    let one = |kind| [Media::url(kind, "https://example.org/it")];
    let run = of(kinds).build().unwrap().run("in");
    let run = run.images(one(Image)).videos(one(Video)).audio(one(Audio)).files(one(File));
    assert_eq!(text(&run.await.unwrap()), "[Image, Video, Audio, File]");
}

#[tokio::test]
async fn patches_of_branches_add_up_and_contradictions_fail() {
    let count = |name: &str| {
        Step::new(name, |_: StepInput| async {
            StepOutput::from("").patch(Patch::increment("n", 1)).patch(Patch::append("l", 1))
        })
    };
    let set = |name: &str, value: i32| {
        Step::new(name, move |_: StepInput| async move {
            StepOutput::from("").patch(Patch::set("k", value))
        })
    };
    let read = Step::new("read", |input: StepInput| async move {
        Json(serde_json::Value::from((*input.state).clone()))
    });
    let eight = (0..8).fold(Parallel::new("p"), |p, i| p.branch(count(&format!("b{i}"))));
    let workflow = of(eight).step(read).store(Memory::default()).build().unwrap();
    let output = workflow.run("in").session_id("s").await.unwrap();
    assert_eq!(output.content, json(r#"{"n":8,"l":[1,1,1,1,1,1,1,1]}"#));
    let state = workflow.get_session_state("s").await.unwrap();
    assert_eq!(state["n"], 8);

    let contradiction = Parallel::new("p").branch(set("a", 1)).branch(set("b", 2));
    let workflow = of(contradiction).build().unwrap();
    let error = workflow.run("in").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `p` failed: branches `p/a` and `p/b` both set state key `k`, to different values"
    );
    let agreement = Parallel::new("p").branch(set("a", 1)).branch(set("b", 1));
    assert!(of(agreement).build().unwrap().run("in").await.is_ok());
}

#[tokio::test]
async fn a_map_keeps_the_order_of_its_items_and_its_limit() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let work = Step::new("work", |input: StepInput| async move {
        MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let wait = if input.nth == 1 { 30 } else { 1 };
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        AT_ONCE.fetch_sub(1, Ordering::SeqCst);
        format!("{}:{}", input.nth, input.item.unwrap())
    });
    let each = Map::new("each").step(work).concurrency(3);
    let workflow = of(each).build().unwrap();
    let output = workflow.run(vec!["a", "b", "c", "d", "e"]).await.unwrap();
    assert_eq!(output.content, json(r#"["1:a","2:b","3:c","4:d","5:e"]"#));
    assert_eq!(MOST.load(Ordering::SeqCst), 3);
    let error = workflow.run("no list").await.unwrap_err();
    assert!(error.to_string().contains("a map needs a list to work on, and was given text"));
}

#[tokio::test]
async fn best_effort_gives_what_there_is() {
    let branches = Parallel::new("p").branch(mark("a")).branch(fails("b")).join(Join::BestEffort);
    let output = of(branches).build().unwrap().run("in").await.unwrap();
    assert_eq!(output.content, json(r#"{"a":"ina","b":null}"#));
    assert_eq!(output.step_at("p/b").unwrap().status, StepStatus::Skipped);

    let odd = Step::new("odd", |input: StepInput| async move {
        match input.nth % 2 {
            0 => Err("even"),
            _ => Ok(input.text()),
        }
    });
    let each = Map::new("m").step(odd).join(Join::BestEffort);
    let output = of(each).build().unwrap().run(vec!["x", "y", "z"]).await.unwrap();
    assert_eq!(output.content, json(r#"["x",null,"z"]"#));
    assert_eq!(output.step_at("m#2").unwrap().status, StepStatus::Skipped);
}

#[tokio::test]
async fn deciders_may_be_async() {
    let workflow = Workflow::builder("w")
        .step(
            Condition::new_async("c", |i: StepInput| async move { !i.text().is_empty() })
                .then(mark("a")),
        )
        .step(Router::new_async("r", || async { "b" }).choice(mark("b")))
        .step(
            Map::new("m").over_async(|i: StepInput| async move { vec![i.text()] }).step(mark("c")),
        )
        .step(
            Loop::new("l")
                .step(part(mark("d")))
                .forward()
                .at_most(5)
                .until_async(|v: LoopView| async move { v.iteration() == 2 }),
        )
        .build()
        .unwrap();
    let (_, streamed) = streamed(workflow.run("in")).await;
    let blocking = workflow.run("in");
    let blocking = std::thread::spawn(|| blocking.blocking()).join().unwrap();
    for output in [workflow.run("in").await, streamed, blocking] {
        assert_eq!(text(&output.unwrap()), r#"["inabc"]dd"#);
    }
}

#[tokio::test]
async fn the_transcript_of_every_container() {
    let workflow = Workflow::builder("w")
        .step(Steps::new("s").step(mark("a")))
        .step(Loop::new("l").step(mark("b")).at_most(2))
        .step(Condition::constant("c", true).then(mark("d")))
        .step(Router::constant("r", ["e"]).choice(mark("e")))
        .step(Parallel::new("p").branch(mark("f")))
        .step(Map::new("m").over(|_| vec!["x"]).step(mark("g")))
        .build()
        .unwrap();
    let expected = r#"WorkflowStarted "in"
  s StepsExecutionStarted
    s/a StepStarted
    s/a StepOutput "ina"
    s/a StepCompleted "ina"
  s StepsExecutionCompleted
  l LoopExecutionStarted
    l#1 LoopIterationStarted
      l#1/b StepStarted
      l#1/b StepOutput "inab"
      l#1/b StepCompleted "inab"
    l#1 LoopIterationCompleted
    l#2 LoopIterationStarted
      l#2/b StepStarted
      l#2/b StepOutput "inab"
      l#2/b StepCompleted "inab"
    l#2 LoopIterationCompleted
  l LoopExecutionCompleted
  c ConditionExecutionStarted
    c/d StepStarted
    c/d StepOutput "inabd"
    c/d StepCompleted "inabd"
  c ConditionExecutionCompleted
  r RouterExecutionStarted
    r/e StepStarted
    r/e StepOutput "inabde"
    r/e StepCompleted "inabde"
  r RouterExecutionCompleted
  p ParallelExecutionStarted
    p/f StepStarted
    p/f StepOutput "inabdef"
    p/f StepCompleted "inabdef"
  p ParallelExecutionCompleted
  m MapExecutionStarted
    m#1 MapItemStarted
      m#1/g StepStarted
      m#1/g StepOutput "xg"
      m#1/g StepCompleted "xg"
    m#1 MapItemCompleted
  m MapExecutionCompleted
WorkflowCompleted ["xg"]
"#;
    assert_eq!(transcript(workflow.run("in")).await, expected);
}
