//! A run at a terminal, event by event.

use crate::look::{Options, Style};
use crate::screen::Screen;
use crate::terminal::Terminal;
use crate::text::{harmless, harmless_lines};
use crate::view::{About, View};
use std::fmt;
use std::io::Write;
use std::time::Duration;
use stepwright_core::{Content, Error, Event, EventKind, Requirement, RunOutput};
use tokio::time::{Interval, MissedTickBehavior};

/// How often what moves is drawn.
const TICK: Duration = Duration::from_millis(50);

/// Shows the events of a run as they happen: what people want to know stays, and below it each step
/// that runs has a line that moves.
///
/// [`PrintResponse::print_response`](crate::PrintResponse::print_response) does all of this; use a
/// display where you have the events.
///
/// ```
/// use futures_util::StreamExt as _;
/// use stepwright_term::{Display, Style, Terminal};
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let mut display = Display::new(std::io::stderr(), Terminal::of_stderr(), Style::Compact);
/// let mut events = workflow.run("Ada").stream_events(true).stream();
/// while let Some(event) = events.next().await {
///     display.event(&event);
/// }
/// display.clear();
/// # Ok(()) }
/// ```
pub struct Display {
    screen: Screen,
    view: View,
}

impl Display {
    /// Shows runs on `out`, which is this terminal.
    pub fn new(out: impl Write + Send + 'static, terminal: Terminal, style: Style) -> Self {
        let options = Options { style: Some(style), info: Some(false), ..Options::default() };
        Self::with(Box::new(out), terminal, options, About::default())
    }

    pub(crate) fn with(
        out: Box<dyn Write + Send>,
        terminal: Terminal,
        options: Options,
        about: About,
    ) -> Self {
        let view = View::new(options.look(terminal), about);
        Self { screen: Screen::new(out, terminal, options.width), view }
    }

    /// Shows what happened.
    pub fn event(&mut self, event: &Event) {
        self.view.event(event, &mut self.screen);
        self.flush();
    }

    /// Says what people must know, although nothing is wrong.
    pub fn note(&mut self, note: &str) {
        self.view.note(note, &mut self.screen);
        self.flush();
    }

    /// Lets time pass: what moves is drawn again.
    pub fn tick(&mut self) {
        if !self.view.look().redraws {
            return;
        }
        let moving = self.view.moving(self.screen.size());
        if self.screen.is_drawn() || !moving.is_empty() {
            self.screen.frame(&moving);
        }
    }

    /// Takes everything away that moves.
    pub fn clear(&mut self) {
        if self.screen.is_drawn() {
            self.screen.frame(&[]);
        }
    }

