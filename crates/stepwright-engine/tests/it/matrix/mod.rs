//! Every kind of step, in every container in every container, with every option: it works, or the
//! definition is refused with a message. What comes of it is published as `docs/composition.md`,
//! which `COMPOSITION=overwrite` writes anew.

mod options;
mod subject;
mod table;
mod takeup;
mod world;

use options::{Case, Cell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use subject::{CONTAINERS, Place, STEPS};

/// An option, and the test of it.
struct Column {
    title: &'static str,
    /// The name of its test in this file.
    test: &'static str,
    what: &'static str,
    check: fn(&Case) -> Cell,
    cells: OnceLock<Vec<(Case, Cell)>>,
}

macro_rules! columns {
    ($($test:ident: $title:literal, $what:literal, $check:path;)*) => {
        static COLUMNS: [Column; [$($title),*].len()] = [$(Column {
            title: $title,
            test: stringify!($test),
            what: $what,
            check: $check,
            cells: OnceLock::new(),
        }),*];

        $(#[test]
        fn $test() {
            let column = COLUMNS.iter().find(|column| column.test == stringify!($test)).unwrap();
            assert!(column.cells().iter().any(|(_, cell)| *cell == Cell::Works));
        })*
    };
}

columns! {
    everything_can_be_approved: "approve",
        "a confirmation is approved: nothing runs before it, and everything runs after it",
        options::approve;
    everything_can_be_rejected: "reject",
        "a confirmation is rejected: the step is left out, and the output before it flows on",
        options::reject;
    every_output_can_be_edited: "edit",
        "its output is reviewed and edited: the next step gets the edited one",
        options::edit;
    two_can_wait_at_once: "two pauses",
        "two of it wait at the same time in two branches, and are answered one by one in reverse \
         order",
        options::two_pauses;
    everything_can_be_cancelled: "cancel",
        "the run is cancelled while the step works, and while it waits for an answer",
        options::cancel;
    everything_survives_a_kill_at_every_entry: "kill",
        "the process dies after each entry of the journal, and another one resumes the run: the \
         result is the same, and no completed work is repeated",
        options::kill;
    a_tool_may_do_and_ask_twice: "tools",
        "two calls of one tool in one turn each use `once` and each `wait` for an answer, under \
         the same names: both run, both ask, each gets its own answer, and nothing is repeated \
         after a kill at any entry",
        options::tools;
    every_step_can_be_retried: "retry",
        "its first attempt fails, and its second succeeds",
        options::retry;
    everything_can_time_out: "timeout",
        "it never ends, and fails at its timeout, also if the process dies before that",
        options::timeout;
    everything_can_be_skipped_when_it_fails: "skip on error",
        "it fails and is skipped, and the output before it flows on",
        options::skip;
    nothing_is_carried_on_with_changed_content: "changed content refused",
        "its version has changed since the run began: no way of resuming continues the run until \
         the change is accepted, and the error shows the difference",
        options::changed;
    everything_can_be_followed_from_every_entry: "re-attach",
        "readers attach while it waits, one after each entry, and each gets exactly the rest",
        options::attach;
    two_runs_of_a_session_add_up: "concurrent runs",
        "two runs of one session at once: neither sees the other, and their updates of the \
         session state add up",
        options::concurrent;
    everything_interrupted_asks_or_fails: "interrupted",
        "the process dies after each entry: the interrupted step does not run again before a \
         person says so, and fails if the person gives up or the definition says so",
        options::interrupted;
    every_answer_survives_a_crash: "answer in a crash",
        "the process dies after an answer was submitted and before it was used: another process \
         uses it, and refuses a different answer",
        options::answer_in_a_crash;
    a_failed_run_is_retried: "retried run",
        "it fails, and the run with it; repaired and retried, the run ends as if nothing had \
         failed, and nothing completed is repeated, also if the process dies after any entry",
        takeup::retried;
    a_run_is_forked_at_every_step: "forked run",
        "the run is forked at each of its steps: the fork ends as its origin, without repeating \
         what came before, also if the process dies before the fork goes on",
        takeup::forked;
    every_deadline_passes_without_a_driver: "late answer",
        "a deadline passes while no process drives the run: a later answer is refused and \
         recorded, and the run continues as `on_timeout` says",
        options::late;
    every_completed_step_is_undone: "undo",
        "a later step fails: each execution of it is undone once, the last that completed first, \
         also if the process dies after any entry",
        options::undo;
    everything_runs_inside_a_finally: "in finally",
        "it runs in the `finally` of a run that failed, waits there for an approval, and ends the \
         same if the process dies after any entry",
        options::inside_finally;
    every_container_has_a_finally: "finally",
        "it fails, and it is cancelled: its own `finally` runs once",
        options::finally;
    every_container_has_an_on_failure: "on failure",
        "its own `on_failure` runs once if it fails, also if the process dies after any entry, and \
         not if it completes",
        options::on_failure;
    everything_has_a_deadline: "deadline",
        "it never ends, and fails at a moment that was computed when it began, also if the process \
         dies before that; one that ended in time is replayed after its deadline",
        options::deadline;
    runs_with_everything_wait_for_a_slot: "concurrency",
        "of a workflow with `concurrency`, a second run waits while the first one is paused, and \
         ends the same, also if the process dies after any entry",
        options::concurrency;
    the_same_run_with_everything_is_skipped: "dedupe",
        "of a workflow with `dedupe`, the same run does not begin while the first one waits, nor \
         after it has ended, until the time is over",
        options::dedupe;
}

impl Column {
    /// All cells of the column. They are worked out once.
    fn cells(&self) -> &[(Case, Cell)] {
        self.cells.get_or_init(|| {
            let all = cases().into_iter().map(|case| {
                let cell = catch_unwind(AssertUnwindSafe(|| (self.check)(&case)));
                let cell = cell.unwrap_or_else(|panic| {
                    let what = panic.downcast_ref::<String>().map(String::as_str);
                    let what = what.or_else(|| panic.downcast_ref::<&str>().copied());
                    let what = what.unwrap_or("no message");
                    panic!("{what}\nin `{}` of {case:?}", self.title)
                });
                (case, cell)
            });
            all.collect()
        })
    }
}

/// Every kind of node in every place: at most two containers deep, its own included.
fn cases() -> Vec<Case> {
    let steps = STEPS.into_iter().flat_map(|kind| Place::all().map(move |p| (kind, p)));
    let containers = CONTAINERS.into_iter().flat_map(|kind| Place::flat().map(move |p| (kind, p)));
    steps.chain(containers).map(|(kind, place)| Case { kind, place }).collect()
}

#[test]
fn what_is_published_is_what_was_seen() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/composition.md");
    let seen = table::written(&COLUMNS);
    if std::env::var("COMPOSITION").is_ok_and(|wish| wish == "overwrite") {
        std::fs::write(path, &seen).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == seen, "docs/composition.md is stale: write it with COMPOSITION=overwrite");
}
