//! Claude Code: `claude -p --input-format stream-json --output-format stream-json`.

use super::{next, text};
use crate::event::{Act, Decision, HarnessEvent, Message, Question, Refusal, TurnEnd};
use crate::job::{Job, Talk};
use crate::lines::JsonLines;
use crate::process::Pipes;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;
use stepwright_core::message::{Arguments, Part, StopReason, ToolCall, Usage};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;
use tokio::sync::{mpsc, oneshot};

/// The refusal of a tool that asks a person for more than a permission.
const NO_QUESTIONS: &str = "no person can be asked here; decide by yourself, and say in your \
                            answer what you have assumed";

/// Returns the arguments of the program.
pub(crate) fn args(job: &Job, model: Option<&str>, instructions: Option<&str>) -> Vec<String> {
    let mut args: Vec<String> = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--include-partial-messages",
        "--verbose",
        "--permission-prompt-tool",
        "stdio",
    ]
    .map(ToOwned::to_owned)
    .into();
    match &job.resume {
        Some(id) => args.extend(["--resume".to_owned(), id.clone()]),
        None => args.extend(["--session-id".to_owned(), job.fresh.clone()]),
    }
    if let Some(model) = model {
        args.extend(["--model".to_owned(), model.to_owned()]);
    }
    if let Some(instructions) = instructions {
        args.extend(["--append-system-prompt".to_owned(), instructions.to_owned()]);
    }
    args
}

/// A message of the model that is not complete.
#[derive(Default)]
struct Open {
    id: String,
    message: Message,
    calls: Vec<ToolCall>,
}

struct Speaker<'t> {
    talk: &'t mpsc::Sender<HarnessEvent>,
    open: Option<Open>,
    /// The last message, which a further event makes one of several.
    last: Option<Message>,
    /// The questions that wait, by their ids: for agents that take them back.
    asked: HashMap<String, tokio::task::AbortHandle>,
    said: String,
    streams: bool,
    session: String,
}

/// Has one turn with Claude Code.
pub(crate) async fn speak(job: Job, pipes: Pipes, talk: &mut Talk) -> Result<(), String> {
    let Pipes { mut stdin, stdout } = pipes;
    let mut lines = JsonLines::new(stdout);
    let session = job.resume.clone().unwrap_or(job.fresh);
    let known = HarnessEvent::Session { id: session.clone(), loads: true };
    if talk.events.send(known).await.is_err() {
        return Ok(());
    }
    let Some(prompt) = talk.prompts.recv().await else { return Ok(()) };
    let message = json!({
        "type": "user", "parent_tool_use_id": null, "session_id": session,
        "message": {"role": "user", "content": [{"type": "text", "text": prompt}]},
    });
    write(&mut stdin, &message).await?;
    let (answers, mut answered) = mpsc::unbounded_channel::<(String, Value)>();
    let mut speaker = Speaker {
        talk: &talk.events,
        open: None,
        last: None,
        asked: HashMap::new(),
        said: String::new(),
        streams: false,
        session,
    };
    loop {
        let message = tokio::select! {
            biased;
            Some((id, answer)) = answered.recv() => {
                speaker.asked.remove(&id);
                write(&mut stdin, &answer).await?;
                continue;
            }
            message = next(&mut lines) => message?,
        };
        let Some(message) = message else {
            return Err("it ended in the middle of its turn".to_owned());
        };
        match text(&message, "type") {
            "control_request" => speaker.asks(&message, &answers).await?,
            "control_cancel_request" => {
                if let Some(task) = speaker.asked.remove(text(&message, "request_id")) {
                    task.abort();
                }
            }
            "result" => {
                speaker.end(&message, job.resume.is_some()).await;
                return Ok(());
            }
            _ => speaker.hears(&message).await?,
        }
    }
}

async fn write(stdin: &mut ChildStdin, message: &Value) -> Result<(), String> {
    let line = format!("{message}\n");
    let lost = |error: std::io::Error| format!("it takes no more input: {error}");
    stdin.write_all(line.as_bytes()).await.map_err(lost)?;
    stdin.flush().await.map_err(lost)
}

/// Returns the usage that the provider reports. Its input tokens leave out the cached ones.
fn usage(value: &Value) -> Usage {
    let count = |key: &str| value[key].as_u64();
    let (read, write) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    Usage {
        input_tokens: count("input_tokens")
            .map(|input| input + read.unwrap_or(0) + write.unwrap_or(0)),
        output_tokens: count("output_tokens"),
        cache_read_tokens: read,
        cache_write_tokens: write,
        ..Usage::default()
    }
}

