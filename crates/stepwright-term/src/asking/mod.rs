//! Asks whoever sits at the terminal what a paused run waits for.

mod editor;
mod form;
mod going_on;
mod question;

pub(crate) use form::fields;
pub(crate) use going_on::GoingOn;

use crate::display::Display;
use crate::look::Style;
use crate::prompt::{History, Prompt, Source};
use crate::terminal::Terminal;
use question::{Question, Why};
use std::fmt;
use std::io::{BufReader, IsTerminal as _, Read, Write};
use stepwright_core::{Answer, Error, Requirement};

/// Somebody who can be asked what a paused run waits for.
///
/// Each question is shown with all that is to be known, and asked until the answer fits. `/later`
/// leaves one question open, `/reject` says no to what has no other no, and Ctrl-C or Ctrl-D leave
/// everything as it is.
///
/// ```
/// use stepwright_core::{Answer, HumanReview};
/// use stepwright_engine::{Step, Workflow};
/// use stepwright_term::{Asker, Terminal};
/// # async fn publish(text: String) -> String { format!("published: {text}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let review = HumanReview::new().requires_confirmation("Publish it?");
/// let workflow =
///     Workflow::builder("News").step(Step::new("publish", publish).human_review(review)).build()?;
/// let paused = workflow.run("ants").await?;
/// // `Asker::at_terminal()` is somebody who types; this is a script.
/// let mut asker = Asker::of("y\n".as_bytes(), std::io::sink(), Terminal::none())?;
/// let answers = asker.ask(&paused.requirements).await?.expect("nobody has left");
/// assert_eq!(answers, [("publish!confirm".to_owned(), Answer::Approve)]);
/// let output = workflow.continue_run(&paused.run_id, answers).await?;
/// assert_eq!(output.content.text(), "published: ants");
/// # Ok(()) }
/// ```
pub struct Asker {
    display: Display,
    prompt: Prompt,
}

impl Asker {
    /// Whoever sits at the terminal of this process. Nobody, unless stdin and stdout both are one.
    ///
    /// # Errors
    /// If the terminal cannot be used.
    pub fn at_terminal() -> Result<Option<Self>, Error> {
        if !is_attended() {
            return Ok(None);
        }
        let terminal = Terminal::of_stdout();
        let display = Display::new(std::io::stdout(), terminal, Style::Panels);
        Ok(Some(Self { display, prompt: prompt(terminal.color)? }))
    }

    /// Somebody whose answers are read from here, a line each, and who is asked there: at the
    /// other end of a connection, or in a test. What was read is written too.
    ///
    /// # Errors
    /// If there cannot be a thread that reads.
    pub fn of(
        lines: impl Read + Send + 'static,
        out: impl Write + Send + 'static,
        terminal: Terminal,
    ) -> Result<Self, Error> {
        let style = if terminal.attended { Style::Panels } else { Style::Plain };
        let prompt = Prompt::new(Source::Lines(Box::new(BufReader::new(lines))))?;
        Ok(Self { display: Display::new(out, terminal, style), prompt })
    }

    /// Asks what is open, one after the other. Gives nothing if whoever is asked leaves, or puts
    /// everything off: the run stays as it is then.
    ///
    /// # Errors
    /// If nothing can be read or written.
    pub async fn ask(
        &mut self,
        open: &[Requirement],
    ) -> Result<Option<Vec<(String, Answer)>>, Error> {
        let answers = ask(&mut self.display, &self.prompt, open).await?;
        match self.display.failure() {
            Some(failure) => Err(failure),
            None => Ok(answers),
        }
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").field("prompt", &self.prompt).finish_non_exhaustive()
    }
}

/// Asks whoever sits at the terminal what is open: see [`Asker`]. Gives nothing, at once, if nobody
/// does.
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::answer_inline;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// # let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let mut output = workflow.run("Ada").await?;
/// while output.is_paused()
///     && let Some(answers) = answer_inline(&output.requirements).await?
/// {
///     output = workflow.continue_run(&output.run_id, answers).await?;
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the terminal cannot be used.
pub async fn answer_inline(open: &[Requirement]) -> Result<Option<Vec<(String, Answer)>>, Error> {
    match Asker::at_terminal()? {
        Some(mut asker) => asker.ask(open).await,
        None => Ok(None),
    }
}

/// Whether somebody sits at the terminal of this process.
pub(crate) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Where answers are typed. They are not remembered: they are about one run.
pub(crate) fn prompt(color: bool) -> Result<Prompt, Error> {
    let completes = question::COMMANDS.map(str::to_owned).to_vec();
    Prompt::new(Source::Terminal { history: History::Nothing, completes, color })
}

/// Asks what is open, one after the other.
pub(crate) async fn ask(
    display: &mut Display,
    prompt: &Prompt,
    open: &[Requirement],
) -> Result<Option<Vec<(String, Answer)>>, Error> {
    let mut answers = Vec::new();
    for requirement in open.iter().filter(|requirement| requirement.needs_person()) {
        let answer = Question { display, prompt, requirement }.answer().await;
        match answer {
            Ok(answer) => answers.push((requirement.id.to_string(), answer)),
            Err(Why::Later) => {}
            Err(Why::Left) => {
                display.answered();
                return Ok(None);
            }
            Err(Why::Failed(error)) => return Err(error),
        }
    }
    display.answered();
    Ok((!answers.is_empty()).then_some(answers))
}
