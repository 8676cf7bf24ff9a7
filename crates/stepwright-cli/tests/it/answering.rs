//! Runs that wait for people, and what is answered on the command line.

use crate::support::{ASKING, Place};
use serde_json::{Value, json};
use stepwright::RunStatus;
use stepwright::plan::OnError;
use stepwright::{Sqlite, Workflow};
use stepwright_core::{Answer, HumanReview, StepContext, StepError};
use stepwright_engine::Step;

/// Runs the workflow up to its first question.
fn paused(place: &Place) -> crate::support::Ran {
    place.run(["--allow-shell", "--db", "a.db", "--run-id", "r-1"]).ended(3)
}

/// `stepwright continue r-1` with these answers.
fn answered(place: &Place, answers: &[&str]) -> crate::support::Ran {
    place.on_db(&[&["continue", "r-1", "--allow-shell"], answers].concat())
}

#[test]
fn a_run_that_waits_says_what_for_and_goes_on_with_the_answer() {
    let place = Place::with(ASKING);
    let ran = paused(&place);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "run r-1 paused\n\
         waiting\n\
         publish!confirm  a confirmation\n  Publish it?\n  draft\n  approve, reject\n\
         to go on: stepwright continue r-1 --db a.db --allow-shell --approve 'publish!confirm'\n"
    );
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Paused);
    let next = answered(&place, &["--approve", "publish"]).ended(3);
    assert!(next.stderr.contains("letter!review  a review\n  Good?\n"), "{next:#?}");
    assert!(next.stderr.contains("  a letter about published draft\n"), "{next:#?}");
    let done = answered(&place, &["--edit", "letter!review=my letter", "--by", "ada"]).ended(0);
    assert_eq!(done.stdout, "my letter\n");
    assert_eq!(done.stderr, "run r-1 completed\n");
    // Nothing was done twice, and the journal is one history.
    assert_eq!(std::fs::read_to_string(place.path("done.txt")).unwrap(), "x\n");
    let facts = place.facts_in("a.db");
    stepwright_testing::grammar::check(&facts);
    let by = facts.iter().filter_map(|fact| fact.kind.reply()?.by.clone());
    assert_eq!(by.collect::<Vec<_>>(), ["ada".into()]);
}

#[test]
fn without_an_answer_and_without_a_terminal_what_is_open_is_said() {
    let place = Place::with(ASKING);
    paused(&place);
    let before = place.facts_in("a.db").len();
    let ran = answered(&place, &[]).ended(2);
    assert!(
        ran.stderr.starts_with("error[SW0109]: there is no answer, and no terminal"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("publish!confirm  a confirmation"), "{ran:#?}");
    assert!(ran.stderr.contains("to go on: stepwright continue r-1 --db a.db"), "{ran:#?}");
    assert_eq!(place.facts_in("a.db").len(), before);
}

#[cfg(unix)]
#[test]
fn whoever_sits_at_a_terminal_is_asked_and_may_leave() {
    use crate::person::{CTRL_D, Person};
    let place = Place::with(ASKING);
    let run = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--run-id", "r-1"];
    let person = Person::starts(&place, &run);
    person.sees("Publish it?");
    person.waits_until(|screen| screen.trim_end().ends_with("y/n ›"));
    person.types("y\r");
    person.sees("Good?");
    person.sees("a letter about published draft");
    person.waits_until(|screen| screen.trim_end().ends_with('›'));
    person.types(CTRL_D);
    person.sees("to go on: stepwright continue r-1");
    assert_eq!(person.leaves(), 3);
    let go_on = ["continue", "r-1", "--allow-shell", "--db", "a.db"];
    let person = Person::starts(&place, &go_on);
    person.sees("Good?");
    person.waits_until(|screen| screen.trim_end().ends_with('›'));
    person.types("y\r");
    person.sees("completed in ");
    assert_eq!(person.leaves(), 0);
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Completed);
    // With `--json` the command asks nothing, terminal or not.
    let run = ["run", "flow.yaml", "--allow-shell", "--db", "a.db", "--json"];
    assert_eq!(Person::starts(&place, &run).leaves(), 3);
}

