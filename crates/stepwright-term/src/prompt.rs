//! The prompt. It reads on a thread of its own, so that typing never blocks the runtime.

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ConditionalEventHandler, Config, Editor, Event, EventContext, EventHandler, Helper,
    KeyCode, KeyEvent, Modifiers, RepeatCount,
};
use std::borrow::Cow;
use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use stepwright_core::{Error, ErrorId};
use tokio::sync::oneshot;

/// The largest number of lines in the history.
const HISTORY_LINES_MAX: usize = 1_000;

/// The source of input lines.
pub(crate) enum LineSource {
    /// Lines typed at a terminal, with completions for the start of a line.
    Terminal { history: LineHistory, completes: Vec<String>, color: bool },
    /// Lines from a reader.
    Lines(Box<dyn BufRead + Send>),
}

/// The memory of typed lines.
#[derive(Clone, Debug)]
pub(crate) enum LineHistory {
    Nothing,
    /// Until the process ends.
    Lines,
    /// In a file, for later processes.
    File(PathBuf),
}

/// An input from the prompt.
#[derive(Debug)]
pub(crate) enum Typed {
    Line(String),
    /// Ctrl-C, with `true` if the line was empty.
    Interrupted {
        was_empty: bool,
    },
    End,
}

/// A handle to the thread that reads lines.
#[derive(Debug)]
pub(crate) struct Prompt {
    requests: mpsc::Sender<Request>,
    /// `true` if the terminal already shows what is typed.
    pub(crate) echoes: bool,
}

#[derive(Debug)]
struct Request {
    prompt: String,
    /// The text to edit.
    initial: String,
    answer: oneshot::Sender<Result<Typed, Error>>,
}

impl Prompt {
    pub(crate) fn new(source: LineSource) -> Result<Self, Error> {
        let echoes = matches!(source, LineSource::Terminal { .. });
        let (requests, asked) = mpsc::channel::<Request>();
        let mut reader = LineReader::new(source)?;
        let read = move || {
            // Ends when the last handle is dropped.
            for Request { prompt, initial, answer } in asked {
                let _ = answer.send(reader.read(&prompt, &initial));
            }
        };
        let thread = thread::Builder::new().name("prompt".to_owned()).spawn(read);
        thread.map_err(|error| failed("the thread for the prompt cannot be started", error))?;
        Ok(Self { requests, echoes })
    }

    /// Reads the next line.
    pub(crate) async fn read(&self, prompt: &str) -> Result<Typed, Error> {
        self.edit(prompt, "").await
    }

    /// Lets the user edit a text. Without a terminal this reads the next line.
    pub(crate) async fn edit(&self, prompt: &str, initial: &str) -> Result<Typed, Error> {
        let (answer, answered) = oneshot::channel();
        let request = Request { prompt: prompt.to_owned(), initial: initial.to_owned(), answer };
        if self.requests.send(request).is_err() {
            return Ok(Typed::End);
        }
        answered.await.unwrap_or(Ok(Typed::End))
    }
}

fn failed(what: &str, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::usage(what).with_id(ErrorId::TERMINAL_FAILED).with_source(error)
}

enum LineReader {
    Editor {
        editor: Box<Editor<PromptHelper, DefaultHistory>>,
        history: LineHistory,
        was_empty: Arc<AtomicBool>,
    },
    Lines(Box<dyn BufRead + Send>),
}

impl LineReader {
    fn new(source: LineSource) -> Result<Self, Error> {
        let (history, completes, color) = match source {
            LineSource::Lines(lines) => return Ok(Self::Lines(lines)),
            LineSource::Terminal { history, completes, color } => (history, completes, color),
        };
        let config = Config::builder().history_ignore_space(true).auto_add_history(false);
        let config =
            config.max_history_size(HISTORY_LINES_MAX).map(rustyline::config::Builder::build);
        let editor = config.and_then(Editor::<PromptHelper, DefaultHistory>::with_config);
        let mut editor = editor.map_err(|error| failed("the prompt cannot be shown", error))?;
        editor.set_helper(Some(PromptHelper { completes, color }));
        let newline = EventHandler::Simple(Cmd::Newline);
        editor.bind_sequence(KeyEvent(KeyCode::Enter, Modifiers::ALT), newline);
        let was_empty = Arc::new(AtomicBool::new(false));
        let interrupt = EventHandler::Conditional(Box::new(OnInterrupt(was_empty.clone())));
        editor.bind_sequence(KeyEvent::ctrl('C'), interrupt);
        if let LineHistory::File(path) = &history {
            // The file does not exist before the first line.
            let _ = editor.load_history(path);
        }
        Ok(Self::Editor { editor: Box::new(editor), history, was_empty })
    }

