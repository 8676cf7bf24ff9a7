//! Runs that wait for people, who answer or do not.

use crate::screen::{Written, seen, world};
use futures_util::StreamExt as _;
use serde_json::json;
use std::io::Read;
use std::time::Duration;
use stepwright_core::permission::{Effect, PathForm, PathForms};
use stepwright_core::plan::OnError;
use stepwright_core::{
    Answer, Error, ErrorKind, HumanReview, Memory, OnReject, Requirement, RunOutput, RunStatus,
    StepContext, StepError, StepInput,
};
use stepwright_engine::{IntoStep, Parallel, Router, Step, Workflow};
use stepwright_term::{
    Asker, Display, PrintResponse as _, Style, Terminal, answer_inline, waiting,
};

fn confirm() -> HumanReview {
    HumanReview::new().requires_confirmation("Publish it?")
}

fn says(name: &str) -> Step {
    let said = format!("{name} is done");
    Step::new(name, move |_: StepInput| {
        let said = said.clone();
        async move { said }
    })
}

fn of<M>(step: impl IntoStep<M>) -> Workflow {
    Workflow::builder("News").step(step).store(Memory::default()).build().unwrap()
}

async fn paused(workflow: &Workflow) -> RunOutput {
    let output = workflow.run("ants").await.unwrap();
    assert_eq!(output.status, RunStatus::Paused);
    output
}

type Answers = Option<Vec<(String, Answer)>>;

/// Returns the result of typing these lines, and the output.
async fn asked(open: &[Requirement], lines: &str) -> (Answers, String) {
    let written = Written::default();
    let lines = std::io::Cursor::new(lines.to_owned());
    let mut asker = Asker::of(lines, written.clone(), Terminal::none()).unwrap();
    (asker.ask(open).await.unwrap(), written.text())
}

/// The one answer to what `step` waits for.
async fn one(step: Step, lines: &str) -> Answer {
    let (answers, written) = asked(&paused(&of(step)).await.requirements, lines).await;
    let [(_, answer)] = answers.expect(&written).try_into().unwrap();
    answer
}

#[tokio::test]
async fn each_kind_of_question_has_its_answers() {
    let confirm = || says("a").human_review(confirm());
    for (lines, expected) in [
        ("y\n", Answer::Approve),
        (" YES \n", Answer::Approve),
        ("n\n\n", Answer::Reject { feedback: None }),
        ("n too early\n", Answer::reject("too early")),
        ("no\ntoo early\n", Answer::reject("too early")),
        ("y but\ne\n\nyes\n", Answer::Approve),
        ("/reject not now\n", Answer::reject("not now")),
    ] {
        assert_eq!(one(confirm(), lines).await, expected, "{lines:?}");
    }
    let review = HumanReview::new().requires_output_review("Good?");
    for (lines, expected) in [
        ("y\n", Answer::Approve),
        ("e\nmine\\\nin two lines\n", Answer::edit("mine\nin two lines")),
        ("e\na is done\ny\n", Answer::Approve),
        ("e\n//later\n", Answer::edit("/later")),
        ("e\n/reject\nn\nlonger\n", Answer::reject("longer")),
    ] {
        assert_eq!(one(says("a").human_review(review.clone()), lines).await, expected, "{lines:?}");
    }
    let failing = || Step::new("a", async |_: StepInput| Err::<String, _>("no luck"));
    for (lines, expected) in [
        ("what\nr\n", Answer::Retry),
        ("skip\n", Answer::Skip),
        ("f\n", Answer::Reject { feedback: None }),
        ("fail hopeless\n", Answer::reject("hopeless")),
    ] {
        assert_eq!(one(failing().on_error(OnError::Pause), lines).await, expected, "{lines:?}");
    }
    let waiting = |schema: Option<serde_json::Value>| {
        Step::new("a", move |cx: StepContext| {
            let schema = schema.clone();
            async move {
                let mut wait = cx.wait::<serde_json::Value>("it");
                if let Some(schema) = schema {
                    wait = wait.schema(schema);
                }
                wait.await.map(|value| value.to_string())
            }
        })
    };
    for (schema, lines, expected) in [
        (None, "some words\n", json!("some words")),
        (None, "{\"a\": 1}\n", json!({ "a": 1 })),
        (None, "\"12\"\n", json!("12")),
        (None, "{\"a\": 1, \"a\": 2}\n{\"a\": 3}\n", json!({ "a": 3 })),
        (Some(json!({ "type": "integer", "minimum": 3 })), "2\nx\n4\n", json!(4)),
        (Some(json!({ "type": "string" })), "12\n", json!("12")),
    ] {
        let answer = one(waiting(schema), lines).await;
        assert_eq!(answer, Answer::submit(expected), "{lines:?}");
    }
}

