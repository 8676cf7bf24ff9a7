//! `cli_app`: a prompt for conversations with a workflow.

mod answer;
mod commands;
mod conversation;

pub use conversation::Conversation;

use crate::options::{RequestedOptions, Style};
use crate::prompt::{LineHistory, LineSource};
use conversation::ChatSession;
use std::fmt;
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, IsTerminal as _, Write};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::sent::SendMode;
use stepwright_core::{BoxFuture, Content, Error};
use stepwright_engine::{Run, Workflow};

/// The words that end a conversation by default.
const EXIT_ON: [&str; 4] = ["exit", "quit", "bye", "stop"];

/// A prompt for conversations with a workflow: each line starts a run in the same session. Await
/// it, or block on it, until the user quits.
///
/// At a terminal there is line editing with a history, and commands that begin with `/`: `/help`
/// lists them. Ctrl-C or Esc stops an answer and keeps what was said so far; Ctrl-D quits. An error
/// is shown and the prompt continues. If stdin or stdout is not a terminal, lines are read without
/// a prompt and only answers are written, so that a conversation can be scripted.
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
#[must_use = "the conversation starts when it is awaited or blocked on"]
pub struct CliApp {
    workflow: Workflow,
    session_id: Option<String>,
    user_id: Option<String>,
    user: String,
    emoji: String,
    input: Option<String>,
    exit_on: Vec<String>,
    options: RequestedOptions,
    history: Option<PathBuf>,
    each: Arc<ConfigureRun>,
    read: Arc<ParseInput>,
    asks: bool,
    to_continue: Option<String>,
    switch: Option<Arc<SwitchModel>>,
    sends: SendMode,
    lines: Option<Box<dyn BufRead + Send>>,
    out: Option<Box<dyn Write + Send>>,
}

type ConfigureRun = dyn Fn(Run) -> Run + Send + Sync;
type SwitchModel = dyn Fn(&str) -> SwitchedModel + Send + Sync;
type SwitchedModel = BoxFuture<'static, Result<Workflow, Error>>;
type ParseInput = dyn Fn(&str) -> Result<Content, Error> + Send + Sync;

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
            options: RequestedOptions::default(),
            history: None,
            each: Arc::new(|run| run),
            read: Arc::new(|text| Ok(text.into())),
            asks: true,
            to_continue: None,
            switch: None,
            sends: SendMode::default(),
            lines: None,
            out: None,
        }
    }

    /// Sets the session to continue. By default a new one is created and its id is shown.
    pub fn session_id(mut self, session: impl Into<String>) -> Self {
        self.session_id = Some(session.into());
        self
    }

    /// Sets the user of the runs. A session that another user owns is not found.
    pub fn user_id(mut self, user: impl Into<String>) -> Self {
        self.user_id = Some(user.into());
        self
    }

    /// Sets the name shown at the prompt. Default: `User`.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Sets the emoji before the name.
    pub fn emoji(mut self, emoji: impl Into<String>) -> Self {
        self.emoji = emoji.into();
        self
    }

    /// Sets the first input, which is run before the prompt appears.
    pub fn input(mut self, input: impl Into<String>) -> Self {
        self.input = Some(input.into());
        self
    }

    /// Sets the words that end the conversation, instead of `exit`, `quit`, `bye` and `stop`. Case
    /// is ignored.
    pub fn exit_on<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.exit_on = words.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the file that keeps the history across conversations. Without it, lines are kept until
    /// this conversation ends.
    pub fn history(mut self, file: impl Into<PathBuf>) -> Self {
        self.history = Some(file.into());
        self
    }

    /// Configures each run, such as its metadata, media or timeout.
    pub fn each_run(mut self, say: impl Fn(Run) -> Run + Send + Sync + 'static) -> Self {
        self.each = Arc::new(say);
        self
    }

    /// Sets the function that parses a line into an input. By default the line is a text.
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

    /// Sets whether each step is shown, or only answers. By default steps are shown at a terminal
    /// only. `/details` changes it.
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

    /// Sets whether pending requests are asked at the prompt. By default they are asked at a
    /// terminal. Without one, or if the user quits a question with Ctrl-C or Ctrl-D, the run stays
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

    /// Sets the function that builds the workflow with another model of all agents, for `/model`.
    /// By default the models cannot be changed at the prompt.
    ///
    /// ```
    /// # use stepwright_core::Error;
    /// # use stepwright_engine::Workflow;
    /// # use stepwright_term::PrintResponse as _;
    /// fn with_model(model: String) -> Result<Workflow, Error> {
    ///     let step = move |text: String| std::future::ready(format!("{model}: {text}"));
    ///     Workflow::builder("Chat").step(step).build()
    /// }
    /// let app = with_model("small".into())?.cli_app();
    /// let app = app.switch_model(|model| {
    ///     let model = model.to_owned();
    ///     Box::pin(async move { with_model(model) })
    /// });
    /// # let app = app.read_from("/model large\nhi\n".as_bytes()).to(std::io::sink());
    /// # let answer = app.blocking()?.last.unwrap()?;
    /// # assert_eq!(answer.content.text(), "large: hi");
    /// # Ok::<(), Error>(())
    /// ```
    pub fn switch_model(
        mut self,
        switch: impl Fn(&str) -> SwitchedModel + Send + Sync + 'static,
    ) -> Self {
        self.switch = Some(Arc::new(switch));
        self
    }

    /// Sets when an agent gets a line that the user types while the answer is written. By default,
    /// before its next request to the model. `/send` changes it.
    ///
    /// At a terminal, Enter sends the line. A line that no agent has got when the answer ends is
    /// the next input.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::sent::SendMode;
    /// # use stepwright_term::PrintResponse as _;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let app = workflow.cli_app().send_mode(SendMode::Interrupt);
    /// # let app = app.read_from("Ada\n".as_bytes()).to(std::io::sink());
    /// # assert_eq!(app.blocking()?.answers, 1);
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn send_mode(mut self, mode: SendMode) -> Self {
        self.sends = mode;
        self
    }

    /// Reads lines from this reader without a prompt, instead of from stdin.
    pub fn read_from(mut self, lines: impl std::io::Read + Send + 'static) -> Self {
        self.lines = Some(Box::new(BufReader::new(lines)));
        self
    }

    /// Writes answers to this writer instead of stdout. It is not a terminal: nothing is redrawn.
    pub fn to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = Some(Box::new(writer));
        self
    }

    /// Runs the conversation on this thread until it ends, for programs without async.
    ///
    /// # Errors
    /// Returns the errors of awaiting it, and an error if called inside async code, which it would
    /// block.
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
            Some(lines) => LineSource::Lines(lines),
            None if attended => LineSource::Terminal {
                history: self.history.take().map_or(LineHistory::Lines, LineHistory::File),
                completes: commands::names().map(|name| format!("/{name}")).collect(),
                color: self.options.color.unwrap_or(color),
            },
            None => LineSource::Lines(Box::new(BufReader::new(stdin))),
        };
        ChatSession::new(self, source, attended)?.go_on().await
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
