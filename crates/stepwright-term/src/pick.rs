//! A choice among lines at the terminal.

use crate::asking::{is_attended, prompt};
use crate::prompt::Typed;
use crate::terminal::Terminal;
use crate::text::{beginning, harmless};
use anstyle::Style;
use std::fmt::Write as _;
use std::io::Write as _;
use stepwright_core::{Error, ErrorId};

/// Asks the person at the terminal to choose one of these lines by its number. Returns its index,
/// or `None` if the person quits with Ctrl-C, Ctrl-D or an empty line, and `None` at once if there
/// is no terminal.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
/// let lines = ["r-1  waits for a confirmation".to_owned(), "r-2  waits for a choice".to_owned()];
/// if let Some(chosen) = stepwright_term::pick("Which run?", &lines).await? {
///     println!("{}", lines[chosen]);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// If the terminal cannot be used.
pub async fn pick(question: &str, lines: &[String]) -> Result<Option<usize>, Error> {
    if lines.is_empty() || !is_attended() {
        return Ok(None);
    }
    let terminal = Terminal::of_stdout();
    let columns = terminal.size().0;
    let mut text = format!("{}\n", terminal.paint(Style::new().bold(), harmless(question)));
    let digits = lines.len().to_string().len();
    for (at, line) in lines.iter().enumerate() {
        let number = terminal.paint(Style::new().dimmed(), format!("{:>digits$}", at + 1));
        let line = beginning(&harmless(line), columns.saturating_sub(digits + 3));
        let _ = writeln!(text, "{number}  {line}");
    }
    let written = std::io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|error| {
        let what = Error::usage("the choice cannot be shown").with_id(ErrorId::TERMINAL_FAILED);
        what.with_source(error)
    })?;
    let prompt = prompt(terminal.color)?;
    loop {
        let typed = match prompt.read("number › ").await? {
            Typed::Line(line) => line,
            Typed::Interrupted { .. } | Typed::End => return Ok(None),
        };
        match typed.trim() {
            "" => return Ok(None),
            number => match number.parse::<usize>() {
                Ok(number) if (1..=lines.len()).contains(&number) => return Ok(Some(number - 1)),
                _ => {
                    let most = lines.len();
                    let remark = format!("type a number from 1 to {most}, or Enter to quit");
                    let remark = terminal.paint(Style::new().dimmed(), remark);
                    let _ = writeln!(std::io::stdout(), "{remark}");
                }
            },
        }
    }
}