/// Returns the text of a result of a tool.
fn result_text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let texts = blocks.iter().map(|block| match text(block, "type") {
                "text" => text(block, "text").to_owned(),
                other => format!("[{other}]"),
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

impl Speaker<'_> {
    async fn tell(&self, event: HarnessEvent) -> Result<(), String> {
        self.talk.send(event).await.map_err(|_| "the step has ended".to_owned())
    }

    async fn hears(&mut self, message: &Value) -> Result<(), String> {
        let is_inner = message["parent_tool_use_id"].is_string();
        match text(message, "type") {
            "system" if message["subtype"] == "init" => {
                let id = text(message, "session_id");
                if !id.is_empty() && id != self.session {
                    id.clone_into(&mut self.session);
                    let id = id.to_owned();
                    self.tell(HarnessEvent::Session { id, loads: true }).await?;
                }
            }
            "stream_event" => self.streams(&message["event"], is_inner).await?,
            "assistant" => self.says(&message["message"], is_inner).await?,
            "user" => {
                self.complete().await?;
                for block in message["message"]["content"].as_array().into_iter().flatten() {
                    if block["type"] == "tool_result" {
                        let id = text(block, "tool_use_id").to_owned();
                        let said = result_text(&block["content"]);
                        let is_error = block["is_error"] == true;
                        self.tell(HarnessEvent::CallEnded { id, text: said, is_error }).await?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn streams(&mut self, event: &Value, is_inner: bool) -> Result<(), String> {
        match text(event, "type") {
            "message_start" => {
                self.streams = true;
                let message = &event["message"];
                self.begins(text(message, "id")).await?;
                if let Some(open) = &mut self.open {
                    open.message.usage = usage(&message["usage"]);
                    open.message.model = message["model"].as_str().map(ToOwned::to_owned);
                }
            }
            "content_block_delta" if !is_inner => {
                let delta = &event["delta"];
                match text(delta, "type") {
                    "text_delta" => {
                        self.tell(HarnessEvent::Text(text(delta, "text").to_owned())).await?;
                    }
                    "thinking_delta" => {
                        let thought = text(delta, "thinking").to_owned();
                        self.tell(HarnessEvent::Reasoning(thought)).await?;
                    }
                    _ => {}
                }
            }
            "message_delta" => {
                let told = usage(&event["usage"]);
                if let Some(open) = &mut self.open {
                    let known = &mut open.message.usage;
                    known.output_tokens = told.output_tokens.or(known.output_tokens);
                    known.input_tokens = told.input_tokens.or(known.input_tokens);
                }
            }
            "message_stop" => self.complete().await?,
            _ => {}
        }
        Ok(())
    }

    /// Notes that the message with this id begins, unless it is open.
    async fn begins(&mut self, id: &str) -> Result<(), String> {
        if self.open.as_ref().is_none_or(|open| open.id != id) {
            self.complete().await?;
            if let Some(before) = self.last.take() {
                self.tell(HarnessEvent::Answered(before)).await?;
            }
            self.open = Some(Open { id: id.to_owned(), ..Open::default() });
        }
        Ok(())
    }

    /// Reads a part of a message of the model. Each of them comes in an event of its own.
    async fn says(&mut self, message: &Value, is_inner: bool) -> Result<(), String> {
        self.begins(text(message, "id")).await?;
        let Some(open) = &mut self.open else { return Ok(()) };
        if !self.streams {
            open.message.usage = usage(&message["usage"]);
            open.message.model = message["model"].as_str().map(ToOwned::to_owned);
        }
        let mut texts = Vec::new();
        for block in message["content"].as_array().into_iter().flatten() {
            let parts = &mut open.message.answer.parts;
            match text(block, "type") {
                "text" => {
                    let said = text(block, "text").to_owned();
                    if !is_inner {
                        self.said.clone_from(&said);
                        texts.push(said.clone());
                    }
                    parts.push(Part::Text { text: said });
                }
                "thinking" => {
                    parts.push(Part::Reasoning { text: text(block, "thinking").to_owned() });
                }
                "tool_use" => {
                    let call = ToolCall {
                        id: text(block, "id").to_owned(),
                        name: text(block, "name").to_owned(),
                        arguments: Arguments::json(block["input"].clone()),
                    };
                    parts.push(Part::ToolCall(call.clone()));
                    open.calls.push(call);
                }
                _ => {}
            }
        }
        if !self.streams {
            for said in texts {
                self.tell(HarnessEvent::Text(said)).await?;
            }
        }
        Ok(())
    }

    /// Notes that the open message is complete. If it calls tools, the turn goes on.
    async fn complete(&mut self) -> Result<(), String> {
        let Some(Open { message, calls, .. }) = self.open.take() else { return Ok(()) };
        if calls.is_empty() {
            self.last = Some(message);
            return Ok(());
        }
        self.tell(HarnessEvent::Answered(message)).await?;
        for ToolCall { id, name, arguments } in calls {
            let arguments = match arguments {
                Arguments::Json(value) => Value::clone(&value),
                Arguments::Invalid(raw) => raw.into(),
            };
            self.tell(HarnessEvent::CallStarted { id, name, arguments }).await?;
        }
        Ok(())
    }

    async fn asks(
        &mut self,
        message: &Value,
        answers: &mpsc::UnboundedSender<(String, Value)>,
    ) -> Result<(), String> {
        let id = text(message, "request_id").to_owned();
        let request = &message["request"];
        if request["subtype"] != "can_use_tool" {
            let error = json!({"subtype": "error", "request_id": id,
                "error": "this client knows no such request"});
            let answer = json!({"type": "control_response", "response": error});
            let _ = answers.send((id, answer));
            return Ok(());
        }
        // A call may be asked about before its message is told to be complete.
        self.complete().await?;
        let (tool, input) = (text(request, "tool_name").to_owned(), request["input"].clone());
        if tool == "AskUserQuestion" {
            let _ = answers
                .send((id.clone(), decided(&id, &input, Decision::Refuse(NO_QUESTIONS.into()))));
            return Ok(());
        }
        let question = Question {
            call: request["tool_use_id"].as_str().map(ToOwned::to_owned),
            act: act(&tool, &input),
            tool,
            arguments: input.clone(),
        };
        let (reply, decision) = oneshot::channel();
        self.tell(HarnessEvent::Asks { question, reply }).await?;
        let (answers, name) = (answers.clone(), id.clone());
        let task = tokio::spawn(async move {
            if let Ok(decision) = decision.await {
                let answer = decided(&name, &input, decision);
                let _ = answers.send((name, answer));
            }
        });
        self.asked.insert(id, task.abort_handle());
        Ok(())
    }

    async fn end(&mut self, result: &Value, is_continued: bool) {
        let _ = self.complete().await;
        let subtype = text(result, "subtype");
        let errors = result["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = errors.filter_map(Value::as_str).collect();
        let failed = result["is_error"] == true || subtype.starts_with("error");
        let said = result["result"].as_str();
        let error = failed.then(|| match (errors.as_slice(), said) {
            ([], Some(said)) if !said.is_empty() => said.to_owned(),
            ([], _) => format!("its turn ended with `{subtype}`"),
            (errors, _) => errors.join("; "),
        });
        // It says so ahead of its first message.
        let is_unknown = |error: &String| error.contains("No conversation found");
        if is_continued && let Some(error) = error.clone().filter(is_unknown) {
            let _ = self.tell(HarnessEvent::Refused(Refusal::Session(error))).await;
            return;
        }
        let mut last = self.last.take().unwrap_or_default();
        if last.usage.is_empty() && last.answer.parts.is_empty() {
            last.usage = usage(&result["usage"]);
        }
        let stop = match result["stop_reason"].as_str() {
            Some("max_tokens") => StopReason::Length,
            Some("refusal") => StopReason::Refused,
            _ => StopReason::EndTurn,
        };
        let end = TurnEnd {
            text: said.map_or_else(|| std::mem::take(&mut self.said), ToOwned::to_owned),
            last,
            stop,
            usd: result["total_cost_usd"].as_f64(),
            is_total: false,
            error,
        };
        let _ = self.tell(HarnessEvent::Ended(Box::new(end))).await;
    }
}

fn decided(id: &str, input: &Value, decision: Decision) -> Value {
    let response = match decision {
        Decision::Allow => json!({"behavior": "allow", "updatedInput": input}),
        Decision::Refuse(why) => json!({"behavior": "deny", "message": why}),
    };
    let response = json!({"subtype": "success", "request_id": id, "response": response});
    json!({"type": "control_response", "response": response})
}

/// Returns what a tool of Claude Code does.
fn act(tool: &str, input: &Value) -> Act {
    let paths = |keys: &[&str]| -> Vec<PathBuf> {
        keys.iter().filter_map(|key| input[*key].as_str()).map(PathBuf::from).collect()
    };
    match tool {
        "Bash" => Act::Command(text(input, "command").to_owned()),
        "Edit" | "Write" | "MultiEdit" | "NotebookEdit" => {
            Act::Write(paths(&["file_path", "notebook_path"]))
        }
        "Read" | "NotebookRead" => Act::Read(paths(&["file_path", "notebook_path"])),
        "Glob" | "Grep" | "LS" => Act::Read(paths(&["path"])),
        _ => Act::Other,
    }
}