    fn read(&mut self, prompt: &str, initial: &str) -> Result<Typed, Error> {
        let (editor, history, was_empty) = match self {
            Self::Lines(lines) => return read_line(lines),
            Self::Editor { editor, history, was_empty } => (editor, history, was_empty),
        };
        match editor.readline_with_initial(prompt, (initial, "")) {
            Ok(line) => {
                if !line.trim().is_empty() {
                    remember(editor, history, &line);
                }
                Ok(Typed::Line(without_backslashes(&line)))
            }
            Err(ReadlineError::Interrupted) => {
                Ok(Typed::Interrupted { was_empty: was_empty.load(Ordering::Relaxed) })
            }
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(failed("the prompt cannot be read", error)),
        }
    }
}

/// Adds a line to the history. A history that cannot be written is ignored: input matters more.
fn remember(editor: &mut Editor<PromptHelper, DefaultHistory>, history: &LineHistory, line: &str) {
    if matches!(history, LineHistory::Nothing) {
        return;
    }
    let _ = editor.add_history_entry(line);
    let LineHistory::File(path) = history else { return };
    if let Some(directory) = path.parent() {
        let _ = std::fs::create_dir_all(directory);
    }
    let _ = editor.append_history(path);
}

/// Reads a line, and those that follow it after a backslash.
fn read_line(lines: &mut dyn BufRead) -> Result<Typed, Error> {
    let mut text = String::new();
    loop {
        let before = text.len();
        let read = lines.read_line(&mut text);
        if read.map_err(|error| failed("the input cannot be read", error))? == 0 {
            let ended = if before == 0 { Typed::End } else { Typed::Line(text) };
            return Ok(ended);
        }
        text.truncate(text.trim_end_matches(['\n', '\r']).len());
        if !goes_on(&text) {
            return Ok(Typed::Line(text));
        }
        text.pop();
        text.push('\n');
    }
}

fn goes_on(line: &str) -> bool {
    line.ends_with('\\') && !line.ends_with("\\\\")
}

fn without_backslashes(text: &str) -> String {
    let mut lines = text.split('\n').peekable();
    let mut whole = String::with_capacity(text.len());
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        whole.push_str(if !is_last && goes_on(line) { &line[..line.len() - 1] } else { line });
        if !is_last {
            whole.push('\n');
        }
    }
    whole
}

/// Records whether the line was empty.
struct OnInterrupt(Arc<AtomicBool>);

impl ConditionalEventHandler for OnInterrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, cx: &EventContext<'_>) -> Option<Cmd> {
        self.0.store(cx.line().is_empty(), Ordering::Relaxed);
        Some(Cmd::Interrupt)
    }
}

/// Editing support while the user types.
struct PromptHelper {
    completes: Vec<String>,
    color: bool,
}

impl Validator for PromptHelper {
    fn validate(&self, cx: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let incomplete = goes_on(cx.input());
        Ok(if incomplete { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Highlighter for PromptHelper {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> Cow<'b, str> {
        if self.color { Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m")) } else { prompt.into() }
    }
}

impl Hinter for PromptHelper {
    type Hint = String;
}

/// Completes commands.
impl Completer for PromptHelper {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line[..at].trim_start();
        let fitting = self.completes.iter().filter(|name| name.starts_with(typed));
        let fitting = fitting.filter(|_| !typed.is_empty()).cloned();
        Ok((at - typed.len(), fitting.collect()))
    }
}

impl Helper for PromptHelper {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_at_the_end_asks_for_another_line() {
        let text = "one\\\ntwo\r\n\nC:\\\\\nlast\\";
        let mut lines = text.as_bytes();
        let mut read = Vec::new();
        while let Typed::Line(line) = read_line(&mut lines).unwrap() {
            read.push(line);
        }
        assert_eq!(read, ["one\ntwo", "", "C:\\\\", "last\n"]);
        assert_eq!(without_backslashes("one\\\ntwo\nthree"), "one\ntwo\nthree");
    }
}
