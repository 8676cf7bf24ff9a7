//! `stepwright resume` and `stepwright continue`.

use crate::answers::{self, Answers};
use crate::args::{self, Again, Continue, Resume, Storage};
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::open;
use crate::run_reference::short;
use crate::ui::cancel::Cancel;
use crate::ui::debug;
use crate::ui::driving::Driving;
use crate::ui::resume_command::ResumeCommand;
use crate::ui::summary::how_ended;
use crate::ui::terminal::Stderr;
use std::io::IsTerminal as _;
use stepwright::store::{RunFilter, RunRow};
use stepwright::{Error, ErrorId, OnInterrupted, RunId, RunOutput, RunStatus, UserId, Workflow};
use stepwright_core::Requirement;
use stepwright_engine::{Runs, drivers, real_world};
use stepwright_term::{Asker, ago, pick};

/// The largest number of waiting runs to choose from, the newest first.
const PICKED_MAX: usize = 20;

/// A run as it was loaded.
struct Looked<'a> {
    row: &'a RunRow,
    output: RunOutput,
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

/// The arguments about a run that began earlier.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    again: &'a Again,
    /// The answer to all questions about interrupted steps.
    interrupted: Option<OnInterrupted>,
    /// Set if a failed run is retried: `true` if a cancelled one is, too.
    retry: Option<bool>,
    /// The answers on the command line, for `continue`.
    answers: Option<&'a Continue>,
    stderr: Stderr,
}

/// Resumes a run.
pub(crate) fn resume(arguments: &Resume, stderr: Stderr) -> Exit {
    let (again, interrupted) = (&arguments.again, arguments.interrupted);
    let retry = arguments.retry.map(|what| what == args::Retried::Cancelled);
    Wanted { again, interrupted, retry, answers: None, stderr }.carry_on()
}

/// Answers the pending requests of a run, and continues it.
pub(crate) fn continue_run(arguments: &Continue, stderr: Stderr) -> Exit {
    let (again, interrupted) = (&arguments.again, None);
    Wanted { again, interrupted, retry: None, answers: Some(arguments), stderr }.carry_on()
}

