//! Every kind of step, in every container in every container, with every option: it works, or the
//! definition is refused with a message. What comes of it is published as `docs/composition.md`,
//! which `COMPOSITION=overwrite` writes anew.

mod options;
mod subject;
mod table;
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
        "a confirmation is given: nothing is done before it, and everything after it",
        options::approve;
    everything_can_be_rejected: "reject",
        "a confirmation is refused: it is left out, and what came before flows on",
        options::reject;
    every_output_can_be_edited: "edit",
        "its output is reviewed and replaced: what follows gets the new one",
        options::edit;
    two_can_wait_at_once: "two pauses",
        "two of it wait at the same time in two branches, and are answered one by one in the other \
         order",
        options::two_pauses;
    everything_can_be_cancelled: "cancel",
        "the run is cancelled while it works, and while it waits for somebody",
        options::cancel;
    everything_survives_a_kill_at_every_entry: "kill",
        "the process dies after every single entry of the journal, and another one goes on: the same \
         comes of it, and nothing that was done is done again",
        options::kill;
    a_tool_may_do_and_ask_twice: "tools",
        "two calls of one tool in one turn each do something with `once` and each `wait` for an \
         answer, under the same names: both are done, both are asked, each gets its own answer, \
         and nothing is done again after a kill at any entry",
        options::tools;
    every_step_can_be_retried: "retry",
        "its first attempt fails, and its second does not",
        options::retry;
    everything_can_time_out: "timeout",
        "it never ends, and fails when its time is over, also where the process dies before that",
        options::timeout;
    everything_can_be_skipped_when_it_fails: "skip on error",
        "it fails and is left out, and what came before flows on",
        options::skip;
    nothing_is_carried_on_with_changed_content: "changed content refused",
        "it has another version than when the run began: the run is not carried on, by whatever way, \
         until that is accepted, and the difference is told",
        options::changed;
    everything_can_be_followed_from_every_entry: "re-attach",
        "readers come back while it waits, one after every entry, and each gets exactly the rest",
        options::attach;
    two_runs_of_a_session_add_up: "concurrent runs",
        "two runs of one session at once: neither sees the other, and what they change in the state \
         of the session adds up",
        options::concurrent;
    everything_interrupted_asks_or_fails: "interrupted",
        "the process dies after every single entry: what was under way is not done again before a \
         person says so, and fails where they give it up or the definition says so",
        options::interrupted;
    every_answer_survives_a_crash: "answer in a crash",
        "the process dies when an answer is left and not taken: another one goes on with it, and a \
         different answer is refused",
        options::answer_in_a_crash;
    every_deadline_passes_without_a_driver: "late answer",
        "a deadline passes while no process drives the run: an answer after it is refused and \
         recorded, and it goes on as `on_timeout` says",
        options::late;
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
