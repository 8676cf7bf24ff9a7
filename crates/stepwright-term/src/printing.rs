//! `print_response`: a run that is printed as it happens.

use crate::asking::{GoingOn, is_attended, prompt};
use crate::cli_app::CliApp;
use crate::display::Display;
use crate::look::{Options, Style};
use crate::prompt::{Prompt, Source};
use crate::terminal::Terminal;
use crate::view::About;
use futures_util::StreamExt as _;
use serde_json::{Map, Value};
use std::fmt;
use std::future::IntoFuture;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;
use stepwright_core::{BoxFuture, Error, Media, RunOutput};
use stepwright_engine::{IntoInput, Run, RunStream, Workflow};

/// What people at a terminal want of a workflow.
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
    /// Runs it, and prints what happens: to be awaited for the output, or blocked on.
    #[doc(alias = "aprint_response")]
    fn print_response(&self, input: impl IntoInput) -> Printing;

    /// A prompt at which people talk to it, until they have enough.
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

/// A run that is printed as it happens, before it begins: see [`PrintResponse::print_response`].
///
/// Awaiting it gives what awaiting the run gives: the output, or the error, after it was shown. On
/// a terminal, what steps say is rendered as it comes; where there is no terminal, plain lines are
/// written, which are the same whenever the same happens. `NO_COLOR`, `CLICOLOR_FORCE` and
/// `TERM=dumb` count.
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
    options: Options,
    out: Out,
    asks: bool,
    answers: Option<Box<dyn BufRead + Send>>,
    to_continue: Option<String>,
}

enum Out {
    Stdout,
    Writer(Box<dyn Write + Send>, Terminal),
}

/// Says of the run what [`Run`] can be told.
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
            options: Options::default(),
            out: Out::Stdout,
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

    /// Whether texts are Markdown, to be rendered; otherwise they are written as they are. By
    /// default they are rendered, unless the style is [`Style::Plain`].
    pub fn markdown(mut self, markdown: bool) -> Self {
        self.options.markdown = Some(markdown);
        self
    }

    /// Whether texts appear as they are said, which is the default, or when all of an answer is
    /// there. What has been written in the end is the same.
    pub fn stream(mut self, stream: bool) -> Self {
        self.options.stream = Some(stream);
        self
    }

    /// Whether it says how long things took. By default it does, unless the style is
    /// [`Style::Plain`].
    pub fn show_time(mut self, show: bool) -> Self {
        self.options.show_time = Some(show);
        self
    }

    /// Whether each step is shown, which is the default, or only the output at the end.
    pub fn show_step_details(mut self, show: bool) -> Self {
        self.options.show_step_details = Some(show);
        self
    }

    /// How it looks. By default [`Style::Panels`] on a terminal, and [`Style::Plain`] elsewhere.
    pub fn style(mut self, style: Style) -> Self {
        self.options.style = Some(style);
        self
    }

    /// How many columns there are, instead of what the terminal says.
    pub fn width(mut self, columns: usize) -> Self {
        self.options.width = Some(columns);
        self
    }

    /// Whether there are colours, whatever the terminal and the environment say.
    pub fn color(mut self, color: bool) -> Self {
        self.options.color = Some(color);
        self
    }

    /// Writes to this writer instead of stdout. It is no terminal: nothing moves.
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
        self.out = Out::Writer(Box::new(writer), Terminal::none());
        self
    }

    /// Writes to this terminal instead of stdout: see [`Terminal::of_size`].
    pub fn to_terminal(mut self, writer: impl Write + Send + 'static, terminal: Terminal) -> Self {
        self.out = Out::Writer(Box::new(writer), terminal);
        self
    }

    /// Whether somebody is asked when the run waits for people, and it goes on with what they say.
    /// By default whoever sits at the terminal is, if stdin and stdout both are one. Where nobody
    /// is asked, or whoever is leaves with Ctrl-C or Ctrl-D, it ends with an output that is
    /// [paused](RunOutput::is_paused), and says how to go on.
    pub fn ask(mut self, ask: bool) -> Self {
        self.asks = ask;
        self
    }

    /// Reads answers from here, a line each, instead of from the terminal: see
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

    /// The command line that goes on with a run that is left paused, to be shown then; `RUN_ID` in
    /// it becomes the name of the run. Without it, the call of the library is shown.
    pub fn to_continue(mut self, command: impl Into<String>) -> Self {
        self.to_continue = Some(command.into());
        self
    }

    /// Runs and prints to the end on this thread: for programs without async.
    ///
    /// # Errors
    /// As awaiting it; and if it is called inside of async code, which it would block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        stepwright_engine::block_on(self.print())
    }

    async fn print(self) -> Result<RunOutput, Error> {
        let workflow = self.run.workflow().clone();
        let about = About::of(&workflow);
        let to_stdout = matches!(self.out, Out::Stdout);
        let mut display = match self.out {
            Out::Stdout => {
                let terminal = Terminal::of_stdout();
                Display::with(Box::new(std::io::stdout()), terminal, self.options, about)
            }
            Out::Writer(writer, terminal) => Display::with(writer, terminal, self.options, about),
        };
        let prompt = match self.answers {
            _ if !self.asks => None,
            Some(lines) => Some(Prompt::new(Source::Lines(lines))?),
            None if to_stdout && is_attended() => Some(prompt(display.colors())?),
            None => None,
        };
        let mut going = GoingOn::new(workflow, prompt.as_ref());
        let mut events = self.run.stream_events(true).stream();
        let answer = loop {
            let mut answer = show(events, &mut display, &mut going).await;
            match going.next(&mut answer, &mut display).await {
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

/// Shows a run until it ends, or waits.
async fn show(
    mut events: RunStream,
    display: &mut Display,
    going: &mut GoingOn<'_>,
) -> Result<RunOutput, Error> {
    let mut ticks = display.ticks();
    loop {
        tokio::select! {
            biased;
            () = ticks.next() => display.tick(),
            event = events.next() => match event {
                Some(event) => {
                    going.sees(&event);
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