impl Wanted<'_> {
    fn carry_on(self) -> Exit {
        let Self { again, stderr, .. } = self;
        if again.shown.debug {
            debug::show(stderr.terminal);
        }
        let runtime = match open::runtime(stderr) {
            Ok(runtime) => runtime,
            Err(exit) => return exit,
        };
        let exit = runtime.block_on(self.go_on());
        open::end(runtime, stderr);
        exit.unwrap_or_else(|failed| match failed {
            Failed::Said(exit) => exit,
            Failed::Error(error) => {
                explain(stderr, &error);
                Exit::of(&error)
            }
        })
    }

    async fn go_on(self) -> Result<Exit, Failed> {
        let Self { again, stderr, .. } = self;
        let db = again.run.kept.database()?;
        let opened = db.open_existing().await?;
        let runs = opened.runs(again.run.user.as_ref())?;
        let run = match (&again.run.run, self.answers) {
            (None, Some(_)) => match picked(&runs).await? {
                Some(run) => run,
                None => return Ok(Exit::Usage),
            },
            _ => again.run.find(&runs).await?,
        };
        let snapshot = runs.load(&run).await.map_err(run_error)?;
        let looked = Looked { row: snapshot.row(), output: snapshot.output() };
        let given = match self.answers {
            Some(arguments) => {
                check_open(&looked)?;
                answers::given(arguments, &looked.output.requirements)?
            }
            None => Answers::new(),
        };
        let origin = DefinitionSource::of(&looked.output.metadata);
        let (cancel, _signals) = Cancel::on_signals(stderr);
        let words = words(again, origin.as_ref());
        let storage = Storage { db, is_named: true, said: words.db.clone() };
        let mut driving = Driving::new(&again.shown, stderr, &cancel, Some(storage), words);
        let mut asker = None;
        // Requests with an answer in the inbox, not taken because a process died, are not asked
        // again.
        let open = snapshot.unanswered();
        if self.answers.is_some() && given.is_empty() && !open.is_empty() {
            asker = driving.asker()?;
            if asker.is_none() {
                let run = &looked.output.run_id;
                let what = "there is no answer, and no terminal to ask at";
                let error = Error::usage(format!("{what}: run `{run}` stays as it is"));
                stderr.error(&error.with_id(ErrorId::ANSWER_MISSING));
                driving.say_open(&looked.output);
                return Ok(Exit::Usage);
            }
        }
        if origin.is_none() && again.file.is_none() {
            let Some(arguments) = self.answers else {
                return Err(of_program(&looked.row.run_id).into());
            };
            let Some(given) = asked(asker, given, &open).await? else {
                return Ok(Exit::of_paused(&looked.output));
            };
            let run = &looked.row.run_id;
            runs.submit(run, given, arguments.by.as_deref()).await?;
            stderr.note(&format!(
                "run `{run}` was begun by a program, which goes on with it: the answer is left there"
            ));
            return Ok(Exit::Paused);
        }
        let definition = definition(again, origin.as_ref(), &looked.output)?;
        let definition = open::definition(&definition, stderr, false).map_err(Failed::Said)?;
        let workflow = opened.beneath(open::builder(&definition)?).build()?;
        check_workflow(&workflow, looked.row)?;
        let Some(given) = asked(asker, given, &open).await? else {
            return Ok(Exit::of_paused(&looked.output));
        };
        driving.recall(&runs, &run).await?;
        let answer = self.drive(&workflow, &mut driving, &looked, given).await?;
        Ok(driving.end(&answer, explain))
    }

    /// Drives the run with the answers.
    async fn drive(
        self,
        workflow: &Workflow,
        driving: &mut Driving<'_>,
        looked: &Looked<'_>,
        given: Answers,
    ) -> Result<Result<RunOutput, Error>, Error> {
        let (run, accept) = (&looked.row.run_id, self.again.accept_changes);
        if let Some(cancelled_too) = self.retry {
            let mut retried = workflow.retry(run).cancelled_too(cancelled_too);
            retried = retried.accept_changed_definition(accept).stream_events(true);
            if let Some(policy) = self.interrupted {
                retried = retried.interrupted(policy);
            }
            return Ok(driving.drive(workflow, retried.stream()).await);
        }
        if looked.output.is_terminal() {
            let how = how_ended(looked.output.status);
            let more = match looked.output.status {
                RunStatus::Error => "; `--retry` takes it up again",
                RunStatus::Cancelled => "; `--retry=cancelled` takes it up again",
                _ => "",
            };
            self.stderr.note(&format!("run `{run}` has ended already: {how}{more}"));
        }
        let mut resumed = workflow.continue_run(run, given).accept_changed_definition(accept);
        if let Some(policy) = self.interrupted {
            resumed = resumed.interrupted(policy);
        }
        let by = self.answers.and_then(|answers| answers.by.as_deref());
        if let Some(by) = by.or(self.again.run.user.as_ref().map(UserId::as_str)) {
            resumed = resumed.answered_by(by);
        }
        Ok(driving.drive(workflow, resumed.stream_events(true).stream().in_task()).await)
    }
}

/// Returns the workflow file of the run, with the options to read it.
pub(super) fn definition(
    again: &Again,
    origin: Option<&DefinitionSource>,
    output: &RunOutput,
) -> Result<args::Definition, Error> {
    let file = match (&again.file, origin) {
        (Some(file), _) => file,
        (None, Some(origin)) if origin.file.exists() => &origin.file,
        (None, origin) => {
            let file = origin.map(|origin| origin.file.display().to_string());
            let file = file.unwrap_or_default();
            let what = format!(
                "the workflow file `{file}`, with which run `{}` began, is not there any more",
                output.run_id
            );
            let error = Error::usage(what).with_id(ErrorId::WORKFLOW_FILE_GONE);
            return Err(error.with_hint("say where it is now: `--file FILE`"));
        }
    };
    let base_dir = again.base_dir.clone().or(origin.map(|origin| origin.base_dir.clone()));
    let model = again.model.clone().or(origin.and_then(|origin| origin.model.clone()));
    let (allow_shell, doors) = (again.allow_shell, again.doors.clone());
    let prompt = origin.and_then(DefinitionSource::prompt);
    let (file, agent) = (file.clone(), origin.and_then(|origin| origin.agent.clone()));
    Ok(args::Definition { file, model, allow_shell, doors, base_dir, prompt, agent })
}

/// Checks that a run belongs to a workflow.
pub(super) fn check_workflow(workflow: &Workflow, row: &RunRow) -> Result<(), Error> {
    if *workflow.id() == row.workflow_id {
        return Ok(());
    }
    let (run, theirs) = (&row.run_id, &row.workflow_id);
    let what = format!("run `{run}` is one of `{theirs}`, and not of `{}`", workflow.id());
    let what = Error::usage(what).with_id(ErrorId::OTHER_WORKFLOW);
    Err(what.with_hint("give its workflow file: `--file FILE`"))
}

