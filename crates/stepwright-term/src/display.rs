//! Shows a run at a terminal, event by event.

use crate::options::{RequestedOptions, Style};
use crate::screen::Screen;
use crate::styled::StyledSpan;
use crate::terminal::Terminal;
use crate::text::{end, harmless, harmless_lines};
use crate::tree::LiveTree;
use crate::view::{View, WorkflowInfo};
use std::fmt;
use std::io::Write;
use std::time::Duration;
use stepwright_core::{Content, Error, ErrorId, Event, EventKind, Requirement, RunOutput};
use tokio::time::{Interval, MissedTickBehavior};

/// The time between two frames.
const TICK: Duration = Duration::from_millis(50);

/// Shows the events of a run as they happen. Permanent lines scroll up; below them each running
/// step has a line that is redrawn.
///
/// [`PrintResponse::print_response`](crate::PrintResponse::print_response) does all of this. Use a
/// display where you already have the events.
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
    /// The tree, in the style of that name.
    tree: Option<LiveTree>,
    /// The line that is typed while an answer is written.
    typing: Option<String>,
}

impl Display {
    /// Creates a display that writes to `out`, which is this terminal.
    pub fn new(out: impl Write + Send + 'static, terminal: Terminal, style: Style) -> Self {
        let options = RequestedOptions {
            style: Some(style),
            info: Some(false),
            ..RequestedOptions::default()
        };
        Self::with(Box::new(out), terminal, options, WorkflowInfo::default())
    }

    pub(crate) fn with(
        out: Box<dyn Write + Send>,
        terminal: Terminal,
        options: RequestedOptions,
        about: WorkflowInfo,
    ) -> Self {
        let view = View::new(options.resolve(terminal), about);
        let tree = (view.options().style == Style::Tree).then(LiveTree::new);
        Self { screen: Screen::new(out, terminal, options.width), view, tree, typing: None }
    }

    /// Shows an event.
    pub fn event(&mut self, event: &Event) {
        match &mut self.tree {
            Some(tree) => {
                self.view.remarks(event, &mut self.screen);
                if tree.event(event) {
                    self.settle();
                }
            }
            None => self.view.event(event, &mut self.screen),
        }
        self.flush();
    }

    /// Takes in an event of the run from before, as for a run that is resumed: the tree shows it,
    /// and nothing is written. Does nothing in other styles.
    pub fn past(&mut self, event: &Event) {
        if let Some(tree) = &mut self.tree {
            tree.event(event);
        }
    }

