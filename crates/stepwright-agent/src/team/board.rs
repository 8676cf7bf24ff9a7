//! The list of tasks of a team: a fold of the conversation of its leader.
//!
//! Nothing of it is stored, because the calls of the leader and their results are facts. A run that
//! is resumed computes the same list.

use super::mode::TeamRules;
use serde_json::{Value, json};
use std::fmt::Write as _;
use stepwright_core::message::{Arguments, Message, ToolCall, ToolOutcome};
use stepwright_core::tool::ToolSpec;

/// The largest number of tasks of one run of a team.
pub const TEAM_TASKS_MAX: usize = 200;

/// The longest part of a result in the list of tasks, in characters.
const RESULT_CHARS_MAX: usize = 200;

pub(crate) const CREATE: &str = "create_task";
pub(crate) const UPDATE: &str = "update_task_status";
pub(crate) const NOTE: &str = "add_task_note";
pub(crate) const LIST: &str = "list_tasks";
pub(crate) const COMPLETE: &str = "mark_all_complete";

/// The tools of the list.
pub(crate) const TOOLS: [&str; 5] = [CREATE, UPDATE, NOTE, LIST, COMPLETE];

/// The beginning of the result of a call that was not made.
pub(crate) const NOT_CALLED: &str = "not called: ";

#[derive(Clone, Copy, Debug, PartialEq)]
enum Status {
    Pending,
    InProgress,
    Completed,
    Failed,
}

impl Status {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InProgress => "in_progress",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let all = [Self::Pending, Self::InProgress, Self::Completed, Self::Failed];
        all.into_iter().find(|status| status.name() == name)
    }
}

#[derive(Clone, Debug)]
struct Task {
    title: String,
    description: String,
    assignee: Option<String>,
    depends_on: Vec<usize>,
    status: Status,
    result: Option<String>,
    notes: Vec<String>,
}

/// The tasks of a run. The id of a task is its number, from 1.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board {
    tasks: Vec<Task>,
    is_complete: bool,
}

impl Board {
    /// Returns the tasks after these messages, and after `calls` of the turn under way.
    pub(crate) fn of(rules: &TeamRules, messages: &[Message], calls: &[ToolCall]) -> Self {
        let mut board = Self::default();
        let mut open: Vec<&ToolCall> = Vec::new();
        for message in messages {
            match message {
                Message::Assistant(turn) => open = turn.tool_calls().collect(),
                Message::Tool { results } => {
                    for call in open.drain(..) {
                        let result = results.iter().find(|result| result.call_id == call.id);
                        board.apply(rules, call, result);
                    }
                }
                Message::User { .. } => {}
            }
        }
        for call in calls {
            board.apply(rules, call, None);
        }
        board
    }

    /// Applies a call. `None` as its result means that it is under way.
    fn apply(&mut self, rules: &TeamRules, call: &ToolCall, result: Option<&ToolOutcome>) {
        let Arguments::Json(given) = &call.arguments else { return };
        if !rules.is_member(&call.name) {
            // A refusal changes nothing, and is computed again for the model.
            let _ = self.answer(rules, &call.name, given);
            return;
        }
        let is_refused = result.is_some_and(|it| it.is_error && it.text.starts_with(NOT_CALLED));
        let Ok(number) = self.begin(&call.name, given) else { return };
        if is_refused {
            return;
        }
        let Some(task) = self.tasks.get_mut(number - 1) else { return };
        task.assignee = Some(call.name.clone());
        match result {
            None => task.status = Status::InProgress,
            Some(result) => {
                task.status = if result.is_error { Status::Failed } else { Status::Completed };
                let text = result.whole.as_deref().unwrap_or(&result.text);
                task.result = Some(text.to_owned());
            }
        }
    }

