//! `cli_app`: a prompt at which people talk to a workflow.

mod answer;
mod commands;
mod conversation;

pub use conversation::Conversation;

use crate::look::{Options, Style};
use crate::prompt::{History, Source};
use conversation::Talk;
use std::fmt;
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::{BoxFuture, Content, Error};
use stepwright_engine::{Run, Workflow};

/// What ends a conversation, unless somebody says otherwise.
const EXIT_ON: [&str; 4] = ["exit", "quit", "bye", "stop"];

/// A prompt at which people talk to a workflow: each line is a run of the same session. Await it,
/// or block on it, until they have enough.
///
/// At a terminal there is line editing with a history, and commands that begin with `/`: `/help`
/// lists them. Ctrl-C stops an answer and keeps what it has said; Ctrl-D leaves. An error is shown,
/// and the prompt goes on. Where stdin or stdout is no terminal, lines are read without a prompt,
/// and only answers are written, so that a conversation can be scripted.
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::PrintResponse as _;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let app = workflow.cli_app().session_id("cli").user("Ada").emoji("🙂");
/// # let app = app.read_from("Ada\nexit\n".as_bytes()).to(std::io::sink());
/// let conversation = app.await?;
/// # assert_eq!((conversation.answers, conversation.session_id.as_str()), (1, "cli"));
/// # Ok(()) }
/// ```
#[must_use = "nobody is asked anything until it is awaited or blocked on"]
pub struct CliApp {
    workflow: Workflow,
    session_id: Option<String>,
    user_id: Option<String>,
    user: String,
    emoji: String,
    input: Option<String>,
    exit_on: Vec<String>,
    options: Options,
    history: Option<PathBuf>,
    each: Arc<Each>,
    read: Arc<Read>,
    asks: bool,
    to_continue: Option<String>,
    lines: Option<Box<dyn BufRead + Send>>,
    out: Option<Box<dyn Write + Send>>,
}

type Each = dyn Fn(Run) -> Run + Send + Sync;
type Read = dyn Fn(&str) -> Result<Content, Error> + Send + Sync;

impl CliApp {
    pub(crate) fn new(workflow: Workflow) -> Self {
        Self {
            workflow,
            session_id: None,
            user_id: None,
            user: "User".to_owned(),
            emoji: "🧑".to_owned(),
            input: None,
            exit_on: EXIT_ON.map(str::to_owned).to_vec(),
            options: Options::default(),
            history: None,
            each: Arc::new(|run| run),
            read: Arc::new(|text| Ok(text.into())),
            asks: true,
            to_continue: None,
            lines: None,
            out: None,
        }
    }

    /// The session to continue; by default a new one, whose name is shown.
    pub fn session_id(mut self, session: impl Into<String>) -> Self {
        self.session_id = Some(session.into());
        self
    }

    /// Who talks. A session that another user owns is not found.
    pub fn user_id(mut self, user: impl Into<String>) -> Self {
        self.user_id = Some(user.into());
        self
    }

    /// What the prompt calls whoever types: `User` unless set.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// What stands before that.
    pub fn emoji(mut self, emoji: impl Into<String>) -> Self {
        self.emoji = emoji.into();
        self
    }

    /// What is asked first, before anybody types.
    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// The words that leave, instead of `exit`, `quit`, `bye` and `stop`. Capitals make no
    /// difference.
    pub fn exit_on<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.exit_on = words.into_iter().map(Into::into).collect();
        self
    }

    /// The file that remembers what was typed, from one conversation to the next. Without it, lines
    /// are remembered until the end of this one.
    pub fn history(mut self, file: impl Into<PathBuf>) -> Self {
        self.history = Some(file.into());
        self
    }

    /// What else to say of each run: metadata, media, a timeout.
    pub fn each_run(mut self, say: impl Fn(Run) -> Run + Send + Sync + 'static) -> Self {
        self.each = Arc::new(say);
        self
    }

    /// How a line becomes an input. By default it is a text.
    pub fn read_input(
        mut self,
        read: impl Fn(&str) -> Result<Content, Error> + Send + Sync + 'static,
    ) -> Self {
        self.read = Arc::new(read);
        self
    }

    /// See [`Printing::markdown`](crate::Printing::markdown).
    pub fn markdown(mut self, markdown: bool) -> Self {
        self.options.markdown = Some(markdown);
        self
    }

    /// See [`Printing::stream`](crate::Printing::stream).
    pub fn stream(mut self, stream: bool) -> Self {
        self.options.stream = Some(stream);
        self
    }

    /// See [`Printing::show_time`](crate::Printing::show_time).
    pub fn show_time(mut self, show: bool) -> Self {
        self.options.show_time = Some(show);
        self
    }

    /// Whether each step is shown, or only answers. By default each step is at a terminal, and
    /// answers are elsewhere. `/details` changes it.
    pub fn show_step_details(mut self, show: bool) -> Self {
        self.options.show_step_details = Some(show);
        self
    }

    /// See [`Printing::style`](crate::Printing::style).
    pub fn style(mut self, style: Style) -> Self {
        self.options.style = Some(style);
        self
    }

    /// See [`Printing::width`](crate::Printing::width).
    pub fn width(mut self, columns: usize) -> Self {
        self.options.width = Some(columns);
        self
    }

    /// See [`Printing::color`](crate::Printing::color).
    pub fn color(mut self, color: bool) -> Self {
        self.options.color = Some(color);
        self
    }

    /// Whether whoever types is asked when a run waits for people. By default they are at a
    /// terminal; where there is none, or they leave a question with Ctrl-C or Ctrl-D, the run stays
    /// paused. `/answer` asks again.
    pub fn ask(mut self, ask: bool) -> Self {
        self.asks = ask;
        self
    }

    /// See [`Printing::to_continue`](crate::Printing::to_continue).
    pub fn to_continue(mut self, command: impl Into<String>) -> Self {
        self.to_continue = Some(command.into());
        self
    }

    /// Reads lines from here, without a prompt, instead of from stdin.
    pub fn read_from(mut self, lines: impl std::io::Read + Send + 'static) -> Self {
        self.lines = Some(Box::new(BufReader::new(lines)));
        self
    }

    /// Writes answers to this writer instead of stdout. It is no terminal: nothing moves.
    pub fn to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = Some(Box::new(writer));
        self
    }

    /// Talks to the end on this thread: for programs without async.
    ///
    /// # Errors
    /// As awaiting it; and if it is called inside of async code, which it would block.
    pub fn blocking(self) -> Result<Conversation, Error> {
        stepwright_engine::block_on(self.talk())
    }

    async fn talk(mut self) -> Result<Conversation, Error> {
        let stdin = std::io::stdin();
        let attended = self.lines.is_none()
            && self.out.is_none()
            && stdin.is_terminal()
            && std::io::stdout().is_terminal();
        let color = crate::Terminal::of_stdout().color;
        let source = match self.lines.take() {
            Some(lines) => Source::Lines(lines),
            None if attended => Source::Terminal {
                history: self.history.take().map_or(History::Lines, History::File),
                completes: commands::names().map(|name| format!("/{name}")).collect(),
                color: self.options.color.unwrap_or(color),
            },
            None => Source::Lines(Box::new(BufReader::new(stdin))),
        };
        Talk::new(self, source, attended)?.go_on().await
    }
}

impl IntoFuture for CliApp {
    type Output = Result<Conversation, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.talk())
    }
}

impl fmt::Debug for CliApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CliApp").field("workflow", &self.workflow).finish_non_exhaustive()
    }
}