    /// Makes the tree permanent, as the run ends or waits. Does nothing in other styles.
    pub fn settle(&mut self) {
        let Some(tree) = self.tree.as_ref().filter(|tree| !tree.is_empty()) else { return };
        let lines = tree.settled(self.view.options(), self.view.inner_width(&self.screen));
        self.view.panel_of(tree.name(), lines, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Shows a note.
    pub fn note(&mut self, note: &str) {
        self.view.note(note, &mut self.screen);
        self.flush();
    }

    /// Redraws the running steps.
    pub fn tick(&mut self) {
        if !self.view.options().redraws {
            return;
        }
        let moving = self.moving();
        if self.screen.is_drawn() || !moving.is_empty() {
            self.screen.frame(&moving);
        }
    }

    /// Shows the line that is typed while an answer is written, below everything else.
    pub(crate) fn types(&mut self, line: Option<String>) {
        if self.typing != line {
            self.typing = line;
            self.tick();
        }
    }

    /// Erases the redrawn lines.
    pub fn clear(&mut self) {
        if self.screen.is_drawn() {
            self.screen.frame(&[]);
        }
    }

    /// Shows the pending requests of a paused run and how to answer them: with this command line,
    /// in which `RUN_ID` is replaced by the run's id, or with a call of the library.
    pub fn waiting(&mut self, output: &RunOutput, to_continue: Option<&str>) {
        self.clear();
        self.view.waiting(output, to_continue, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Sets a new size for a terminal created with [`Terminal::of_size`]. Terminals of this process
    /// report their own size.
    pub fn resize(&mut self, terminal: Terminal) {
        self.screen.resize(terminal);
    }

    /// Returns `true` if lines are redrawn. Otherwise [`Display::tick`] does nothing.
    pub fn moves(&self) -> bool {
        self.view.options().redraws
    }

    /// Returns the timer for [`Display::tick`]. It never fires if nothing is redrawn.
    pub fn ticks(&self) -> Ticks {
        if !self.moves() {
            return Ticks::never();
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ticks(Some(ticks))
    }

    /// Shows an agent's notice about its model, once.
    pub(crate) fn notice(&mut self, event: &Event) {
        if let EventKind::RunStarted { notice: Some(notice), .. } = &event.kind {
            self.view.notice(notice, &mut self.screen);
            self.flush();
        }
    }

    /// Starts another run below the existing output.
    pub(crate) fn begin(&mut self, options: RequestedOptions) {
        self.clear();
        let options = options.resolve(self.screen.terminal());
        self.view.begin(options);
        self.tree = (options.style == Style::Tree).then(LiveTree::new);
    }

    /// Shows a question, and the inputs that it accepts.
    pub(crate) fn question(&mut self, asked: &Requirement, hint: &str) {
        self.clear();
        self.view.question(asked, hint, &mut self.screen);
    }

    /// Marks that typed lines are above what follows.
    pub(crate) fn answered(&mut self) {
        self.view.answered_above();
    }

    /// Shows a remark about a question.
    pub(crate) fn remark(&mut self, text: &str) {
        for line in self.view.broken(&harmless(text), self.screen.size().0) {
            let line = self.paint(anstyle::Style::new().dimmed(), &line);
            self.lines(&line);
        }
    }

    /// Shows the result of the run, or its pending requests.
    pub(crate) fn conclude(
        &mut self,
        answer: &Result<RunOutput, Error>,
        to_continue: Option<&str>,
    ) {
        self.clear();
        self.view.conclude(answer, to_continue, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Shows the output of a run.
    pub(crate) fn output(&mut self, output: &RunOutput) {
        self.view.output(&output.content, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Shows an error.
    pub(crate) fn error(&mut self, error: &Error) {
        self.view.error(error, &mut self.screen);
        self.screen.frame(&[]);
    }

    /// Shows an error without a panel.
    pub(crate) fn complaint(&mut self, error: &Error) {
        let mut terminal = self.screen.terminal();
        terminal.color = self.view.options().paint.color;
        let report = self.view.broken(&harmless_lines(&error.report()), self.screen.size().0);
        self.lines(&terminal.report(&report.join("\n")));
    }

    /// Writes untrusted text in wrapped lines.
    pub(crate) fn wrapped(&mut self, text: &str) {
        let lines = self.view.broken(&harmless_lines(text), self.screen.size().0);
        self.lines(&lines.join("\n"));
    }

    /// Writes lines unchanged.
    pub(crate) fn lines(&mut self, text: &str) {
        self.view.interrupted();
        for line in text.lines() {
            self.screen.keep(line);
        }
        self.screen.frame(&[]);
    }

    pub(crate) fn colors(&self) -> bool {
        self.view.options().paint.color
    }

    pub(crate) fn paint(&self, style: anstyle::Style, text: &str) -> String {
        self.view.options().paint.paint(style, text)
    }

    /// Takes the error of a write that failed.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        let failure = self.screen.failure()?;
        let error = Error::usage("the output could not be written");
        Some(error.with_id(ErrorId::TERMINAL_FAILED).with_source(failure))
    }

    /// Returns the redrawn lines with their widths.
    fn moving(&mut self) -> Vec<(String, usize)> {
        let size = self.screen.size();
        let mut lines = match &self.tree {
            Some(tree) => self.view.painted(tree.moving(self.view.options(), size)),
            None => self.view.moving(size),
        };
        if let Some(typing) = &self.typing {
            let line = end(&harmless(typing), size.0.saturating_sub(1));
            lines.extend(self.view.painted(vec![vec![StyledSpan::plain(line)]]));
        }
        lines
    }

    fn flush(&mut self) {
        if !self.screen.has_kept() {
            return;
        }
        // The next tick draws steps that started since; steps that take no time do not flicker.
        let moving = if self.screen.is_drawn() { self.moving() } else { Vec::new() };
        self.screen.frame(&moving);
    }
}

/// Renders the content of a run or step for this terminal: Markdown is rendered, and JSON is
/// indented.
///
/// ```
/// use stepwright_term::{Terminal, rendered};
/// let output = "1. Ants\n1. Bees".into();
/// assert_eq!(rendered(&output, Terminal::none()), "1. Ants\n2. Bees\n");
/// ```
pub fn rendered(content: &Content, terminal: Terminal) -> String {
    let options = RequestedOptions { style: Some(Style::Compact), ..RequestedOptions::default() };
    let options = options.resolve(terminal);
    let lines = crate::view::content_lines(content, options, options.width(terminal.size().0));
    lines.iter().map(|line| options.paint.line(line) + "\n").collect()
}

/// Returns the pending requests of a paused run as [`Display::waiting`] shows them.
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
///     "waiting\npublish!confirm  a confirmation\n  Publish it?\n  ants\n  approve, reject\n\
///      to go on: my-program continue r-1\n"
/// );
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub fn waiting(output: &RunOutput, terminal: Terminal, to_continue: Option<&str>) -> String {
    let options = RequestedOptions::default();
    let mut screen = Screen::new(Box::new(std::io::sink()), terminal, None);
    View::new(options.resolve(terminal), WorkflowInfo::default()).waiting(
        output,
        to_continue,
        &mut screen,
    );
    screen.take_kept()
}

/// A timer for redrawing: see [`Display::ticks`].
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
    /// Creates a timer that never fires.
    pub fn never() -> Self {
        Self(None)
    }

    /// Waits for the next tick.
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
