//! `stepwright chat`.

use crate::args::Chat;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::ui::debug;
use crate::ui::resume_command::{FORGOTTEN, ResumeCommand};
use crate::ui::terminal::Stderr;
use crate::{input, open};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use stepwright::Error;
use stepwright::file::Definition;
use stepwright::prelude::PrintResponse as _;
use stepwright::term::{Conversation, Terminal};

/// Chats with a workflow file.
pub(crate) fn chat(arguments: &Chat, stderr: Stderr) -> Exit {
    started(arguments, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Chat, stderr: Stderr) -> Result<Exit, Exit> {
    if arguments.debug {
        debug::show(stderr.terminal);
    }
    let unattended = !std::io::stdin().is_terminal() && arguments.kept.database().is_none();
    let definition = open::definition(&arguments.definition, stderr, unattended)?;
    let runtime = open::runtime(stderr)?;
    let ended = runtime.block_on(talk(arguments, &definition));
    // Do not wait for blocking work of runs that have ended.
    runtime.shutdown_background();
    Ok(match ended {
        Ok(conversation) => match conversation.last {
            Some(answer) => Exit::of_answer(&answer),
            None => Exit::Completed,
        },
        Err(error) => {
            stderr.error(&error);
            Exit::of(&error)
        }
    })
}

async fn talk(arguments: &Chat, definition: &Definition) -> Result<Conversation, Error> {
    let db = arguments.kept.database();
    let workflow = open::workflow(definition, db.as_ref()).await?;
    let words = ResumeCommand {
        db: arguments.kept.said().cloned(),
        file: None,
        allow_shell: arguments.definition.allow_shell,
        doors: arguments.definition.doors.clone(),
    };
    let go_on = db.as_ref().map_or_else(|| FORGOTTEN.to_owned(), |_| words.any());
    let origin = db.map(|_| DefinitionSource::metadata(&arguments.definition)).unwrap_or_default();
    let (timeout, debug) = (arguments.timeout, arguments.debug);
    let schema = definition.input_schema().cloned();
    let mut app = workflow
        .cli_app()
        .user(&arguments.user)
        .emoji(&arguments.emoji)
        .stream(!arguments.no_stream)
        .color(Terminal::of_stdout().color)
        .to_continue(go_on)
        .each_run(move |run| {
            let run = run.debug_mode(debug).metadata(origin.clone());
            match timeout {
                Some(timeout) => run.timeout(timeout),
                None => run,
            }
        })
        .read_input(move |text| input::typed(text, schema.as_ref()));
    if let Some(session) = &arguments.kept.session_id {
        app = app.session_id(session);
    }
    if let Some(user) = &arguments.kept.user_id {
        app = app.user_id(user);
    }
    if let Some(first) = &arguments.input {
        app = app.input(first);
    }
    if !arguments.exit_on.is_empty() {
        app = app.exit_on(&arguments.exit_on);
    }
    if arguments.no_markdown {
        app = app.markdown(false);
    }
    if arguments.no_details {
        app = app.show_step_details(false);
    }
    if let Some(history) = history().filter(|_| !arguments.no_history) {
        app = app.history(history);
    }
    app.await
}

/// Returns the file for the history of typed lines, in the data directory of the user.
fn history() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let data = if cfg!(windows) {
        set("APPDATA").map(PathBuf::from)
    } else {
        let home = set("HOME").map(PathBuf::from);
        let usual =
            if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
        set("XDG_DATA_HOME").map(PathBuf::from).or(home.map(|home| home.join(usual)))
    };
    Some(data?.join("stepwright").join("chat-history"))
}
