//! The `Scratchpad` toolkit: notes and a list of things to do.

use crate::kit::KitTool;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use stepwright_agent::{FunctionTool, Toolkit};
use stepwright_core::tool::{AnyTool, ToolError};
use stepwright_core::{Error, StepContext, StepError};

/// The longest note, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// The largest number of notes of one step.
pub const NOTES_MAX: usize = 200;

/// The largest number of things to do.
pub const TASKS_MAX: usize = 100;

/// The largest number of changes of a scratchpad in one step.
pub const CHANGES_MAX: u32 = 2_000;

/// A toolkit with which a model keeps notes and a list of things to do: `write_note`, `read_notes`
/// and `write_todos`.
///
/// Each change is a fact of the run, so that a resumed run has them. They belong to the step that
/// the agent carries out.
///
/// ```
/// use stepwright_agent::Agent;
/// use stepwright_tools::Scratchpad;
/// let agent = Agent::builder("Planner").model("offline")?.tool(Scratchpad).build()?;
/// assert_eq!(agent.tools().len(), 3);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Scratchpad;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteNote {
    /// The title of the note. A note with the same title is replaced.
    title: String,
    /// The text. An empty text removes the note.
    text: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReadNotes {
    /// The title of one note. Default: all of them, and the list of things to do.
    title: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WriteTodos {
    /// The whole list, which replaces the earlier one.
    todos: Vec<Todo>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
struct Todo {
    /// The thing to do.
    task: String,
    /// Its progress.
    status: Status,
}

#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Pending,
    InProgress,
    Done,
}

/// A change, as the journal keeps it.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Change {
    /// The path of the call that made it: a call that is made again changes nothing more.
    call: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    todos: Option<Vec<Todo>>,
}

/// The notes and the list.
#[derive(Debug, Default)]
struct Pad {
    notes: BTreeMap<String, String>,
    todos: Vec<Todo>,
    changes: u32,
}

fn key(number: u32) -> String {
    format!("scratchpad:{number}")
}

impl Pad {
    /// Folds the changes that the journal has.
    fn of(step: &StepContext) -> Result<Self, ToolError> {
        let mut pad = Self::default();
        while let Some(value) = step.recorded(&key(pad.changes + 1)) {
            pad.apply(read(value)?);
        }
        Ok(pad)
    }

    fn apply(&mut self, change: Change) {
        self.changes += 1;
        match change.note {
            Some((title, text)) if text.is_empty() => drop(self.notes.remove(&title)),
            Some((title, text)) => drop(self.notes.insert(title, text)),
            None => {}
        }
        self.todos = change.todos.unwrap_or(std::mem::take(&mut self.todos));
    }

    fn todos(&self) -> String {
        let line = |todo: &Todo| {
            let sign = match todo.status {
                Status::Pending => " ",
                Status::InProgress => "~",
                Status::Done => "x",
            };
            format!("[{sign}] {}", todo.task)
        };
        self.todos.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

fn read(value: Value) -> Result<Change, ToolError> {
    serde_json::from_value(value).map_err(|error| {
        let message = format!("the journal has another kind of change of the scratchpad: {error}");
        ToolError::Fatal(StepError::terminal(message))
    })
}

/// Records a change, unless this call has made it in an earlier attempt or process.
async fn record(cx: &StepContext, change: Change) -> Result<Pad, ToolError> {
    let step = cx.of_caller();
    let mut pad = Pad::default();
    loop {
        if pad.changes == CHANGES_MAX {
            let message =
                format!("the scratchpad has had {CHANGES_MAX} changes, and takes no more");
            return Err(ToolError::Failed(message));
        }
        // A call at the same time may take the number: then this one takes the next.
        let mine = change.clone();
        let done = step.once(&key(pad.changes + 1), async move { Ok::<_, StepError>(mine) });
        let done: Change = done.await.map_err(ToolError::Fatal)?;
        let is_mine = done.call == change.call;
        pad.apply(done);
        if is_mine {
            // What came later stands, too.
            return Pad::of(&step).map(|all| if all.changes > pad.changes { all } else { pad });
        }
    }
}

impl Toolkit for Scratchpad {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        let write = FunctionTool::new(
            "write_note",
            "Keeps a note for later in this task, such as a result or a plan.",
            |args: WriteNote, cx: StepContext| async move {
                if args.title.trim().is_empty() {
                    return Err(ToolError::Arguments("`title` is empty".into()));
                }
                if args.text.len() > NOTE_BYTES_MAX {
                    let bytes = args.text.len();
                    let wrong = format!("`text` has {bytes} bytes; the limit is {NOTE_BYTES_MAX}");
                    return Err(ToolError::Arguments(wrong));
                }
                let known = Pad::of(&cx.of_caller())?;
                if known.notes.len() >= NOTES_MAX && !known.notes.contains_key(&args.title) {
                    let full = format!("there are {NOTES_MAX} notes already; remove some");
                    return Err(ToolError::Failed(full));
                }
                let title = args.title.clone();
                let (call, note) = (cx.path().to_string(), Some((args.title, args.text)));
                let pad = record(&cx, Change { call, note, todos: None }).await?;
                let kept = if pad.notes.contains_key(&title) { "kept" } else { "removed" };
                Ok(format!("{kept} `{title}`; there are {} notes", pad.notes.len()))
            },
        );
        let notes = FunctionTool::new(
            "read_notes",
            "Reads your notes and your list of things to do.",
            |args: ReadNotes, cx: StepContext| async move {
                let pad = Pad::of(&cx.of_caller())?;
                if let Some(title) = args.title {
                    return pad.notes.get(&title).cloned().ok_or_else(|| {
                        let titles: Vec<String> =
                            pad.notes.keys().map(|title| format!("`{title}`")).collect();
                        let known =
                            if titles.is_empty() { "no notes".into() } else { titles.join(", ") };
                        ToolError::Failed(format!("there is no note `{title}`; there are {known}"))
                    });
                }
                let notes = pad.notes.iter().map(|(title, text)| format!("# {title}\n{text}"));
                let mut parts: Vec<String> = notes.collect();
                if !pad.todos.is_empty() {
                    parts.push(format!("# To do\n{}", pad.todos()));
                }
                Ok(if parts.is_empty() { "there are no notes".into() } else { parts.join("\n\n") })
            },
        );
        let todos = FunctionTool::new(
            "write_todos",
            "Keeps your list of things to do. Write it when a task has several steps, and again \
             whenever one is begun or done.",
            |args: WriteTodos, cx: StepContext| async move {
                if args.todos.len() > TASKS_MAX {
                    let count = args.todos.len();
                    let wrong = format!("`todos` has {count} tasks; the limit is {TASKS_MAX}");
                    return Err(ToolError::Arguments(wrong));
                }
                if let Some(todo) = args.todos.iter().find(|todo| todo.task.len() > NOTE_BYTES_MAX)
                {
                    let bytes = todo.task.len();
                    let wrong = format!("a task has {bytes} bytes; the limit is {NOTE_BYTES_MAX}");
                    return Err(ToolError::Arguments(wrong));
                }
                let (call, todos) = (cx.path().to_string(), Some(args.todos));
                let pad = record(&cx, Change { call, note: None, todos }).await?;
                Ok(if pad.todos.is_empty() { "the list is empty".into() } else { pad.todos() })
            },
        );
        Ok(vec![
            // The call that made a change is kept with it, so that it is made once.
            KitTool::within(write.idempotent()),
            KitTool::within(notes.read_only()),
            KitTool::within(todos.idempotent()),
        ])
    }
}