    /// Carries out a call of a tool of the list.
    ///
    /// # Errors
    /// Returns what is wrong with the call, for the model.
    pub(crate) fn answer(
        &mut self,
        rules: &TeamRules,
        tool: &str,
        given: &Value,
    ) -> Result<String, String> {
        match tool {
            CREATE => self.create(rules, given),
            UPDATE => {
                let number = self.number(given)?;
                let status = text(given, "status").unwrap_or_default();
                let Some(status) = Status::of(status) else {
                    return Err(format!(
                        "`status` is `{status}`; it is `pending`, `in_progress`, `completed` or \
                         `failed`"
                    ));
                };
                let task = &mut self.tasks[number - 1];
                task.status = status;
                if let Some(result) = text(given, "result") {
                    task.result = Some(result.to_owned());
                }
                Ok(format!("task {number} is {}", status.name()))
            }
            NOTE => {
                let number = self.number(given)?;
                let note = text(given, "note").ok_or("`note` is missing")?;
                self.tasks[number - 1].notes.push(note.to_owned());
                Ok(format!("task {number} has the note"))
            }
            COMPLETE => {
                self.is_complete = true;
                Ok("the goal is marked as complete; write the answer now".to_owned())
            }
            _ => Ok(self.shown()),
        }
    }

    fn create(&mut self, rules: &TeamRules, given: &Value) -> Result<String, String> {
        let title = text(given, "title").ok_or("`title` is missing")?;
        let same = |task: &Task| task.title.trim().to_lowercase() == title.trim().to_lowercase();
        if let Some(at) = self.tasks.iter().position(same) {
            let status = self.tasks[at].status.name();
            return Ok(format!("there is task {} with this title already ({status})", at + 1));
        }
        if self.tasks.len() >= TEAM_TASKS_MAX {
            return Err(format!("there are {TEAM_TASKS_MAX} tasks, and no more are possible"));
        }
        let assignee = text(given, "assignee").map(ToOwned::to_owned);
        if let Some(assignee) = assignee.as_ref().filter(|name| !rules.is_member(name)) {
            let names = rules.members.join("`, `");
            return Err(format!("there is no member `{assignee}`; the members are `{names}`"));
        }
        let mut depends_on = Vec::new();
        for other in given["depends_on"].as_array().into_iter().flatten() {
            depends_on.push(self.number_of(other)?);
        }
        self.tasks.push(Task {
            title: title.to_owned(),
            description: text(given, "description").unwrap_or_default().to_owned(),
            assignee,
            depends_on,
            status: Status::Pending,
            result: None,
            notes: Vec::new(),
        });
        Ok(format!("task {} was created: {title}", self.tasks.len()))
    }

    /// Returns the number of the task that `member` is to do.
    ///
    /// # Errors
    /// Returns the reason that it cannot do it now, for the model.
    fn begin(&self, member: &str, given: &Value) -> Result<usize, String> {
        let number = self.number(given)?;
        let task = &self.tasks[number - 1];
        match task.status {
            Status::Completed => return Err(format!("task {number} is completed already")),
            Status::InProgress => return Err(format!("task {number} is in progress already")),
            Status::Pending | Status::Failed => {}
        }
        let is_open = |other: &&usize| self.tasks[**other - 1].status != Status::Completed;
        if let Some(other) = task.depends_on.iter().find(is_open) {
            let status = self.tasks[other - 1].status.name();
            return Err(format!("task {number} needs task {other} first, which is {status}"));
        }
        if let Some(assignee) = task.assignee.as_ref().filter(|name| *name != member)
            && task.status == Status::Pending
        {
            return Err(format!("task {number} is assigned to `{assignee}`"));
        }
        Ok(number)
    }

    /// Returns the message with which a member gets its task.
    ///
    /// # Errors
    /// Returns the reason that the member cannot do it now, for the model.
    pub(crate) fn handed(&self, member: &str, given: &Value) -> Result<String, String> {
        let task = &self.tasks[self.begin(member, given)? - 1];
        let mut message = task.title.clone();
        if !task.description.is_empty() {
            let _ = write!(message, "\n\n{}", task.description);
        }
        for note in &task.notes {
            let _ = write!(message, "\n\nNote: {note}");
        }
        for other in task.depends_on.iter().map(|other| &self.tasks[other - 1]) {
            let result = other.result.as_deref().unwrap_or_default();
            let _ = write!(message, "\n\nResult of \"{}\":\n{result}", other.title);
        }
        Ok(message)
    }