#[tokio::test]
async fn a_permission_says_what_it_holds_for() {
    let form = PathForm { relative: Some("a.md".into()), absolute: Some("/tmp/x/a.md".into()) };
    let forms = PathForms { shown: "a.md".into(), forms: vec![form], ..PathForms::default() };
    let effect = Effect::file("write_file", forms).asked();
    for (effect, rule, reach) in [
        (effect.clone(), "for the session: write_file: a.md", "`a` for the session"),
        (effect.of_run(), "for this run: write_file: /tmp/x/a.md", "`a` for this run"),
    ] {
        let step = Step::new("a", move |cx: StepContext| {
            let effect = effect.clone();
            async move { cx.begin_effect(&effect).await.map(|_| "done") }
        });
        let open = paused(&of(step)).await.requirements;
        let (answers, written) = asked(&open, "what\na\n").await;
        assert_eq!(answers.unwrap()[0].1, Answer::Always);
        assert!(written.contains(rule) && written.contains(reach), "{written}");
    }
}

#[tokio::test]
async fn ways_are_chosen_by_name_or_number_one_or_several() {
    let open = async |several: bool| {
        let mut review = HumanReview::new().requires_route_selection("Where?");
        if several {
            review = review.allow_multiple_selections();
        }
        let router = Router::constant("way", ["2"])
            .choice(says("blog"))
            .choice(says("a, b"))
            .choice(says("2"));
        paused(&of(router.human_review(review))).await.requirements
    };
    let only = open(false).await;
    for (lines, expected) in
        [("1\n", "blog"), ("2\n", "2"), ("BLOG\n", "blog"), ("1,2\n0\n4\n-1\na, b\n", "a, b")]
    {
        let (answers, _) = asked(&only, lines).await;
        assert_eq!(answers.unwrap()[0].1, Answer::select([expected]), "{lines:?}");
    }
    let (answers, _) = asked(&open(true).await, "1, 1\n2, blog\n").await;
    assert_eq!(answers.unwrap()[0].1, Answer::select(["2", "blog"]));
}

#[tokio::test]
async fn a_form_is_asked_again_as_a_whole_if_the_whole_does_not_fit() {
    // No field is wrong alone.
    let schema = json!({
        "type": "object",
        "properties": { "from": { "type": "integer" }, "to": { "type": "integer" } },
        "required": ["from"],
        "oneOf": [{ "properties": { "to": { "const": 9 } }, "required": ["to"] }],
    });
    let step = says("a").human_review(HumanReview::new().requires_user_input("Which?", schema));
    let open = paused(&of(step)).await.requirements;
    let (answers, written) = asked(&open, "1\n2\n\n9\n").await;
    assert_eq!(answers.unwrap()[0].1, Answer::submit(json!({ "from": 1, "to": 9 })));
    assert!(written.contains("error[SW0118]: the answer to `a!input` does not fit"), "{written}");
    assert!(written.contains("from (a number) [1] ›"), "{written}");
    let (answers, _) = asked(&open, "1\n/reject no idea\n").await;
    assert_eq!(answers.unwrap()[0].1, Answer::reject("no idea"));
}

#[tokio::test]
async fn what_is_put_off_stays_open_and_leaving_leaves_everything() {
    let branches = Parallel::new("all")
        .branch(says("a").human_review(confirm()))
        .branch(says("b").human_review(confirm()));
    let workflow = of(branches);
    let open = paused(&workflow).await.requirements;
    let (answers, _) = asked(&open, "/later\ny\n").await;
    let answers = answers.unwrap();
    assert_eq!(answers, [("all/b!confirm".to_owned(), Answer::Approve)]);
    assert_eq!(asked(&open, "/later\n/later\n").await.0, None);
    assert_eq!(asked(&open, "y\n").await.0, None, "the input has ended");
    assert_eq!(asked(&[], "").await.0, None);

    // The run goes on with what was answered, and asks for the rest again.
    let written = Written::default();
    let printing = workflow.print_response("ants").answers_from("/later\ny\nn\n\n".as_bytes());
    let output = printing.to(written.clone()).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(written.text().matches("all/a · a confirmation").count(), 2, "{}", written.text());
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is() {
    let workflow = of(says("a").human_review(confirm()));
    let left = async |printing: stepwright_term::Printing| {
        let written = Written::default();
        let printing = printing.run_id(format!("r-{}", written_id())).to(written.clone());
        let output = printing.await.unwrap();
        assert_eq!(output.status, RunStatus::Paused);
        (output, written.text())
    };
    let (output, text) = left(workflow.print_response("x")).await;
    let how =
        format!("workflow.continue_run(\"{}\", [(\"a!confirm\", Answer::Approve)])", output.run_id);
    assert!(text.ends_with(&format!("to go on: {how}\n")), "{text}");
    let (_, text) =
        left(workflow.print_response("x").to_continue("app continue RUN_ID --yes")).await;
    assert!(text.contains("to go on: app continue r-") && text.ends_with(" --yes\n"), "{text}");
    let (_, text) =
        left(workflow.print_response("x").answers_from("y\n".as_bytes()).ask(false)).await;
    assert!(!text.contains("y/n"), "{text}");
    // Tests are no terminal.
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        assert_eq!(answer_inline(&output.requirements).await.unwrap(), None);
    }
    let written = Written::default();
    let app = workflow.cli_app().read_from("ants\n/answer\n".as_bytes()).to(written.clone());
    let conversation = app.await.unwrap();
    assert!(conversation.last.unwrap().unwrap().is_paused());
    assert!(written.text().contains("waiting\na!confirm  a confirmation"), "{}", written.text());
    assert!(written.text().contains("no pending requests that can be answered here"));
}

