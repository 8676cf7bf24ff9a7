//! Writes the results as `docs/composition.md`.

use super::Column;
use super::options::Cell;
use super::subject::{AROUND, CONTAINERS, STEPS};
use std::fmt::Write as _;

const HEAD: &str = "\
# What composes with what

Each kind of step, alone, in every container, and in every container within every container, with
every option. Each cell is a run whose result a test has checked, or a definition that is refused.
These tests write this page, and fail if it differs from their results:
[`crates/stepwright-engine/tests/it/matrix`](../crates/stepwright-engine/tests/it/matrix/mod.rs).

";

/// The rows about steps of other crates, and about processes. They have no column.
const FORK: &str = concat!(
    "| a coding agent | (no column: it is a step of another crate) in each container: the ",
    "process dies after each entry and the conversation goes on, a question waits and is answered ",
    "in another process, a cancel and a timeout end its processes | ",
    "[`places::a_run_that_is_cut_at_any_fact_goes_on_with_the_conversation`]",
    "(../crates/stepwright-harness/tests/it/places.rs) |\n",
    "| fork | (no column: it concerns processes) a host forks while a run waits: each child is a ",
    "driver of its own, so that a run has one driver, and a store that the parent opened refuses ",
    "calls in a child | [`fork::children_of_a_fork_are_drivers_of_their_own_and_the_store_of_the_parent_refuses`]",
    "(../crates/stepwright/tests/it/fork.rs) |\n",
);

/// The rows about files. What files alone have is tried in their crate, in the same containers.
const FILES: [(&str, &str, &str); 3] = [
    (
        "`use`",
        "a step and an agent of another file, with the variables of that file",
        "parts_of_other_files_work_in_every_container",
    ),
    ("`prompts`", "prompts of the file and of another file", "prompts_work_in_every_container"),
    (
        "registered functions",
        "functions of the program by name, with and without `with`",
        "functions_of_the_program_work_in_every_container",
    ),
];

/// The row about messages. Only agents get them, and the agents are not in the floor of this test.
const MESSAGES: &str = concat!(
    "| message | (no column: it concerns agents) a message is sent at each entry of the journal ",
    "of a run with an agent in each container, in each mode, and the process dies after each ",
    "later entry: the message is given once, by this run or by the next one of its session | ",
    "[`steering::cuts::a_message_at_each_fact_is_given_once_in_each_container`]",
    "(../crates/stepwright/tests/it/steering/cuts.rs) |\n",
);

/// The row about events, of which each wait receives one.
const EVENTS: &str = concat!(
    "| event | (no column: a function or a `wait_for` waits for it) a wait in each container: the ",
    "process dies after each entry, and each wait receives one event; the process is killed ",
    "(`kill -9`) in a branch of a `parallel` after the event was accepted, with SQLite and with ",
    "PostgreSQL; a cancelled run receives none | ",
    "[`awaited::a_wait_in_each_container_receives_its_event_whenever_the_process_dies`]",
    "(../crates/stepwright-engine/tests/it/awaited.rs) |\n",
);

/// The row about workspaces, which are above this crate.
const WORKSPACE: &str = concat!(
    "| workspace | (no column: every step can have one) a step in each container works in a folder ",
    "of the run, and in one of its own; the process dies after each entry, and another one finds ",
    "the same folders and lists the same files | ",
    "[`workspaces::a_folder_is_made_once_in_every_container_wherever_the_run_is_cut`]",
    "(../crates/stepwright-tools/tests/it/workspaces.rs) |\n",
);

/// The row about calls of MCP servers. A server is a process, so their tests are beside the client.
const SERVERS: &str = concat!(
    "| MCP calls | (no column: a server is a process of its own) an agent with two calls, in every ",
    "container: the process dies after each fact, and no call is repeated in silence: one of ",
    "unknown outcome asks; a question of the server pauses the run, and goes on in another process; ",
    "the run is cancelled in the middle of a call, and the server is told | ",
    "[`places::a_process_that_dies_at_any_fact_repeats_no_call_in_silence`]",
    "(../crates/stepwright-mcp/tests/it/places.rs) |\n",
);

/// The row about agents that act in processes that are killed: those tests start the command.
const ACTING: &str = concat!(
    "| agents that act | (no column: it concerns processes) in the branches of a `parallel`, an agent ",
    "calls an MCP server and a workflow with another agent, beside a coding agent: the process is ",
    "killed (`kill -9`) between two tool calls, and in another process no completed call and no ",
    "answered request is repeated, as the log of the provider says; a call of the server that was ",
    "cut off asks first; a question in a branch is answered in another process; a cancel ends an ",
    "answer that streams | ",
    "[`kills::acting::a_kill_between_two_tool_calls_repeats_none_of_them`]",
    "(../crates/stepwright-cli/tests/it/kills/acting.rs) |\n",
);