    /// Shows what a paused run waits for, and how it can be answered: with this command line, in
    /// which `RUN_ID` becomes the name of the run, or with a call of the library.
    pub fn waiting(&mut self, output: &RunOutput, to_continue: Option<&str>) {
        self.clear();
        self.view.waiting(output, to_continue, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// The terminal has another size now: see [`Terminal::of_size`]. Terminals of this process say
    /// so themselves.
    pub fn resize(&mut self, terminal: Terminal) {
        self.screen.resize(terminal);
    }

    /// Whether it moves. If not, [`Display::tick`] does nothing.
    pub fn moves(&self) -> bool {
        self.view.look().redraws
    }

    /// When it is time to draw again: never, if nothing moves.
    pub fn ticks(&self) -> Ticks {
        if !self.moves() {
            return Ticks::never();
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ticks(Some(ticks))
    }

    /// Says what people must know about a model, if this tells it for the first time.
    pub(crate) fn notice(&mut self, event: &Event) {
        if let EventKind::RunStarted { notice: Some(notice), .. } = &event.kind {
            self.view.notice(notice, &mut self.screen);
            self.flush();
        }
    }

    /// Begins another run, below all that is there.
    pub(crate) fn begin(&mut self, options: Options) {
        self.clear();
        let look = options.look(self.screen.terminal());
        self.view.begin(look);
    }

    /// Shows what somebody is asked, and what can be typed.
    pub(crate) fn question(&mut self, asked: &Requirement, hint: &str) {
        self.clear();
        self.view.question(asked, hint, &mut self.screen);
    }

    /// What was typed stands above what follows.
    pub(crate) fn answered(&mut self) {
        self.view.answered_above();
    }

    /// Says what stands beside a question.
    pub(crate) fn remark(&mut self, text: &str) {
        for line in self.view.broken(&harmless(text), self.screen.size().0) {
            let line = self.paint(anstyle::Style::new().dimmed(), &line);
            self.lines(&line);
        }
    }

    /// Shows how the run ended, or what it waits for.
    pub(crate) fn conclude(
        &mut self,
        answer: &Result<RunOutput, Error>,
        to_continue: Option<&str>,
    ) {
        self.clear();
        self.view.conclude(answer, to_continue, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Shows what a run gave.
    pub(crate) fn output(&mut self, output: &RunOutput) {
        self.view.output(&output.content, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Says what went wrong.
    pub(crate) fn error(&mut self, error: &Error) {
        self.view.error(error, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Says shortly what went wrong.
    pub(crate) fn complaint(&mut self, error: &Error) {
        let mut terminal = self.screen.terminal();
        terminal.color = self.view.look().paint.color;
        let report = self.view.broken(&harmless_lines(&error.report()), self.screen.size().0);
        self.lines(&terminal.report(&report.join("\n")));
    }

    /// Writes a text of others, in lines that fit.
    pub(crate) fn wrapped(&mut self, text: &str) {
        let lines = self.view.broken(&harmless_lines(text), self.screen.size().0);
        self.lines(&lines.join("\n"));
    }

    /// Writes lines as they are.
    pub(crate) fn lines(&mut self, text: &str) {
        self.view.interrupted();
        for line in text.lines() {
            self.screen.keep(line);
        }
        self.screen.frame(&[]);
    }

    pub(crate) fn colors(&self) -> bool {
        self.view.look().paint.color
    }

    pub(crate) fn paint(&self, style: anstyle::Style, text: &str) -> String {
        self.view.look().paint.paint(style, text)
    }

    /// Why something could not be written although somebody wants it.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        let failure = self.screen.failure()?;
        Some(Error::usage("the output could not be written").with_source(failure))
    }

    fn flush(&mut self) {
        if !self.screen.has_kept() {
            return;
        }
        // A tick draws what has begun since: steps that take no time do not flicker.
        let size = self.screen.size();
        let moving = if self.screen.is_drawn() { self.view.moving(size) } else { Vec::new() };
        self.screen.frame(&moving);
    }
}

/// What a run gives, as somebody reads it at this terminal: Markdown is rendered, and values are
/// indented JSON.
///
/// ```
/// use stepwright_term::{Terminal, rendered};
/// let output = "1. Ants\n1. Bees".into();
/// assert_eq!(rendered(&output, Terminal::none()), "1. Ants\n2. Bees\n");
/// ```
pub fn rendered(content: &Content, terminal: Terminal) -> String {
    let options = Options { style: Some(Style::Compact), ..Options::default() };
    let look = options.look(terminal);
    let lines = crate::view::content_lines(content, look, look.width(terminal.size().0));
    lines.iter().map(|line| look.paint.line(line) + "\n").collect()
}

/// What a paused run waits for, as [`Display::waiting`] shows it on this terminal.
///
/// ```
/// # use stepwright_core::HumanReview;
/// # use stepwright_engine::{Step, Workflow};
/// use stepwright_term::{Terminal, waiting};
/// # async fn publish(text: String) -> String { text }
/// # let review = HumanReview::new().requires_confirmation("Publish it?");
/// # let step = Step::new("publish", publish).human_review(review);
/// # let workflow = Workflow::builder("News").step(step).build()?;
/// let paused = workflow.run("ants").run_id("r-1").blocking()?;
/// assert_eq!(
///     waiting(&paused, Terminal::none(), Some("my-program continue RUN_ID")),
///     "waiting\npublish!confirm  a confirmation\n  Publish it?\n  approve, reject\n\
///      to go on: my-program continue r-1\n"
/// );
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub fn waiting(output: &RunOutput, terminal: Terminal, to_continue: Option<&str>) -> String {
    let options = Options::default();
    let mut screen = Screen::new(Box::new(std::io::sink()), terminal, None);
    View::new(options.look(terminal), About::default()).waiting(output, to_continue, &mut screen);
    screen.take_kept()
}

/// When it is time to draw again: see [`Display::ticks`].
///
/// ```
/// use futures_util::StreamExt as _;
/// use stepwright_term::{Display, Style, Terminal};
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let mut display = Display::new(std::io::stderr(), Terminal::of_stderr(), Style::Compact);
/// let (mut ticks, mut shown) = (display.ticks(), 0);
/// let mut events = workflow.run("Ada").stream_events(true).stream();
/// loop {
///     tokio::select! {
///         event = events.next() => match event {
///             Some(event) => { display.event(&event); shown += 1; }
///             None => break,
///         },
///         () = ticks.next() => display.tick(),
///     }
/// }
/// assert!(shown >= 4);
/// # display.clear();
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Ticks(Option<Interval>);

impl Ticks {
    /// It never is.
    pub fn never() -> Self {
        Self(None)
    }

    /// Is ready when it is time.
    pub async fn next(&mut self) {
        match &mut self.0 {
            Some(ticks) => drop(ticks.tick().await),
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display").field("screen", &self.screen).finish_non_exhaustive()
    }
}