fn written_id() -> u32 {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

#[tokio::test]
async fn what_is_rejected_is_told_as_left_out_or_as_a_failure() {
    let ended = async |on_reject| {
        let workflow = of(says("a").human_review(confirm().on_reject(on_reject)));
        let written = Written::default();
        let printing = workflow.print_response("x").answers_from("n no time\n".as_bytes());
        let answer = printing.to(written.clone()).await;
        (answer, written.text())
    };
    let (answer, text) = ended(OnReject::Skip).await;
    assert!(answer.is_ok() && text.contains("[a] rejected: no time\n[a] skipped\n"), "{text}");
    let (answer, text) = ended(OnReject::Fail).await;
    assert!(answer.is_err() && text.contains("error[SW0412]: it was rejected: no time"), "{text}");
    let (answer, _) = ended(OnReject::Cancel).await;
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Cancelled);
}

/// Input that is typed after an action.
struct After<F>(Option<F>, &'static [u8]);

impl<F: FnOnce()> Read for After<F> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if let Some(first) = self.0.take() {
            first();
        }
        self.1.read(into)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_too_late_is_told_and_the_run_is_shown_to_its_end() {
    let workflow = of(says("a").human_review(confirm()));
    let (same, handle) = (workflow.clone(), tokio::runtime::Handle::current());
    let elsewhere = move || {
        handle.block_on(async {
            let ended = same.continue_run("r-1", [("a", Answer::Approve)]).await;
            assert_eq!(ended.unwrap().status, RunStatus::Completed);
        });
    };
    let written = Written::default();
    let printing = workflow.print_response("x").run_id("r-1").to(written.clone());
    let output = printing.answers_from(After(Some(elsewhere), b"y\n")).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    let text = written.text();
    assert!(
        text.contains(
            "error[SW0707]: run `r-1` has ended (COMPLETED), and has no pending requests"
        ),
        "{text}"
    );
    assert!(text.contains("[a] approved\n\n[a]\na is done\n[a] completed\n"), "{text}");
    assert!(text.contains("\ncompleted · 1 step\nrun r-1 · session "), "{text}");
}

/// Another process takes up a run: it has not seen how its steps began.
#[tokio::test(start_paused = true)]
async fn a_run_that_is_taken_up_is_shown_from_there_on() {
    let world = world();
    let slow = {
        let world = world.clone();
        Step::new("order", move |cx: StepContext| {
            let world = world.clone();
            async move {
                let price: u32 = cx.wait("price").message("How much?").await?;
                world.sleep(Duration::from_millis(5)).await;
                cx.note("ordering");
                Ok::<_, StepError>(format!("ordered for {price}"))
            }
        })
    };
    let inner = Workflow::builder("Shop").step(slow).build().unwrap();
    let workflow = Workflow::builder("News")
        .step(Step::workflow("shop", inner))
        .step(says("after"))
        .store(Memory::default())
        .world(world)
        .build()
        .unwrap();
    let left = paused(&workflow).await;
    let written = Written::default();
    let mut display = Display::new(written.clone(), Terminal::of_size(80, 24), Style::Panels);
    let answers = [("shop/order", Answer::submit(7))];
    let resume = workflow.continue_run(&left.run_id, answers).answered_by("ada");
    let mut events = resume.stream_events(true).stream();
    while let Some(event) = events.next().await {
        display.event(&event);
    }
    display.clear();
    let shown = seen(&written.text(), 80);
    let lines: Vec<&str> =
        shown.lines().map(|line| line.trim_end_matches('─').trim_end()).collect();
    assert_eq!(
        lines,
        [
            "▶ the run goes on",
            "  ▶ shop/order  answered by ada: 7",
            "",
            "  ╭─ shop/order",
            "  │ ordered for 7",
            "  ╰─ ✓ completed",
            "",
            "✓ shop  completed",
            "",
            "╭─ after",
            "│ after is done",
            "╰─ ✓ 0ms",
        ],
        "{shown}"
    );
}

#[tokio::test]
async fn what_is_open_is_a_text_too() -> Result<(), Error> {
    let left = paused(&of(says("a").human_review(confirm()))).await;
    let text = waiting(&left, Terminal::of_size(30, 24), Some("app continue RUN_ID"));
    let shown = seen(&text, 30);
    assert!(
        shown.starts_with("╭─ waiting ──────────────────\n│ a!confirm  a confirmation\n"),
        "{shown}"
    );
    assert_eq!(shown, seen(&text, 60), "it fits");
    Ok(())
}