    /// Returns the numbers of the tasks that are neither completed nor failed.
    pub(crate) fn open(&self) -> Vec<usize> {
        let is_open = |task: &Task| matches!(task.status, Status::Pending | Status::InProgress);
        let all = (1..).zip(&self.tasks);
        all.filter(|(_, task)| !self.is_complete && is_open(task)).map(|(nth, _)| nth).collect()
    }

    fn number(&self, given: &Value) -> Result<usize, String> {
        self.number_of(&given["task_id"])
    }

    fn number_of(&self, id: &Value) -> Result<usize, String> {
        // Models write ids as texts and as numbers.
        let number = id.as_str().and_then(|text| text.trim().parse().ok());
        let number = number.or_else(|| id.as_u64()).and_then(|it| usize::try_from(it).ok());
        let known = |number: &usize| (1..=self.tasks.len()).contains(number);
        number.filter(known).ok_or_else(|| match self.tasks.len() {
            0 => format!("there is no task {id}; create one first"),
            last => format!("there is no task {id}; there are tasks 1 to {last}"),
        })
    }

    fn shown(&self) -> String {
        if self.tasks.is_empty() {
            return "there are no tasks yet".to_owned();
        }
        let mut all = String::new();
        for (number, task) in (1..).zip(&self.tasks) {
            let _ = write!(all, "{number}. {} ({}", task.title, task.status.name());
            if let Some(member) = &task.assignee {
                let _ = write!(all, ", {member}");
            }
            all.push_str(")\n");
            if !task.depends_on.is_empty() {
                let others: Vec<String> = task.depends_on.iter().map(usize::to_string).collect();
                let _ = writeln!(all, "   needs: {}", others.join(", "));
            }
            for note in &task.notes {
                let _ = writeln!(all, "   note: {note}");
            }
            if let Some(result) = &task.result {
                let beginning: String = result.chars().take(RESULT_CHARS_MAX).collect();
                let more = if beginning.len() < result.len() { " …" } else { "" };
                let _ = writeln!(all, "   result: {beginning}{more}");
            }
        }
        all
    }
}

fn text<'a>(given: &'a Value, name: &str) -> Option<&'a str> {
    given[name].as_str().filter(|text| !text.trim().is_empty())
}

/// Returns the descriptions of the tools of the list for the model.
pub(crate) fn specs(members: &[String]) -> Vec<ToolSpec> {
    let text = |about: &str| json!({"type": "string", "description": about});
    let id = || text("The id of the task.");
    let spec = |name: &str, description: &str, properties: Value, required: &[&str]| ToolSpec {
        name: name.into(),
        description: description.into(),
        parameters: json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        }),
    };
    let status = json!({
        "type": "string", "enum": ["pending", "in_progress", "completed", "failed"],
    });
    vec![
        spec(
            CREATE,
            "Adds a task to the list and returns its id.",
            json!({
                "title": text("A short title, which no other task has."),
                "description": text("What is to be done, and what a good result has in it."),
                "assignee": {"type": "string", "enum": members},
                "depends_on": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The ids of the tasks whose results this one needs.",
                },
            }),
            &["title"],
        ),
        spec(
            UPDATE,
            "Sets the status of a task that you did yourself, or that cannot be done.",
            json!({"task_id": id(), "status": status, "result": text("The result.")}),
            &["task_id", "status"],
        ),
        spec(
            NOTE,
            "Adds a note to a task, which its member reads with the task.",
            json!({"task_id": id(), "note": text("The note.")}),
            &["task_id", "note"],
        ),
        spec(LIST, "Shows all tasks with their status and results.", json!({}), &[]),
        spec(
            COMPLETE,
            "Ends the work on the list. Call it when the goal is reached, or out of reach, and \
             write the answer.",
            json!({"summary": text("The outcome in a sentence.")}),
            &["summary"],
        ),
    ]
}
