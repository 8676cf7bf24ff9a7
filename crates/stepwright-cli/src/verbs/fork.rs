//! `stepwright rerun`, `stepwright fork` and `stepwright upgrade`.

use crate::args::{self, Again, NewRun, Storage};
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open;
use crate::ui::cancel::Cancel;
use crate::ui::debug;
use crate::ui::driving::Driving;
use crate::ui::terminal::Stderr;
use crate::verbs::resume::{check_workflow, definition, explain, of_program, words};
use serde_json::{Map, Value};
use stepwright::file::ChangedPrompt;
use stepwright::{Content, Error, ErrorId, RunOutput, Workflow};
use stepwright_core::StepPath;
use stepwright_core::json::{self, JsonError};
use stepwright_engine::Snapshot;

/// Begins a step of a run and all that follows again, in a new run.
pub(crate) fn rerun(arguments: &args::Rerun, stderr: Stderr) -> Exit {
    let at = arguments.from.as_deref();
    let (again, new) = (&arguments.again, &arguments.new);
    Forking { again, at, set: &[], prompt: None, new, stderr }.drive()
}

/// Begins a new run that shares the beginning of another one.
pub(crate) fn fork(arguments: &args::Fork, stderr: Stderr) -> Exit {
    let (at, set) = (arguments.at.as_deref(), &*arguments.set);
    let (again, new, prompt) = (&arguments.again, &arguments.new, arguments.prompt.as_deref());
    Forking { again, at, set, prompt, new, stderr }.drive()
}

/// Moves a waiting run to a changed workflow file.
pub(crate) fn upgrade(arguments: &args::Upgrade, stderr: Stderr) -> Exit {
    let again = &arguments.again;
    driven(again, stderr, async |cancel: &Cancel| {
        let Taken { snapshot, workflow, origin, .. } = taken(again, None, stderr).await?;
        let db = again.run.kept.database().map_err(Failed::Error)?;
        let words = words(again, origin.as_ref());
        let storage = Storage { db, is_named: true, said: words.db.clone() };
        let mut driving = Driving::new(&again.shown, stderr, cancel, Some(storage), words);
        let run = &snapshot.row().run_id;
        if !workflow.check_upgrade(run).await? {
            stderr.note(&format!("run `{run}` goes on with this workflow file already"));
            return Ok(Exit::Completed);
        }
        let resumed = workflow.resume(run).accept_changed_definition(true).stream_events(true);
        let answer = driving.drive(&workflow, resumed.stream()).await;
        Ok(driving.end(&answer, explain))
    })
}

/// The failure of a command.
enum Failed {
    /// An error to report.
    Error(Error),
    /// An exit code, if the error is already reported.
    Said(Exit),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// A run that was loaded, and its workflow.
struct Taken {
    snapshot: Snapshot,
    definition: args::Definition,
    workflow: Workflow,
    origin: Option<DefinitionSource>,
    schema: Option<Value>,
}

/// Loads a run, and builds the workflow with which it goes on.
async fn taken(
    again: &Again,
    prompt: Option<ChangedPrompt>,
    stderr: Stderr,
) -> Result<Taken, Failed> {
    let opened = again.run.kept.database()?.open_existing().await?;
    let runs = opened.runs(again.run.user.as_ref())?;
    let run = again.run.find(&runs).await?;
    let snapshot = runs.load(&run).await.map_err(run_error)?;
    let output = snapshot.output();
    let origin = DefinitionSource::of(&output.metadata);
    if origin.is_none() && again.file.is_none() {
        return Err(of_program(&output.run_id).into());
    }
    let mut definition = definition(again, origin.as_ref(), &output)?;
    if prompt.is_some() {
        definition.prompt = prompt;
    }
    let read = open::definition(&definition, stderr, false).map_err(Failed::Said)?;
    let schema = read.input_schema().cloned();
    let workflow = opened.beneath(open::builder(&read)?).build()?;
    check_workflow(&workflow, snapshot.row())?;
    Ok(Taken { snapshot, definition, workflow, origin, schema })
}

fn driven(
    again: &Again,
    stderr: Stderr,
    work: impl AsyncFnOnce(&Cancel) -> Result<Exit, Failed>,
) -> Exit {
    if again.shown.debug {
        debug::show(stderr.terminal);
    }
    let runtime = match open::runtime(stderr) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let exit = runtime.block_on(async {
        let (cancel, _signals) = Cancel::on_signals(stderr);
        work(&cancel).await
    });
    open::end(runtime, stderr);
    exit.unwrap_or_else(|failed| match failed {
        Failed::Said(exit) => exit,
        Failed::Error(error) => {
            explain(stderr, &error);
            Exit::of(&error)
        }
    })
}

/// A fork to begin.
struct Forking<'a> {
    again: &'a Again,
    at: Option<&'a str>,
    set: &'a [String],
    prompt: Option<&'a str>,
    new: &'a NewRun,
    stderr: Stderr,
}