/// The rows about teams and about what else agents do. Agents are above this crate.
const AGENTS: [(&str, &str, &str, &str); 4] = [
    (
        "a team",
        "in each of its modes, in each container: the process dies after each entry, and no \
         answered request and no completed call of a member is repeated",
        "places::a_kill_at_any_fact_repeats_no_answered_request_and_no_completed_call",
        "stepwright-agent/tests/it/places.rs",
    ),
    (
        "an agent in front of a workflow, memories, media",
        "the same for an agent that runs a workflow, for one that writes memories of its user \
         after its answer (each change is made once), and for one that gets an image and whose \
         tool draws another one (every process can read both)",
        "places::a_kill_at_any_fact_repeats_no_answered_request_and_no_completed_call",
        "stepwright-agent/tests/it/places.rs",
    ),
    (
        "a question of a member",
        "tools of members and of steps behind an agent ask, two members at once, in each \
         container, and are answered in another process, which repeats nothing",
        "places::a_pause_inside_a_member_is_continued_by_another_process_without_repeating_anything",
        "stepwright-agent/tests/it/places.rs",
    ),
    (
        "guardrails",
        "guards before and after a model, a tool and a step, and a judge, in each container: the \
         process dies after each entry, no content is judged twice, and a cancel shows nothing \
         of a text that is held back",
        "guardrails::a_kill_at_any_fact_repeats_no_completed_request_and_asks_no_judge_twice",
        "stepwright/tests/it/guardrails.rs",
    ),
];

/// The page.
pub(super) fn written(columns: &[Column]) -> String {
    let mut page = HEAD.to_owned();
    let cells: usize = columns.iter().map(|column| column.cells().len()).sum();
    let works = columns.iter().flat_map(Column::cells).filter(|(_, cell)| *cell == Cell::Works);
    let _ = writeln!(page, "{cells} cells: {} work,", works.count());
    let _ = writeln!(page, "the other definitions are refused, or cannot be written.\n");
    let mut notes: Vec<String> = Vec::new();
    page.push_str("## The options\n\n| Option | Checked behaviour | Test |\n|---|---|---|\n");
    for Column { title, what, test, .. } in columns {
        let link = "../crates/stepwright-engine/tests/it/matrix/mod.rs";
        let _ = writeln!(page, "| {title} | {what} | [`matrix::{test}`]({link}) |");
    }
    for (title, what, test) in FILES {
        let _ = writeln!(
            page,
            "| {title} | (no column: files alone have it) {what}, in each container and in each \
             container of a container: the process dies after each entry, the result is the same, \
             and nothing completed is repeated | [`composed::{test}`]\
             (../crates/stepwright-file/tests/it/composed.rs) |"
        );
    }
    page.push_str(FORK);
    page.push_str(MESSAGES);
    page.push_str(EVENTS);
    page.push_str(WORKSPACE);
    page.push_str(SERVERS);
    page.push_str(ACTING);
    for (title, what, test, file) in AGENTS {
        let _ = writeln!(
            page,
            "| {title} | (no column: it concerns agents) {what} | [`{test}`](../crates/{file}) |"
        );
    }
    let mut body = String::new();
    for kind in STEPS.into_iter().chain(CONTAINERS) {
        let _ = writeln!(body, "\n## {}\n", heading(kind));
        let titles: Vec<_> = columns.iter().map(|column| column.title).collect();
        let _ = writeln!(body, "| Inside | {} |", titles.join(" | "));
        let _ = writeln!(body, "|---|{}", "---|".repeat(columns.len()));
        for inner in AROUND {
            let _ = write!(body, "| {} |", inside_of(inner));
            for column in columns {
                let here = column.cells().iter();
                let here = here.filter(|(case, _)| case.kind == kind && case.place.inner == inner);
                let mut all: Vec<&Cell> = Vec::new();
                for (_, cell) in here {
                    if !all.contains(&cell) {
                        all.push(cell);
                    }
                }
                let shown: Vec<_> = all.into_iter().map(|cell| shown(cell, &mut notes)).collect();
                let _ = write!(body, " {} |", shown.join(" "));
            }
            body.push('\n');
        }
    }
    page.push_str(
        "\nEach row covers a container, alone and inside each container of the list: `yes` means that all \
         of these work.\n",
    );
    page.push_str(&body);
    page.push_str("\n## Reasons\n\n");
    for (number, note) in notes.iter().enumerate() {
        let _ = writeln!(page, "{}. {note}", number + 1);
    }
    page
}

fn heading(kind: &str) -> String {
    match kind {
        "function" => "A function".to_owned(),
        "blocking function" => "A function that blocks its thread".to_owned(),
        "agent" => "An agent".to_owned(),
        "workflow" => "A workflow as a step".to_owned(),
        container => format!("`{container}`"),
    }
}

fn inside_of(container: &str) -> String {
    match container {
        "top level" => "nothing".to_owned(),
        "workflow" => "a workflow as a step".to_owned(),
        container => format!("`{container}`"),
    }
}

fn shown(cell: &Cell, notes: &mut Vec<String>) -> String {
    let why = match cell {
        Cell::Works => return "yes".to_owned(),
        Cell::Refused(why) => format!("The definition is refused: \"{why}\"."),
        Cell::Blocks => {
            "A function that blocks its thread cannot await, so it calls no tools and no agents."
                .to_owned()
        }
        Cell::NotOffered => "Containers have no such setting, so a program with it does not \
                             compile: set it on their steps."
            .to_owned(),
    };
    let number = notes.iter().position(|note| *note == why).unwrap_or_else(|| {
        notes.push(why);
        notes.len() - 1
    });
    format!("no ({})", number + 1)
}
