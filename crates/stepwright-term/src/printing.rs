//! `print_response`: prints a run as it happens.

use crate::asking::{Continuation, is_attended, prompt};
use crate::cli_app::CliApp;
use crate::display::Display;
use crate::options::{RequestedOptions, Style};
use crate::prompt::{LineSource, Prompt};
use crate::terminal::Terminal;
use crate::view::WorkflowInfo;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use std::fmt;
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;
use stepwright_core::{BoxFuture, Error, Media, RunOutput};
use stepwright_engine::{IntoInput, Run, RunStream, Workflow};

/// Terminal entry points of a workflow.
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::PrintResponse as _;
/// # async fn greet(name: String) -> String { format!("Hello **{name}**") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = workflow.print_response("Ada").markdown(true).stream(true).await?;
/// # assert_eq!(output.content.text(), "Hello **Ada**");
/// # Ok(()) }
/// ```
pub trait PrintResponse {
    /// Prints a run as it happens. Await it for the output, or block on it.
    #[doc(alias = "aprint_response")]
    fn print_response(&self, input: impl IntoInput) -> Printing;

    /// Starts a prompt for conversations with the workflow.
    #[doc(alias = "acli_app")]
    fn cli_app(&self) -> CliApp;
}

impl PrintResponse for Workflow {
    fn print_response(&self, input: impl IntoInput) -> Printing {
        Printing::of(self.run(input))
    }

    fn cli_app(&self) -> CliApp {
        CliApp::new(self.clone())
    }
}

/// A run that will be printed: see [`PrintResponse::print_response`].
///
/// Awaiting it returns the run's output or error, after it was shown. On a terminal, the text of
/// steps is rendered as it arrives. Elsewhere plain lines are written, and equal runs print equal
/// lines. `NO_COLOR`, `CLICOLOR_FORCE` and `TERM=dumb` are respected.
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::{PrintResponse as _, Style};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// workflow.print_response("Ada").style(Style::Compact).show_time(false).blocking()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "nothing is run or printed until it is awaited or blocked on"]
pub struct Printing {
    run: Run,
    options: RequestedOptions,
    out: PrintTarget,
    asks: bool,
    answers: Option<Box<dyn BufRead + Send>>,
    to_continue: Option<String>,
}

enum PrintTarget {
    Stdout,
    Writer(Box<dyn Write + Send>, Terminal),
}

/// Forwards settings to [`Run`].
macro_rules! of_the_run {
    ($($name:ident($argument:ident: $type:ty);)*) => {
        $(
            #[doc = concat!("See [`Run::", stringify!($name), "`].")]
            pub fn $name(mut self, $argument: $type) -> Self {
                self.run = self.run.$name($argument);
                self
            }
        )*
    };
}

impl Printing {
    /// Prints this run.
    pub fn of(run: Run) -> Self {
        Self {
            run,
            options: RequestedOptions::default(),
            out: PrintTarget::Stdout,
            asks: true,
            answers: None,
            to_continue: None,
        }
    }

    of_the_run! {
        session_id(session: impl AsRef<str>);
        user_id(user: impl AsRef<str>);
        run_id(run: impl AsRef<str>);
        session_state(state: Map<String, Value>);
        metadata(metadata: Map<String, Value>);
        additional_data(data: Map<String, Value>);
        images(images: impl IntoIterator<Item = Media>);
        videos(videos: impl IntoIterator<Item = Media>);
        audio(audio: impl IntoIterator<Item = Media>);
        files(files: impl IntoIterator<Item = Media>);
        timeout(timeout: Duration);
        debug_mode(debug: bool);
    }

    /// Sets whether texts are rendered as Markdown. Default: yes, except with [`Style::Plain`].
    pub fn markdown(mut self, markdown: bool) -> Self {
        self.options.markdown = Some(markdown);
        self
    }

    /// Sets whether texts appear while they are produced (the default) or when an answer is
    /// complete. The final text is the same.
    pub fn stream(mut self, stream: bool) -> Self {
        self.options.stream = Some(stream);
        self
    }

    /// Sets whether durations are shown. Default: yes, except with [`Style::Plain`].
    pub fn show_time(mut self, show: bool) -> Self {
        self.options.show_time = Some(show);
        self
    }

    /// Sets whether each step is shown (the default) or only the output at the end.
    pub fn show_step_details(mut self, show: bool) -> Self {
        self.options.show_step_details = Some(show);
        self
    }

    /// Sets the style. Default: [`Style::Panels`] on a terminal, [`Style::Plain`] elsewhere.
    pub fn style(mut self, style: Style) -> Self {
        self.options.style = Some(style);
        self
    }

    /// Sets the width in columns, overriding the terminal's.
    pub fn width(mut self, columns: usize) -> Self {
        self.options.width = Some(columns);
        self
    }

