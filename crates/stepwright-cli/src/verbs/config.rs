//! `stepwright config`.

use crate::args::ShowConfig;
use crate::config::{Found, Setting};
use crate::database;
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use std::path::PathBuf;

/// The variables of the environment that are settings.
const VARIABLES: [&str; 2] = [database::VARIABLE, "STEPWRIGHT_MODEL"];

/// Shows the settings that hold, and where each comes from.
pub(crate) fn config(arguments: &ShowConfig, found: &Found, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    let variables: Vec<(&str, String)> = VARIABLES
        .iter()
        .filter_map(|name| Some((*name, std::env::var(name).ok().filter(|v| !v.is_empty())?)))
        .map(|(name, value)| (name, hidden(name, value)))
        .collect();
    let holding = holding(found);
    if arguments.json {
        let settings = holding.iter().map(|setting| {
            json!({
                "command": setting.command.join(" "),
                "key": setting.key,
                "value": setting.value.to_string(),
                "file": setting.place.file,
                "line": setting.place.line,
            })
        });
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        stdout.write_json_pretty(&json!({
            "user_file": found.user,
            "project_file": found.project,
            "settings": settings.collect::<Vec<Value>>(),
            "variables": variables.collect::<serde_json::Map<_, _>>(),
        }));
        return stdout.end(stderr, Exit::Completed);
    }
    let file = |of: &str, file: Option<&PathBuf>| match file {
        Some(file) if file.is_file() => format!("{of}  {}\n", file.display()),
        Some(file) => format!("{of}  {} (there is no such file)\n", file.display()),
        None => format!("{of}  none\n"),
    };
    let mut text = file("user   ", found.user.as_ref());
    text += &file("project", found.project.as_ref());
    let mut rows: Vec<[String; 3]> = holding
        .iter()
        .map(|setting| {
            let command = setting.command.iter().map(|word| format!("{word}."));
            let key = command.collect::<String>() + &setting.key;
            let from = format!("{}:{}", setting.place.file.display(), setting.place.line);
            [key, setting.value.to_string(), from]
        })
        .collect();
    rows.extend(
        variables
            .into_iter()
            .map(|(name, value)| [name.to_owned(), value, "the environment".to_owned()]),
    );
    if rows.is_empty() {
        text += "\nnothing is set: all options have their defaults\n";
    } else {
        text.push('\n');
        text += &table(["SETTING", "VALUE", "FROM"], rows);
    }
    stdout.write_wrapped(&text);
    stdout.end(stderr, Exit::Completed)
}

/// Returns the settings that no later one replaces.
fn holding(found: &Found) -> Vec<&Setting> {
    let mut holding: Vec<&Setting> = Vec::new();
    for setting in &found.settings {
        let is_same =
            |other: &&Setting| other.key == setting.key && other.command == setting.command;
        holding.retain(|earlier| !is_same(earlier));
        holding.push(setting);
    }
    holding
}

/// Returns the value of a variable without its password.
fn hidden(name: &str, value: String) -> String {
    if name == database::VARIABLE {
        database::Database::named(value.into()).to_string()
    } else {
        value
    }
}
