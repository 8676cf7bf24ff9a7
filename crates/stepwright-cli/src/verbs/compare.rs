//! `stepwright compare`.

use crate::args::Compare;
use crate::database::run_error;
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use std::fmt::Write as _;
use std::time::Duration;
use stepwright::Error;
use stepwright::term::{about, harmless, status_word};
use stepwright_engine::{Compared, Comparison};

/// The maximum number of characters of an output that are shown.
const OUTPUT_CHARS_MAX: usize = 2_000;

/// Compares two runs.
pub(crate) async fn compare(arguments: &Compare, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&arguments.kept, arguments.user.as_ref()).await?;
    let first = arguments.first.find(&runs).await.map_err(run_error)?;
    let second = arguments.second.find(&runs).await.map_err(run_error)?;
    let compared = runs.compare(&first, &second).await.map_err(run_error)?;
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&compared);
    } else {
        let text = shown(&compared);
        stdout.write_wrapped(&stdout.readable(text));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

fn shown(compared: &Comparison) -> String {
    let Comparison { first, second, first_difference, .. } = compared;
    let row = |name: &str, value: &dyn Fn(&Compared) -> String| {
        [name.to_owned(), value(first), value(second)]
    };
    let tokens = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let rows = vec![
        row("status", &|run| status_word(run.status).to_owned()),
        row("origin", &|run| {
            run.origin.as_ref().map_or("-".to_owned(), |origin| origin.run.to_string())
        }),
        row("time", &|run| about(Duration::from_millis(run.metrics.duration_ms))),
        row("steps", &|run| run.metrics.steps.to_string()),
        row("answers of models", &|run| run.metrics.model_calls.to_string()),
        row("answers of tools", &|run| run.metrics.tool_calls.to_string()),
        row("input tokens", &|run| tokens(run.metrics.usage.input_tokens)),
        row("output tokens", &|run| tokens(run.metrics.usage.output_tokens)),
    ];
    let (one, other) = (first.run_id.as_str(), second.run_id.as_str());
    let mut text = table(["", one, other], rows);
    if first.origin.is_some() || second.origin.is_some() {
        text.push_str("Counts of a fork are without what it shares with its origin.\n");
    }
    text.push_str("\nfirst difference\n");
    let _ = match first_difference {
        Some(difference) => writeln!(text, "  {}", harmless(&difference.to_string())),
        None => writeln!(text, "  none"),
    };
    if first.content == second.content && first.error == second.error {
        return text;
    }
    for run in [first, second] {
        let _ = writeln!(text, "\noutput of {}", harmless(run.run_id.as_str()));
        let given = run.content.pretty();
        let shown = match &run.error {
            Some(error) => format!("failed: {error}"),
            None => given.into_owned(),
        };
        for line in beginning(&shown).lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    }
    text
}

fn beginning(text: &str) -> String {
    match text.char_indices().nth(OUTPUT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}
