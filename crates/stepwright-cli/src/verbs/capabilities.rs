//! `stepwright capabilities`.

use crate::args::{Capabilities, EXIT_CODES};
use crate::exit::Exit;
use crate::program::Program;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use crate::verbs::docs::pages;
use clap::{ArgAction, Command};
use serde_json::{Map, Value, json};
use stepwright::models::Provider;

/// The format of workflow files that this version reads.
const FORMAT: u32 = 1;

/// The models without a provider.
const MODELS: [(&str, &str); 2] = [
    ("auto", "the model of `STEPWRIGHT_MODEL`, or the first one that is available, or `offline`"),
    ("offline", "extracts sentences without a key or a network; not a language model"),
];

/// Describes this version for programs and coding assistants.
pub(crate) fn capabilities(arguments: &Capabilities, program: &Program, stderr: Stderr) -> Exit {
    let mut root = program.command();
    root.build();
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&described(program, &root));
    } else {
        stdout.write(&shown(program, &root));
    }
    stdout.end(stderr, Exit::Completed)
}

fn described(program: &Program, root: &Command) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "file_format": FORMAT,
        "features": {
            "postgres": cfg!(feature = "postgres"),
            "duckduckgo": cfg!(feature = "duckduckgo"),
        },
        "dispatchers": program.schemes(),
        "models": MODELS.map(|(name, about)| (name.to_owned(), json!(about))).into_iter()
            .collect::<Map<_, _>>(),
        "providers": Provider::names().collect::<Vec<_>>(),
        "commands": commands(root),
        "exit_codes": exit_codes().collect::<Map<_, _>>(),
        "topics": pages().into_iter().map(|page| page.topic).collect::<Vec<_>>(),
    })
}

fn commands(of: &Command) -> Vec<Value> {
    let inner = of.get_subcommands().filter(|inner| inner.get_name() != "help");
    inner
        .map(|command| {
            let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set()).map(|arg| {
                let takes = !matches!(
                    arg.get_action(),
                    ArgAction::SetTrue | ArgAction::Help | ArgAction::Version
                );
                let value = arg.get_value_names().and_then(|names| names.first());
                json!({
                    "name": arg.get_long().map_or_else(
                        || arg.get_id().to_string(),
                        |long| format!("--{long}"),
                    ),
                    "value": value.filter(|_| takes).map(ToString::to_string),
                    "required": arg.is_required_set(),
                    "about": arg.get_help().map(ToString::to_string),
                })
            });
            json!({
                "name": command.get_name(),
                "about": command.get_about().map(ToString::to_string),
                "arguments": arguments.collect::<Vec<_>>(),
                "commands": commands(command),
            })
        })
        .collect()
}

/// Returns the exit codes with their meanings, as the help lists them.
fn exit_codes() -> impl Iterator<Item = (String, Value)> {
    EXIT_CODES.lines().filter_map(|line| {
        let (code, meaning) = line.trim().split_once("  ")?;
        code.parse::<u8>().ok()?;
        Some((code.to_owned(), meaning.trim().into()))
    })
}

fn shown(program: &Program, root: &Command) -> String {
    let on = |is_on: bool| if is_on { "yes" } else { "no" };
    let names = |command: &Command| {
        let names = command.get_subcommands().map(Command::get_name);
        names.filter(|name| *name != "help").collect::<Vec<_>>().join(", ")
    };
    format!(
        "{} {}\nfile format  {FORMAT}\nPostgreSQL   {}\nDuckDuckGo   {}\ndispatchers  {}\n\
         models       {}\nproviders    {}\ncommands     {}\n\n\
         `--json` writes all of it, with every option and exit code\n",
        program.name(),
        env!("CARGO_PKG_VERSION"),
        on(cfg!(feature = "postgres")),
        on(cfg!(feature = "duckduckgo")),
        program.schemes().join(", "),
        MODELS.map(|(name, _)| name).join(", "),
        Provider::names().collect::<Vec<_>>().join(", "),
        names(root),
    )
}
