//! A provider of models at a real socket, which keeps a log.

use crate::support::PATIENCE;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Answers by what it is asked: the same to the same, after the same milliseconds. In each answer
/// is the key of what was asked.
///
/// An agent with tools is told to call one first; one that is told to `Use a, wait, b` calls these
/// one after the other, and waits between them until it is let go. A third turn is `FINAL`. An
/// agent that is told to `Wait` waits until it is let go, and an answer to `Stream` has no end. It
/// adds a memory where it is asked for the changes of memories. The provider is too busy for each
/// `Plan` and each second turn at first, once in a run; that is no call.
pub(crate) struct Provider {
    url: String,
    shared: Arc<Shared>,
}

/// A call that came.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The process that asked.
    pub(crate) by: String,
    /// The digest of all messages of the request.
    pub(crate) key: String,
    /// The messages of the request.
    pub(crate) messages: Value,
    /// `true` if all of the answer was sent.
    pub(crate) answered: bool,
    /// `true` if the answer waits until the process is let go.
    pub(crate) waits: bool,
    /// `true` if the process closed the connection before the end of the answer.
    pub(crate) left: bool,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    let_go: HashSet<String>,
    /// The runs that it was too busy for, and what they asked.
    refused: HashSet<(String, String)>,
    is_over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let shared = theirs.clone();
                // The caller may be killed in the middle.
                std::thread::spawn(move || serve(&socket, &shared));
            }
        });
        Self { url, shared }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets this command ask, under a name of its own.
    pub(crate) fn serve(&self, command: &mut Command, by: &str) {
        command.env("OPENAI_BASE_URL", &self.url).env("OPENAI_API_KEY", by);
    }

    /// The calls of those whose name begins like this.
    pub(crate) fn calls(&self, by: &str) -> Vec<Call> {
        let of = |call: &&Call| call.by.starts_with(by);
        self.shared.state().calls.iter().filter(of).cloned().collect()
    }

    /// Returns the number of times that it was too busy for this run.
    pub(crate) fn refused(&self, run: &str) -> usize {
        self.shared.state().refused.iter().filter(|(refused, _)| refused == run).count()
    }

    /// Returns the number of calls from this process.
    pub(crate) fn count(&self, by: &str) -> u64 {
        self.shared.state().calls.iter().filter(|call| call.by == by).map(|_| 1).sum()
    }

    /// Waits until there is something in the log. As long as calls come, it waits on: a busy
    /// machine takes its time.
    #[track_caller]
    pub(crate) fn waits_for<T>(&self, find: impl Fn(&[Call]) -> Option<T>) -> T {
        let (mut until, mut seen) = (Instant::now() + PATIENCE, 0);
        let mut state = self.shared.state();
        loop {
            if let Some(found) = find(&state.calls) {
                return found;
            }
            if state.calls.len() > seen {
                (until, seen) = (Instant::now() + PATIENCE, state.calls.len());
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{:#?}", state.calls);
            state = self.shared.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    /// Answers what this process was told to wait for, now and later.
    pub(crate) fn lets_go(&self, by: &str) {
        self.shared.state().let_go.insert(by.to_owned());
        self.shared.changed.notify_all();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().is_over = true;
        self.shared.changed.notify_all();
    }
}

/// The keys in a text.
pub(crate) fn keys(text: &str) -> Vec<String> {
    let after = text.split("key-").skip(1);
    after.map(|rest| rest.chars().take(16).collect()).collect()
}

fn serve(socket: &TcpStream, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let (by, asked) = read(socket)?;
    let messages = asked["messages"].as_array().cloned().unwrap_or_default();
    let last = messages.last().cloned().unwrap_or_default();
    let prompt = match &last["content"] {
        Value::String(text) => text.clone(),
        // Messages of a user that follow each other are one message with several texts.
        parts => {
            let mut parts = parts.as_array().into_iter().flatten().rev();
            let last = parts.find_map(|part| part["text"].as_str());
            last.unwrap_or_default().to_owned()
        }
    };
    let planned = Planned::of(&messages);
    let holds = prompt.starts_with("Wait") || planned.as_ref().is_some_and(|it| it.waits);
    let mut hasher = DefaultHasher::new();
    asked["messages"].to_string().hash(&mut hasher);
    let hash = hasher.finish();
    let key = format!("{hash:016x}");
    if prompt.starts_with("Plan") || prompt.starts_with("Turn 2") {
        let run = by.split('.').next().unwrap_or_default().to_owned();
        if shared.state().refused.insert((run, key.clone())) {
            return refuse(socket);
        }
    }
    let number = {
        let mut state = shared.state();
        let messages = asked["messages"].clone();
        let call = Call {
            by: by.clone(),
            key: key.clone(),
            messages,
            answered: false,
            waits: holds,
            left: false,
        };
        state.calls.push(call);
        shared.changed.notify_all();
        let waits = |state: &mut State| holds && !state.let_go.contains(&by) && !state.is_over;
        let number = state.calls.len() - 1;
        drop(shared.changed.wait_while(state, waits).unwrap());
        number
    };
    std::thread::sleep(Duration::from_millis(1 + hash % 4));
    let call = planned.as_ref().and_then(|it| it.call.as_deref());
    let is_told_first = match &planned {
        Some(planned) => planned.call.is_some(),
        None => last["role"] == "user" && asked["tools"].is_array(),
    };
    let answer = if let Some(name) = call {
        let nth = planned.as_ref().map_or(0, |it| it.nth).to_string();
        let arguments = json!({ argument(&asked, name): nth });
        vec![json!({"tool_calls": [{
            "index": 0, "id": format!("key-{key}"), "type": "function",
            "function": {"name": name, "arguments": arguments.to_string()},
        }]})]
    } else if is_told_first {
        vec![json!({"tool_calls": [{
            "index": 0, "id": format!("key-{key}"), "type": "function",
            "function": {"name": "read_file", "arguments": "{\"path\": \"notes.txt\"}"},
        }]})]
    } else if prompt.starts_with("Memories so far") {
        let memory = format!("Asked about key-{key}.");
        let changes = json!({"changes": [{"change": "add", "memory": memory}]});
        vec![json!({"content": changes.to_string()})]
    } else {
        let end = if prompt.starts_with("Turn 3") { " FINAL" } else { "" };
        let begin = json!({"content": "I say "});
        vec![begin, json!({"content": format!("key-{key}{end}")})]
    };
    let mut socket = socket;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    socket.write_all(head.as_bytes())?;
    if prompt.starts_with("Stream") {
        let word = json!({"choices": [{"index": 0, "delta": {"content": "on "},
            "finish_reason": null}]});
        // Until the caller leaves.
        while send(socket, &word).is_ok() && !shared.state().is_over {
            std::thread::sleep(Duration::from_millis(2));
        }
        shared.state().calls[number].left = true;
        shared.changed.notify_all();
        return Ok(());
    }
    for delta in answer {
        send(socket, &json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))?;
        std::thread::sleep(Duration::from_millis(1));
    }
    let reason = if is_told_first { "tool_calls" } else { "stop" };
    send(socket, &json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))?;
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 13});
    send(socket, &json!({"choices": [], "usage": usage}))?;
    socket.write_all(b"data: [DONE]\n\n")?;
    shared.state().calls[number].answered = true;
    Ok(())
}