impl Forking<'_> {
    fn drive(self) -> Exit {
        let (again, stderr) = (self.again, self.stderr);
        driven(again, stderr, async |cancel: &Cancel| self.go(cancel).await)
    }

    async fn go(self, cancel: &Cancel) -> Result<Exit, Failed> {
        let Self { again, at, set, new, stderr, .. } = self;
        let prompt = self.prompt().transpose()?;
        let taken = taken(again, prompt.clone(), stderr).await?;
        let Taken { snapshot, definition, workflow, origin, schema } = taken;
        let db = again.run.kept.database()?;
        let mut accept = again.accept_changes;
        let model = origin.as_ref().and_then(|origin| origin.model.as_ref());
        let other_model = again.model.is_some() && again.model.as_ref() != model;
        if (other_model || prompt.is_some()) && !accept {
            // These changes are wanted; everything else is judged as without them.
            self.check_the_rest(&definition, origin.as_ref(), &snapshot).await?;
            accept = true;
        }
        let words = words(again, origin.as_ref());
        let storage = Storage { db, is_named: true, said: words.db.clone() };
        let mut driving = Driving::new(&again.shown, stderr, cancel, Some(storage), words);
        let run = &snapshot.row().run_id;
        let mut fork = workflow
            .fork(run)
            .metadata(DefinitionSource::metadata(&definition))
            .accept_changed_definition(accept)
            .debug_mode(again.shown.debug)
            .stream_events(true);
        if let Some(at) = at {
            fork = fork.at(at);
        }
        if !set.is_empty() {
            fork = fork.input(changed(&snapshot.output(), set, schema.as_ref())?.to_value());
        }
        if let Some(id) = &new.run_id {
            fork = fork.run_id(id);
        }
        if let Some(session) = &new.session_id {
            fork = fork.session_id(session);
        }
        let answer = driving.drive(&workflow, fork.stream()).await;
        Ok(driving.end(&answer, explain))
    }

    /// Returns the prompt for the step at which the fork leaves its origin.
    fn prompt(&self) -> Option<Result<ChangedPrompt, Error>> {
        let path = match self.at?.parse::<StepPath>() {
            Ok(path) => path,
            Err(error) => {
                let error = Error::usage(error.to_string()).with_id(ErrorId::PATH_NOT_BEGUN);
                return self.prompt.map(|_| Err(error));
            }
        };
        let name = |segment: &str| segment.split('#').next().unwrap_or_default().to_owned();
        let step = path.as_str().split('/').map(name).collect();
        self.prompt.map(|text| Ok(ChangedPrompt { step, text: text.to_owned() }))
    }

    /// Checks that the workflow file is the one with which the run began, apart from the model and
    /// the prompt.
    async fn check_the_rest(
        &self,
        definition: &args::Definition,
        origin: Option<&DefinitionSource>,
        snapshot: &Snapshot,
    ) -> Result<(), Failed> {
        let same = args::Definition {
            file: definition.file.clone(),
            model: origin.and_then(|origin| origin.model.clone()),
            allow_shell: definition.allow_shell,
            doors: definition.doors.clone(),
            base_dir: definition.base_dir.clone(),
            prompt: origin.and_then(DefinitionSource::prompt),
            agent: definition.agent.clone(),
        };
        let read = open::definition(&same, self.stderr, false).map_err(Failed::Said)?;
        let opened = self.again.run.kept.database()?.open_existing().await?;
        let workflow = opened.beneath(open::builder(&read)?).build()?;
        workflow.check_definition(&snapshot.row().run_id).await?;
        Ok(())
    }
}

/// Returns the input of a run with these changes.
fn changed(output: &RunOutput, set: &[String], schema: Option<&Value>) -> Result<Content, Error> {
    let mut input = output.input.to_value();
    for change in set {
        let (path, text) = change.split_once('=').ok_or_else(|| {
            wrong(change, "it has no `=`").with_hint("write `--set input.NAME=VALUE`")
        })?;
        let mut names = path.split('.');
        if names.next() != Some("input") {
            let hint = "only the input can be set: `input=VALUE` or `input.NAME=VALUE`";
            return Err(wrong(change, &format!("there is no `{path}`")).with_hint(hint));
        }
        let (mut at, mut schema) = (&mut input, schema);
        for name in names {
            schema = schema.and_then(|schema| schema.get("properties")?.get(name));
            let there = match at {
                Value::Object(members) if schema.is_none() && !members.contains_key(name) => {
                    let hint = "set the input whole to add to it: `input=VALUE`";
                    return Err(wrong(change, &not_there(name, members)).with_hint(hint));
                }
                Value::Object(members) => members.entry(name).or_insert(Value::Null),
                Value::Array(items) => {
                    let item = name.parse().ok().and_then(|nth: usize| items.get_mut(nth));
                    item.ok_or_else(|| wrong(change, &format!("there is no item `{name}`")))?
                }
                _ => {
                    let what = format!("what should have `{name}` is no object");
                    return Err(wrong(change, &what).with_hint("set it whole: `input=VALUE`"));
                }
            };
            at = there;
        }
        *at = value(text, at, schema).map_err(|error| wrong(change, &error.to_string()))?;
    }
    Ok(Content::from(input))
}

fn not_there(name: &str, members: &Map<String, Value>) -> String {
    let names: Vec<String> = members.keys().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => format!("there is no `{name}`"),
        names => format!("there is no `{name}`, only {}", names.join(", ")),
    }
}

/// Reads a value: a text where there was one or the schema wants one, and JSON if it is JSON.
fn value(text: &str, before: &Value, schema: Option<&Value>) -> Result<Value, JsonError> {
    let wants_text = match schema.and_then(|schema| schema.get("type")) {
        Some(wanted) => wanted == "string",
        None => before.is_string(),
    };
    if wants_text {
        return Ok(text.into());
    }
    Ok(json::parse_if_json(text)?.unwrap_or_else(|| text.into()))
}

fn wrong(change: &str, why: &str) -> Error {
    Error::usage(format!("`--set {change}`: {why}")).with_id(ErrorId::INPUT_MISMATCH)
}
