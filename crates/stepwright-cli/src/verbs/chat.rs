//! `stepwright chat`.

use crate::args::{self, Chat, Storage};
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::ui::debug;
use crate::ui::resume_command::{FORGOTTEN, ResumeCommand};
use crate::ui::terminal::Stderr;
use crate::{folders, input, open};
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright::file::Definition;
use stepwright::prelude::PrintResponse as _;
use stepwright::term::{Conversation, Terminal};
use stepwright::{Error, ErrorId, ErrorKind, Memory, RunStatus};

/// Chats with a workflow file.
pub(crate) fn chat(arguments: &Chat, stderr: Stderr) -> Exit {
    started(arguments, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Chat, stderr: Stderr) -> Result<Exit, Exit> {
    if arguments.debug {
        debug::show(stderr.terminal);
    }
    let storage = arguments.kept.storage(&arguments.definition.file).map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })?;
    let unattended = is_unattended(storage.is_some());
    let definition = open::definition(&arguments.definition, stderr, unattended)?;
    let runtime = open::runtime(stderr)?;
    let storage = open::storage(storage, stderr);
    let words = words(arguments, storage.as_ref());
    let ended = runtime.block_on(talk(arguments, &definition, storage, &words));
    open::end(runtime, stderr);
    Ok(match ended {
        Ok(conversation) => match conversation.last {
            Some(answer) => {
                let output = answer.as_ref().err().and_then(Error::output);
                if let Some(left) = output.filter(|output| output.status == RunStatus::Pending) {
                    let go_on = words.resume(left.run_id.as_str());
                    stderr.help(&format!("to go on: {go_on}"));
                }
                Exit::of_answer(&answer)
            }
            None => Exit::Completed,
        },
        Err(error) => {
            stderr.error(&error);
            Exit::of(&error)
        }
    })
}

fn words(arguments: &Chat, storage: Option<&Storage>) -> ResumeCommand {
    ResumeCommand {
        db: storage.and_then(|storage| storage.said.clone()),
        file: None,
        allow_shell: arguments.definition.allow_shell,
        doors: arguments.definition.doors.clone(),
    }
}

async fn talk(
    arguments: &Chat,
    definition: &Definition,
    storage: Option<Storage>,
    words: &ResumeCommand,
) -> Result<Conversation, Error> {
    let db = storage.map(|storage| storage.db);
    let opened = match &db {
        Some(db) => Some(db.open().await?),
        None => None,
    };
    // Every model that is chosen at the prompt has the same runs and sessions.
    let store = Memory::default();
    let build = move |definition: &Definition| {
        let builder = open::builder(definition)?;
        match &opened {
            Some(opened) => opened.clone().beneath(builder).build(),
            None => builder.store(store.clone()).build(),
        }
    };
    let workflow = build(definition)?;
    let go_on = db.as_ref().map_or_else(|| FORGOTTEN.to_owned(), |_| words.any());
    let metadata = db.map(|_| DefinitionSource::metadata(&arguments.definition));
    let origin = Arc::new(Mutex::new(metadata.unwrap_or_default()));
    let (switched, is_stored) = (origin.clone(), go_on != FORGOTTEN);
    let wanted = arguments.definition.clone();
    let (timeout, debug) = (arguments.timeout, arguments.debug);
    let schema = definition.input_schema().cloned();
    let mut app = workflow
        .cli_app()
        .user(&arguments.user)
        .emoji(&arguments.emoji)
        .stream(!arguments.no_stream)
        .send_mode(arguments.send)
        .color(Terminal::of_stdout().color)
        .to_continue(go_on)
        .each_run(move |run| {
            let origin = origin.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let run = run.debug_mode(debug).metadata(origin);
            match timeout {
                Some(timeout) => run.timeout(timeout),
                None => run,
            }
        })
        .read_input(move |text| input::typed(text, schema.as_ref()))
        .switch_model(move |model| {
            let wanted = args::Definition { model: Some(model.to_owned()), ..wanted.clone() };
            let built = with_model(&wanted, is_unattended(is_stored))
                .and_then(|definition| build(&definition));
            if built.is_ok() && is_stored {
                *switched.lock().unwrap_or_else(PoisonError::into_inner) =
                    DefinitionSource::metadata(&wanted);
            }
            Box::pin(std::future::ready(built))
        });
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

/// Returns `true` if no answer about a permission can reach a run.
fn is_unattended(is_stored: bool) -> bool {
    !std::io::stdin().is_terminal() && !is_stored
}

/// Reads the file with another model.
fn with_model(wanted: &args::Definition, unattended: bool) -> Result<Definition, Error> {
    open::check_model(wanted.model.as_deref(), "/model")?;
    let read = wanted.options().and_then(|mut options| {
        options.unattended = unattended;
        Definition::read(&wanted.file, &options)
    });
    read.map_err(|mistakes| {
        let first = mistakes.iter().next().map(ToString::to_string).unwrap_or_default();
        Error::new(ErrorKind::Definition, first).with_id(ErrorId::FILE_INVALID)
    })
}

/// Returns the file for the history of typed lines, in the data directory of the user.
fn history() -> Option<PathBuf> {
    Some(folders::data()?.join("chat-history"))
}
