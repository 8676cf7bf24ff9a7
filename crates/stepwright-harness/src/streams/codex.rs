//! Codex: `codex exec --json`.

use super::{next, text};
use crate::event::{HarnessEvent, Message, Refusal, TurnEnd};
use crate::job::{Job, Talk};
use crate::lines::JsonLines;
use crate::process::Pipes;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use stepwright_core::message::{AssistantTurn, StopReason, Usage};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

/// Returns the arguments of the program. The message comes by its input.
pub(crate) fn args(job: &Job, model: Option<&str>, read_only: bool) -> Vec<String> {
    let mut args = vec!["exec".to_owned(), "--json".to_owned()];
    let sandbox = if read_only { "read-only" } else { "workspace-write" };
    args.extend(["--sandbox".to_owned(), sandbox.to_owned()]);
    // A step may work where there is no repository; its folder is contained all the same.
    args.push("--skip-git-repo-check".to_owned());
    if let Some(model) = model {
        args.extend(["--model".to_owned(), model.to_owned()]);
    }
    if let Some(id) = &job.resume {
        args.extend(["resume".to_owned(), id.clone()]);
    }
    args.push("-".to_owned());
    args
}

/// Has one turn with Codex.
pub(crate) async fn speak(job: Job, pipes: Pipes, talk: &mut Talk) -> Result<(), String> {
    let Pipes { mut stdin, stdout } = pipes;
    let mut lines = JsonLines::new(stdout);
    let Some(prompt) = talk.prompts.recv().await else { return Ok(()) };
    let lost = |error: std::io::Error| format!("it takes no input: {error}");
    stdin.write_all(prompt.as_bytes()).await.map_err(lost)?;
    stdin.shutdown().await.map_err(lost)?;
    drop(stdin);
    let mut speaker = Speaker {
        talk: &talk.events,
        begun: BTreeSet::new(),
        said: String::new(),
        error: None,
        is_known: false,
    };
    while let Some(event) = next(&mut lines).await? {
        let is_end = matches!(text(&event, "type"), "turn.completed" | "turn.failed");
        speaker.hears(&event).await?;
        if is_end {
            return Ok(());
        }
    }
    if job.resume.is_some() && !speaker.is_known {
        let why = "it does not know the conversation any more".to_owned();
        return speaker.tell(HarnessEvent::Refused(Refusal::Session(why))).await;
    }
    match speaker.error.take() {
        Some(error) => Err(error),
        None => Err("it ended in the middle of its turn".to_owned()),
    }
}

struct Speaker<'t> {
    talk: &'t mpsc::Sender<HarnessEvent>,
    /// The items that began as calls.
    begun: BTreeSet<String>,
    /// The last message.
    said: String,
    /// The last error, which may pass.
    error: Option<String>,
    /// `true` if it has named the conversation.
    is_known: bool,
}

impl Speaker<'_> {
    async fn tell(&self, event: HarnessEvent) -> Result<(), String> {
        self.talk.send(event).await.map_err(|_| "the step has ended".to_owned())
    }

    async fn hears(&mut self, event: &Value) -> Result<(), String> {
        match text(event, "type") {
            "thread.started" => {
                let id = text(event, "thread_id").to_owned();
                self.is_known = true;
                self.tell(HarnessEvent::Session { id, loads: true }).await?;
            }
            "item.started" => self.item(&event["item"], false).await?,
            "item.completed" => self.item(&event["item"], true).await?,
            "turn.completed" => self.end(&event["usage"], None).await?,
            "turn.failed" => {
                let why = text(&event["error"], "message");
                let why = if why.is_empty() { "its turn failed" } else { why };
                self.end(&Value::Null, Some(why.to_owned())).await?;
            }
            "error" => {
                let why = text(event, "message").to_owned();
                self.tell(HarnessEvent::Note(why.clone())).await?;
                self.error = Some(why);
            }
            _ => {}
        }
        Ok(())
    }

    async fn item(&mut self, item: &Value, is_done: bool) -> Result<(), String> {
        let id = text(item, "id").to_owned();
        let (name, arguments) = match text(item, "type") {
            "agent_message" => {
                if is_done {
                    text(item, "text").clone_into(&mut self.said);
                    self.tell(HarnessEvent::Text(self.said.clone())).await?;
                }
                return Ok(());
            }
            "reasoning" => {
                if is_done {
                    let thought = text(item, "text").to_owned();
                    self.tell(HarnessEvent::Reasoning(thought)).await?;
                }
                return Ok(());
            }
            "error" => return self.tell(HarnessEvent::Note(text(item, "message").into())).await,
            "command_execution" => ("command", json!({"command": item["command"]})),
            "file_change" => ("file_change", json!({"changes": item["changes"]})),
            "mcp_tool_call" => (
                "mcp_tool_call",
                json!({"server": item["server"], "tool": item["tool"],
                    "arguments": item["arguments"]}),
            ),
            "web_search" => ("web_search", json!({"query": item["query"]})),
            "todo_list" => return Ok(()),
            "" => return Ok(()),
            other => (other, json!({})),
        };
        if self.begun.insert(id.clone()) {
            let (id, name) = (id.clone(), name.to_owned());
            self.tell(HarnessEvent::CallStarted { id, name, arguments }).await?;
        }
        if is_done {
            let (text, is_error) = outcome(item);
            self.tell(HarnessEvent::CallEnded { id, text, is_error }).await?;
        }
        Ok(())
    }

    async fn end(&mut self, usage: &Value, error: Option<String>) -> Result<(), String> {
        let count = |key: &str| usage[key].as_u64();
        let text = std::mem::take(&mut self.said);
        let last = Message {
            answer: AssistantTurn::text_only(text.clone()),
            usage: Usage {
                input_tokens: count("input_tokens"),
                output_tokens: count("output_tokens"),
                cache_read_tokens: count("cached_input_tokens"),
                cache_write_tokens: count("cache_write_input_tokens"),
                reasoning_tokens: count("reasoning_output_tokens"),
                ..Usage::default()
            },
            model: None,
        };
        let (stop, usd) = (StopReason::EndTurn, None);
        let end = TurnEnd { text, last, stop, usd, error, is_total: true };
        self.tell(HarnessEvent::Ended(Box::new(end))).await
    }
}

/// Returns the text of an item that has ended.
fn outcome(item: &Value) -> (String, bool) {
    let is_failed = matches!(text(item, "status"), "failed" | "declined");
    let mut told = match text(item, "type") {
        "command_execution" => {
            let mut told = text(item, "aggregated_output").to_owned();
            if let Some(code) = item["exit_code"].as_i64().filter(|code| *code != 0) {
                let _ = write!(told, "\nexit code {code}");
            }
            told
        }
        "file_change" => {
            let changes = item["changes"].as_array().into_iter().flatten();
            let lines = changes.map(|it| format!("{} {}", text(it, "kind"), text(it, "path")));
            lines.collect::<Vec<_>>().join("\n")
        }
        "mcp_tool_call" => match &item["error"] {
            Value::Null => item["result"].to_string(),
            error => text(error, "message").to_owned(),
        },
        _ => String::new(),
    };
    if told.trim().is_empty() {
        told = if is_failed { "it failed".into() } else { "done".into() };
    }
    (told.trim().to_owned(), is_failed)
}
