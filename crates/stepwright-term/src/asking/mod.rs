//! Prompts for the answers to the pending requests of a paused run.

mod continuation;
mod editor;
mod form;
mod question;

pub(crate) use continuation::Continuation;
pub(crate) use form::fields;

use crate::display::Display;
use crate::options::Style;
use crate::prompt::{LineHistory, LineSource, Prompt};
use crate::terminal::Terminal;
use question::{NoAnswer, Question};
use std::fmt;
use std::io::{BufReader, IsTerminal as _, Read, Write};
use stepwright_core::{Answer, Error, Requirement};

/// Prompts a person for the answers to pending requests.
///
/// Each question is shown with everything needed to answer it, and repeated until the answer is
/// valid. `/later` skips a question, `/reject` rejects where the question has no other way to say
/// no, and Ctrl-C or Ctrl-D quits and leaves the run as it is.
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
/// // `Asker::at_terminal()` prompts a person; here a script answers.
/// let mut asker = Asker::of("y\n".as_bytes(), std::io::sink(), Terminal::none())?;
/// let answers = asker.ask(&paused.requirements).await?.expect("the script answers");
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
    /// Creates an asker for the terminal of this process. Returns `None` unless stdin and stdout
    /// are both a terminal.
    ///
    /// # Errors
    /// Returns an error if the terminal cannot be used.
    pub fn at_terminal() -> Result<Option<Self>, Error> {
        if !is_attended() {
            return Ok(None);
        }
        let terminal = Terminal::of_stdout();
        let display = Display::new(std::io::stdout(), terminal, Style::Panels);
        Ok(Some(Self { display, prompt: prompt(terminal.color)? }))
    }

    /// Creates an asker that reads answers from `lines`, one per line, and writes its questions to
    /// `out`: for the other end of a connection, or for tests. The lines it reads are written too.
    ///
    /// # Errors
    /// Returns an error if the thread that reads cannot start.
    pub fn of(
        lines: impl Read + Send + 'static,
        out: impl Write + Send + 'static,
        terminal: Terminal,
    ) -> Result<Self, Error> {
        let style = if terminal.attended { Style::Panels } else { Style::Plain };
        let prompt = Prompt::new(LineSource::Lines(Box::new(BufReader::new(lines))))?;
        Ok(Self { display: Display::new(out, terminal, style), prompt })
    }

    /// Asks the pending requests one after the other. Returns `None` if the user quits or skips all
    /// of them; the run then stays as it is.
    ///
    /// # Errors
    /// Returns an error if the input or output fails.
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

/// Asks the pending requests at the terminal of this process: see [`Asker`]. Returns `None` at once
/// if there is no terminal.
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
/// Returns an error if the terminal cannot be used.
pub async fn answer_inline(open: &[Requirement]) -> Result<Option<Vec<(String, Answer)>>, Error> {
    match Asker::at_terminal()? {
        Some(mut asker) => asker.ask(open).await,
        None => Ok(None),
    }
}

/// Returns `true` if stdin and stdout are both a terminal.
pub(crate) fn is_attended() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Creates the prompt for answers. It has no history, because answers are about one run.
pub(crate) fn prompt(color: bool) -> Result<Prompt, Error> {
    let completes = question::COMMANDS.map(str::to_owned).to_vec();
    Prompt::new(LineSource::Terminal { history: LineHistory::Nothing, completes, color })
}

/// Asks the pending requests one after the other.
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
            Err(NoAnswer::Skipped) => {}
            Err(NoAnswer::Quit) => {
                display.answered();
                return Ok(None);
            }
            Err(NoAnswer::Failed(error)) => return Err(error),
        }
    }
    display.answered();
    Ok((!answers.is_empty()).then_some(answers))
}