#[test]
fn wrong_answers_are_refused_and_change_nothing() {
    let place = Place::with(ASKING);
    paused(&place);
    for (answers, why) in [
        (
            &["--skip", "publish"][..],
            "`publish!confirm` can be answered with approve or reject, and not with skip",
        ),
        (&["--approve", "count"], "run `r-1` does not wait for `count`"),
        (&["--approve", "publish", "--reject", "publish!confirm"], "is answered twice"),
        (&["--edit", "publish"], "`--edit publish` has no value"),
        (&["--set", "publish"], "`--set publish` does not say which field is what"),
        (&["--answers", "none.json"], "the input file `none.json` cannot be read"),
    ] {
        let ran = answered(&place, answers).ended(2);
        assert!(ran.stderr.contains(why), "{why}: {ran:#?}");
    }
    place.write("wrong.json", r#"{"publish": {"decision": "aprove"}}"#);
    let ran = answered(&place, &["--answers", "wrong.json"]).ended(2);
    assert!(ran.stderr.contains("`publish`: unknown variant `aprove`"), "{ran:#?}");
    let both = answered(&place, &["--answers", "wrong.json", "--approve", "publish"]).ended(2);
    assert!(both.stderr.contains("cannot be used with"), "{both:#?}");
    assert_eq!(place.runs_in("a.db")[0].1, RunStatus::Paused);
    answered(&place, &["--approve", "publish"]).ended(3);
    let late = answered(&place, &["--approve", "publish"]).ended(2);
    assert!(late.stderr.contains("comes too late: it has been answered"), "{late:#?}");
    answered(&place, &["--approve", "letter"]).ended(0);
    let over = answered(&place, &["--approve", "letter"]).ended(2);
    assert!(over.stderr.contains("run `r-1` has ended, and has no pending requests"), "{over:#?}");
}

#[test]
fn a_rejection_says_why() {
    let place = Place::with(ASKING);
    paused(&place);
    let ran = answered(&place, &["--reject", "publish=not today"]).ended(1);
    let why = "error[SW0412]: step `publish` failed: it was rejected: not today\n";
    assert!(ran.stderr.contains(why), "{ran:#?}");
}

#[test]
fn forms_choices_and_decisions_are_answered_and_files_have_answers_too() {
    let flow = "\
format: 1
name: Form
steps:
  - name: tell
    template: 'told'
    human_review:
      requires_user_input:
        message: How?
        schema:
          type: object
          required: [tone]
          properties: {tone: {type: string}, words: {type: integer}}
  - name: way
    router:
    choices:
      - {name: blog, template: 'a blog'}
      - {name: video, template: 'a video'}
    human_review: {requires_route_selection: Which way?}
  - {name: try, shell: 'test -e there.txt && echo there', on_error: pause}
";
    let place = Place::with(flow);
    paused(&place);
    let wrong = answered(&place, &["--set", "tell.words=many"]).ended(2);
    assert!(wrong.stderr.contains("`tell.words` is not JSON"), "{wrong:#?}");
    let unfit = answered(&place, &["--set", "tell.words=3"]).ended(2);
    assert!(unfit.stderr.contains("`tone` is missing"), "{unfit:#?}");
    answered(&place, &["--set", "tell.tone=plain", "--set", "tell!input.words=3"]).ended(2);
    answered(&place, &["--set", "tell.tone=plain", "--set", "tell.words=3"]).ended(3);
    let shown = place.on_db(&["show", "r-1", "--json"]).ended(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["requirements"][0]["choices"], json!(["blog", "video"]));
    let failed = answered(&place, &["--select", "way=blog"]).ended(3);
    assert!(failed.stderr.contains("try!error  a decision about a failure"), "{failed:#?}");
    place.write("there.txt", "");
    let answers = br#"{"try!error": {"decision": "retry"}}"#;
    let arguments = ["continue", "r-1", "--db", "a.db", "--allow-shell", "--answers", "-"];
    let done = place.ran_on(&arguments, answers).ended(0);
    assert_eq!(done.stdout, "there\n");
}

/// The answer reaches the program that drives the run, and no other process does anything.
#[test]
fn a_run_of_a_program_can_be_seen_and_answered_and_is_left_to_the_program() {
    let place = Place::with(ASKING);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let build = async || {
        let review = HumanReview::new().requires_confirmation("Really?");
        let ask = |cx: StepContext| async move {
            let price: u32 = cx.wait("price").message("How much?").await?;
            Ok::<_, StepError>(format!("{price} euros"))
        };
        Workflow::builder("Shop")
            .step(Step::new("sure", async |text: String| text).human_review(review))
            .step(Step::new("ask", ask).on_error(OnError::Skip))
            .store(Sqlite::open(place.path("a.db")).await.unwrap())
            .build()
            .unwrap()
    };
    runtime.block_on(async {
        let workflow = build().await;
        assert!(workflow.run("-").run_id("r-1").await.unwrap().is_paused());
    });
    let list = place.on_db(&["runs", "--status", "paused"]).ended(0).stdout;
    assert!(list.contains("r-1  paused  shop"), "{list}");
    let shown = place.on_db(&["show", "r-1"]).ended(0).stdout;
    assert!(shown.contains("none: a program began it"), "{shown}");
    assert!(place.on_db(&["events", "r-1"]).ended(0).stdout.contains("Shop"));
    let refused = place.on_db(&["resume", "r-1"]).ended(2);
    assert!(refused.stderr.contains("was begun by a program"), "{refused:#?}");
    let other = place.on_db(&["resume", "r-1", "--allow-shell", "--file", "flow.yaml"]).ended(2);
    assert!(other.stderr.contains("is one of `shop`, and not of `publish`"), "{other:#?}");
    let wrong = place.on_db(&["continue", "r-1", "--approve", "ask"]).ended(2);
    assert!(wrong.stderr.contains("help: it waits for `sure!confirm`"), "{wrong:#?}");
    let left = place.on_db(&["continue", "r-1", "--approve", "sure"]).ended(3);
    assert!(left.stderr.contains("the answer is left there"), "{left:#?}");
    let twice = place.on_db(&["continue", "r-1", "--reject", "sure"]).ended(2);
    assert!(twice.stderr.contains("is already answered"), "{twice:#?}");
    runtime.block_on(async {
        let workflow = build().await;
        let next = workflow.resume("r-1").await.unwrap();
        assert_eq!(&*next.requirements[0].id, "ask!wait:price");
        let done = workflow.continue_run("r-1", [("ask", Answer::submit(3))]).await.unwrap();
        assert_eq!(done.content.text(), "3 euros");
    });
}

/// The process lives because another branch works; no caller asks for the deadline.
#[test]
fn a_deadline_comes_while_the_command_is_there() {
    let flow = "\
format: 1
name: Late
steps:
  - name: both
    parallel: {}
    branches:
      - {name: slow, shell: 'while ! test -e go.txt; do sleep 0.01; done; echo slow'}
      - name: asked
        shell: 'touch go.txt; echo asked'
        human_review: {requires_confirmation: Go?, timeout: 50ms, on_timeout: approve}
";
    let place = Place::with(flow);
    let ran = place.run(["--allow-shell", "--db", "a.db", "--events"]).ended(0);
    assert!(ran.stdout.contains("asked") && ran.stdout.contains("slow"), "{ran:#?}");
    let timed_out = |place: &Place| {
        let facts = place.facts_in("a.db");
        facts.iter().filter_map(|fact| fact.kind.reply()).any(|reply| reply.timed_out)
    };
    assert!(timed_out(&place));
}

#[test]
fn without_a_database_a_run_that_waits_is_forgotten_and_that_is_said() {
    let place = Place::with(ASKING);
    let ran = place.run(["--allow-shell", "--no-db"]).ended(3);
    assert!(ran.stderr.contains("to go on: do it again with `--db DB`"), "{ran:#?}");
}

/// A workflow whose agent may read a file only if a person allows it.
const CAREFUL: &str = "\
format: 1
name: Careful
model: offline
agents:
  reader: {tools: [read_file, http_get], requires_confirmation: [read_file]}
steps:
  - {agent: reader, prompt: 'Read notes.md and tell what it says.'}
";

#[test]
fn without_a_database_and_a_terminal_a_call_that_must_be_allowed_says_so_and_names_the_option() {
    let place = Place::with(CAREFUL);
    place.write("notes.md", "The bridge holds.");
    let ran = place.run(["--no-db"]).ended(3);
    assert!(
        ran.stderr.contains("reader/read_file#1!confirm  the confirmation of a call"),
        "{ran:#?}"
    );
    assert!(ran.stderr.contains("to go on: do it again with `--db DB`"), "{ran:#?}");
    let kept = place.run(["--db", "a.db", "--run-id", "r-1"]).ended(3);
    assert!(kept.stderr.contains("--approve 'reader/read_file#1!confirm'"), "{kept:#?}");
    // The path of the call, or of its step, is enough.
    place.on_db(&["continue", "r-1", "--approve", "reader"]).ended(0);
    stepwright_testing::grammar::check(&place.facts_in("a.db"));
}

#[cfg(unix)]
#[test]
fn without_a_database_whoever_sits_at_a_terminal_is_asked_about_a_call() {
    use crate::person::Person;
    let place = Place::with(CAREFUL);
    place.write("notes.md", "The bridge holds.");
    let person = Person::starts(&place, &["run", "flow.yaml", "--no-db"]);
    person.sees("May agent `reader` call `read_file`?");
    person.waits_until(|screen| screen.trim_end().ends_with('›'));
    person.types("y\r");
    person.sees("The bridge holds.");
    person.sees("completed in ");
    assert_eq!(person.leaves(), 0);
}