    /// Sets whether colors are used, overriding the terminal and the environment.
    pub fn color(mut self, color: bool) -> Self {
        self.options.color = Some(color);
        self
    }

    /// Writes to this writer instead of stdout. It is not a terminal: nothing is redrawn.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// # use stepwright_term::PrintResponse as _;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
    /// let log = std::fs::File::options().append(true).open("/dev/null").expect("it is there");
    /// workflow.print_response("Ada").to(log).blocking()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn to(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = PrintTarget::Writer(Box::new(writer), Terminal::none());
        self
    }

    /// Writes to this terminal instead of stdout: see [`Terminal::of_size`].
    pub fn to_terminal(mut self, writer: impl Write + Send + 'static, terminal: Terminal) -> Self {
        self.out = PrintTarget::Writer(Box::new(writer), terminal);
        self
    }

    /// Sets whether the run's pending requests are asked at the prompt, and the run continues with
    /// the answers. By default they are asked if stdin and stdout are both a terminal. Otherwise,
    /// or if the user quits with Ctrl-C or Ctrl-D, the run ends with an output that is
    /// [paused](RunOutput::is_paused) and shows how to continue it.
    pub fn ask(mut self, ask: bool) -> Self {
        self.asks = ask;
        self
    }

    /// Reads answers from this reader, one per line, instead of from the terminal: see
    /// [`Asker::of`](crate::Asker::of).
    ///
    /// ```
    /// # use stepwright_core::HumanReview;
    /// # use stepwright_engine::{Step, Workflow};
    /// # use stepwright_term::PrintResponse as _;
    /// # async fn publish(text: String) -> String { format!("published: {text}") }
    /// let review = HumanReview::new().requires_confirmation("Publish it?");
    /// let step = Step::new("publish", publish).human_review(review);
    /// let workflow = Workflow::builder("News").step(step).build()?;
    /// let printing = workflow.print_response("ants").answers_from("y\n".as_bytes());
    /// let output = printing.blocking()?;
    /// assert_eq!(output.content.text(), "published: ants");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn answers_from(mut self, lines: impl Read + Send + 'static) -> Self {
        self.answers = Some(Box::new(BufReader::new(lines)));
        self
    }

    /// Sets the command line shown for a run that is left paused; `RUN_ID` in it is replaced by the
    /// run's id. By default the library call is shown.
    pub fn to_continue(mut self, command: impl Into<String>) -> Self {
        self.to_continue = Some(command.into());
        self
    }

    /// Runs and prints on this thread until the end, for programs without async.
    ///
    /// # Errors
    /// Returns the errors of awaiting it, and an error if called inside async code, which it would
    /// block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        stepwright_engine::block_on(self.print())
    }

    async fn print(self) -> Result<RunOutput, Error> {
        let workflow = self.run.workflow().clone();
        let about = WorkflowInfo::of(&workflow);
        let to_stdout = matches!(self.out, PrintTarget::Stdout);
        let mut display = match self.out {
            PrintTarget::Stdout => {
                let terminal = Terminal::of_stdout();
                Display::with(Box::new(std::io::stdout()), terminal, self.options, about)
            }
            PrintTarget::Writer(writer, terminal) => {
                Display::with(writer, terminal, self.options, about)
            }
        };
        let prompt = match self.answers {
            _ if !self.asks => None,
            Some(lines) => Some(Prompt::new(LineSource::Lines(lines))?),
            None if to_stdout && is_attended() => Some(prompt(display.colors())?),
            None => None,
        };
        let mut continuation = Continuation::new(workflow, prompt.as_ref());
        let mut events = self.run.stream_events(true).stream().in_task();
        let answer = loop {
            let mut answer = show(events, &mut display, &mut continuation).await;
            match continuation.next(&mut answer, &mut display).await {
                Some(more) => events = more,
                None => break answer,
            }
        };
        display.conclude(&answer, self.to_continue.as_deref());
        match display.failure() {
            Some(failure) if answer.is_ok() => Err(failure),
            _ => answer,
        }
    }
}

/// Shows a run until it ends or pauses.
async fn show(
    mut events: RunStream,
    display: &mut Display,
    continuation: &mut Continuation<'_>,
) -> Result<RunOutput, Error> {
    let mut ticks = display.ticks();
    loop {
        tokio::select! {
            biased;
            () = ticks.next() => display.tick(),
            event = events.next() => match event {
                Some(event) => {
                    continuation.sees(&event);
                    display.event(&event);
                }
                None => break,
            },
        }
    }
    events.output().await
}

impl IntoFuture for Printing {
    type Output = Result<RunOutput, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.print())
    }
}

impl fmt::Debug for Printing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printing").field("run", &self.run).finish_non_exhaustive()
    }
}