/// Returns the name of the first argument that a tool needs.
fn argument(asked: &Value, tool: &str) -> String {
    let mut tools = asked["tools"].as_array().into_iter().flatten();
    let tool = tools.find(|it| it["function"]["name"] == tool);
    let needed = tool.and_then(|it| it["function"]["parameters"]["required"][0].as_str());
    needed.unwrap_or("message").to_owned()
}

/// The next call of an agent that is told which tools to use.
struct Planned {
    /// The number of calls before it.
    nth: usize,
    call: Option<String>,
    waits: bool,
}

impl Planned {
    fn of(messages: &[Value]) -> Option<Self> {
        let text = |message: &Value| match &message["content"] {
            // Beside a text there may be images.
            Value::Array(parts) => {
                parts.iter().find_map(|part| Some(part["text"].as_str()?.into()))
            }
            content => content.as_str().map(ToOwned::to_owned),
        };
        let told = messages.iter().filter(|message| message["role"] == "user").find_map(text)?;
        let plan: Vec<&str> = told.strip_prefix("Use ")?.split(", ").collect();
        let nth = messages.iter().filter(|message| message["role"] == "tool").count();
        let is_call = |word: &&str| *word != "wait";
        let at = plan.iter().enumerate().filter(|(_, word)| is_call(word)).nth(nth);
        let at = at.map_or(plan.len(), |(at, _)| at);
        let waits = at > 0 && plan[at - 1] == "wait";
        Some(Self { nth, call: plan.get(at).map(|word| (*word).to_owned()), waits })
    }
}

fn refuse(mut socket: &TcpStream) -> io::Result<()> {
    let body = r#"{"error": {"message": "too many requests", "type": "requests"}}"#;
    let head = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\nretry-after: 0";
    let length = body.len();
    write!(socket, "{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn send(mut socket: &TcpStream, what: &Value) -> io::Result<()> {
    let mut chunk = what.clone();
    chunk["id"] = "chatcmpl-1".into();
    chunk["object"] = "chat.completion.chunk".into();
    chunk["created"] = 1_795_000_000.into();
    chunk["model"] = "scripted".into();
    socket.write_all(format!("data: {chunk}\n\n").as_bytes())
}

/// Returns the process that asks, and its request.
fn read(socket: &TcpStream) -> io::Result<(String, Value)> {
    let mut lines = BufReader::new(socket);
    let (mut by, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.split_once(':') else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name.to_lowercase().as_str() {
            "authorization" => by = value.trim().trim_start_matches("Bearer ").into(),
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body)?;
    Ok((by, serde_json::from_slice(&body)?))
}