pub(super) fn words(again: &Again, origin: Option<&DefinitionSource>) -> ResumeCommand {
    ResumeCommand {
        db: again.run.kept.said().cloned(),
        file: again.file.as_ref().map(|file| file.display().to_string()),
        allow_shell: again.allow_shell || origin.is_some_and(|origin| origin.allow_shell),
        doors: match origin {
            Some(origin) if again.doors.is_closed() => origin.doors(),
            _ => again.doors.clone(),
        },
    }
}

/// Lets the person at the terminal choose one of the waiting runs. `None` if the person quits.
///
/// # Errors
/// If there is no terminal, or no run that waits.
async fn picked(runs: &Runs) -> Result<Option<RunId>, Error> {
    let is_attended = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !is_attended {
        let error = Error::usage("no run given, and no terminal to choose one at");
        return Err(error
            .with_id(ErrorId::ARGUMENT_MISSING)
            .with_hint("`stepwright runs --status paused` lists those that wait"));
    }
    let filter =
        RunFilter { status: Some(RunStatus::Paused), limit: PICKED_MAX, ..RunFilter::default() };
    let waiting = runs.list(filter).await?;
    if waiting.is_empty() {
        let error = Error::usage("no run of this database waits for an answer");
        return Err(error.with_id(ErrorId::REQUESTS_NONE).with_hint("`stepwright runs` lists all"));
    }
    let now = real_world().wall();
    let mut lines = Vec::new();
    for row in &waiting {
        let asked = runs.load(&row.run_id).await?.output().requirements;
        let asked = asked.iter().find(|asked| asked.needs_person());
        let question = asked.map(|asked| asked.message.to_string()).unwrap_or_default();
        let (id, workflow) = (short(&row.run_id), &row.workflow_id);
        lines.push(format!("{id}  {workflow}  {}  {question}", ago(row.updated_at, now)));
    }
    let chosen = pick("Which run?", &lines).await?;
    Ok(chosen.map(|chosen| waiting[chosen].run_id.clone()))
}

/// Reports an error and the next step.
pub(super) fn explain(stderr: Stderr, error: &Error) {
    let report = error.to_report();
    stderr.report(&if error.id() == ErrorId::DEFINITION_CHANGED {
        report.only_help(
            "resume it with the workflow file it began with, or accept the change with \
             `--accept-changes`: all that the run has done so far is still there",
        )
    } else {
        report
    });
}

/// Checks that the run has a pending request to answer.
fn check_open(looked: &Looked<'_>) -> Result<(), Error> {
    let (run, output) = (&looked.row.run_id, &looked.output);
    if output.is_terminal() {
        let how = how_ended(output.status);
        let what = format!("run `{run}` has ended, and has no pending requests: {how}");
        return Err(Error::usage(what).with_id(ErrorId::RUN_ENDED));
    }
    if !output.requirements.iter().any(Requirement::needs_person) {
        let driver = looked.row.driver.as_deref().filter(|driver| !drivers::is_dead(driver));
        if let (RunStatus::Running, Some(driver)) = (output.status, driver) {
            let driver = drivers::shown(driver);
            let what = format!("run `{run}` has no pending requests: {driver} drives it");
            let error = Error::usage(what).with_id(ErrorId::REQUESTS_NONE);
            return Err(error.with_hint("`stepwright events --follow` shows its events"));
        }
        let what = format!("run `{run}` has no pending requests");
        let error = Error::usage(what).with_id(ErrorId::REQUESTS_NONE);
        return Err(error.with_hint("`stepwright resume` resumes it"));
    }
    Ok(())
}

/// Returns the answers from the command line or the prompt. `None` if the person gives none.
async fn asked(
    asker: Option<Asker>,
    given: Answers,
    open: &[Requirement],
) -> Result<Option<Answers>, Error> {
    match asker {
        Some(mut asker) => asker.ask(open).await,
        None => Ok(Some(given)),
    }
}

pub(super) fn of_program(run: &RunId) -> Error {
    Error::usage(format!("run `{run}` was begun by a program: there is no definition of it here"))
        .with_id(ErrorId::BEGUN_BY_PROGRAM)
        .with_hint("resume it with that program, or give the workflow file: `--file FILE`")
}
