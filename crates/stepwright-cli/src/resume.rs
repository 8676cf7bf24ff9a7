//! `stepwright resume` and `stepwright continue`.

use crate::answers::{self, Answers};
use crate::args::{self, Again, Continue, Resume};
use crate::cancel::Cancel;
use crate::drive::Driving;
use crate::exit::Exit;
use crate::look::{self, Looked};
use crate::origin::Origin;
use crate::summary::how_ended;
use crate::terminal::Stderr;
use crate::words::Words;
use crate::{debug, open};
use std::sync::Arc;
use stepwright::{AnyStore, Error, ErrorKind, OnInterrupted, RunOutput, UserId, Workflow};
use stepwright_core::Requirement;
use stepwright_core::event::{RefusedAnswer, Reply};
use stepwright_core::store::{Signal, Wish};
use stepwright_engine::real_world;
use stepwright_term::Asker;

/// Why nothing came of it.
enum Failed {
    /// This is to be said.
    Error(Error),
    /// All has been said.
    Said(Exit),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// What somebody wants of a run that began earlier.
#[derive(Clone, Copy)]
struct Wanted<'a> {
    again: &'a Again,
    /// The answer to every question about a step whose outcome is unknown.
    interrupted: Option<OnInterrupted>,
    /// Answers, if it is about that.
    answers: Option<&'a Continue>,
    stderr: Stderr,
}

/// Takes up a run.
pub(crate) fn resume(arguments: &Resume, stderr: Stderr) -> Exit {
    let (again, interrupted) = (&arguments.again, arguments.interrupted);
    Wanted { again, interrupted, answers: None, stderr }.carry_on()
}

/// Answers what a run waits for, and carries it on.
pub(crate) fn continue_run(arguments: &Continue, stderr: Stderr) -> Exit {
    let (again, interrupted) = (&arguments.again, None);
    Wanted { again, interrupted, answers: Some(arguments), stderr }.carry_on()
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
        // Work that blocks its thread is not waited for when its run has ended.
        runtime.shutdown_background();
        exit.unwrap_or_else(|failed| match failed {
            Failed::Said(exit) => exit,
            Failed::Error(error) => {
                self.explain(stderr, &error);
                Exit::of(&error)
            }
        })
    }

    async fn go_on(self) -> Result<Exit, Failed> {
        let Self { again, stderr, .. } = self;
        let db = look::database(&again.run.kept)?;
        let opened = db.open_existing().await?;
        let looked = look::run(&opened.store(), &again.run).await?;
        let given = match self.answers {
            Some(arguments) => {
                check_open(&looked.output)?;
                answers::given(arguments, &looked.output.requirements)?
            }
            None => Answers::new(),
        };
        let origin = Origin::of(&looked.output.metadata);
        let (cancel, _signals) = Cancel::on_signals(stderr);
        let words = self.words(origin.as_ref());
        let mut driving = Driving::new(&again.shown, stderr, &cancel, Some(db), words);
        let mut asker = None;
        // What is answered already, and was not taken because a process died, is not asked again.
        let inbox = opened.store().inbox(&looked.row.run_id).await.map_err(Error::from)?;
        let open = answers::unanswered(&looked.output.requirements, &inbox);
        if self.answers.is_some() && given.is_empty() && !open.is_empty() {
            asker = driving.asker()?;
            if asker.is_none() {
                let run = &looked.output.run_id;
                let what = "there is no answer, and no terminal to ask at";
                stderr.error(&Error::usage(format!("{what}: run `{run}` stays as it is")));
                driving.say_open(&looked.output);
                return Ok(Exit::Usage);
            }
        }
        if origin.is_none() && again.file.is_none() {
            let Some(arguments) = self.answers else { return Err(of_program(&looked).into()) };
            let Some(given) = asked(asker, given, &open).await? else { return Ok(Exit::Paused) };
            leave(&opened.store(), &looked, given, arguments.by.as_deref()).await?;
            let run = &looked.row.run_id;
            stderr.note(&format!(
                "run `{run}` was begun by a program, which goes on with it: the answer is left there"
            ));
            return Ok(Exit::Paused);
        }
        let definition = self.definition(origin.as_ref(), &looked.output)?;
        let definition = open::definition(&definition, stderr).map_err(Failed::Said)?;
        let workflow = opened.beneath(definition.builder()?).build()?;
        if *workflow.id() != looked.row.workflow_id {
            let (run, theirs) = (&looked.row.run_id, &looked.row.workflow_id);
            let what = format!("run `{run}` is one of `{theirs}`, and not of `{}`", workflow.id());
            let what = Error::usage(what).with_hint("give its workflow file: `--file FILE`");
            return Err(what.into());
        }
        let Some(given) = asked(asker, given, &open).await? else { return Ok(Exit::Paused) };
        let answer = self.drive(&workflow, &mut driving, &looked, given).await?;
        Ok(driving.end(&answer, |stderr, error| self.explain(stderr, error)))
    }

    /// Drives the run with the answers.
    async fn drive(
        self,
        workflow: &Workflow,
        driving: &mut Driving<'_>,
        looked: &Looked,
        given: Answers,
    ) -> Result<Result<RunOutput, Error>, Error> {
        let (run, accept) = (&looked.row.run_id, self.again.accept_changes);
        if looked.output.is_terminal() {
            let how = how_ended(looked.output.status);
            self.stderr.note(&format!("run `{run}` has ended already: {how}"));
        }
        let mut resumed = workflow.continue_run(run, given).accept_changed_definition(accept);
        if let Some(policy) = self.interrupted {
            resumed = resumed.interrupted(policy);
        }
        let by = self.answers.and_then(|answers| answers.by.as_deref());
        if let Some(by) = by.or(self.again.run.user.as_ref().map(UserId::as_str)) {
            resumed = resumed.answered_by(by);
        }
        Ok(driving.drive(workflow, resumed.stream_events(true).stream()).await)
    }

    /// The workflow file of the run, and how it is to be read.
    fn definition(
        self,
        origin: Option<&Origin>,
        output: &RunOutput,
    ) -> Result<args::Definition, Error> {
        let Self { again, .. } = self;
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
                return Err(Error::usage(what).with_hint("say where it is now: `--file FILE`"));
            }
        };
        let base_dir = again.base_dir.clone().or(origin.map(|origin| origin.base_dir.clone()));
        let model = again.model.clone().or(origin.and_then(|origin| origin.model.clone()));
        let (allow_shell, doors) = (again.allow_shell, again.doors.clone());
        Ok(args::Definition { file: file.clone(), model, allow_shell, doors, base_dir })
    }

    fn words(self, origin: Option<&Origin>) -> Words {
        let again = self.again;
        Words {
            db: again.run.kept.said().cloned(),
            file: again.file.as_ref().map(|file| file.display().to_string()),
            allow_shell: again.allow_shell || origin.is_some_and(|origin| origin.allow_shell),
            doors: match origin {
                Some(origin) if again.doors.is_closed() => origin.doors(),
                _ => again.doors.clone(),
            },
        }
    }

    /// What went wrong, and what to do next.
    fn explain(self, stderr: Stderr, error: &Error) {
        stderr.error(error);
        let could = error.hint().is_some_and(|hint| hint.contains("accept the change"));
        if could && error.kind() == ErrorKind::Usage && !self.again.accept_changes {
            stderr.hint("`--accept-changes` accepts it");
        }
    }
}

/// An answer needs a question.
fn check_open(output: &RunOutput) -> Result<(), Error> {
    let run = &output.run_id;
    if output.is_terminal() {
        let how = how_ended(output.status);
        let what = format!("run `{run}` has ended, and waits for nothing: {how}");
        return Err(Error::usage(what));
    }
    if !output.requirements.iter().any(Requirement::needs_person) {
        let what = format!("run `{run}` waits for nobody");
        return Err(Error::usage(what).with_hint("`stepwright resume` takes it up"));
    }
    Ok(())
}

/// What was answered on the command line, or by somebody who is asked. Nothing if they leave it.
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

fn of_program(looked: &Looked) -> Error {
    let run = &looked.row.run_id;
    Error::usage(format!("run `{run}` was begun by a program: there is no definition of it here"))
        .with_hint("resume it with that program, or give the workflow file: `--file FILE`")
}

/// Leaves answers for whoever has the definition.
async fn leave(
    store: &AnyStore,
    looked: &Looked,
    given: Answers,
    by: Option<&str>,
) -> Result<(), Error> {
    let (run, open) = (&looked.row.run_id, &looked.output.requirements);
    let mut replies: Vec<Reply> = Vec::new();
    for (key, answer) in given {
        let asked = answers::find(open, &key).ok_or_else(|| {
            let names: Vec<String> = open.iter().map(|asked| format!("`{}`", asked.id)).collect();
            Error::usage(format!("run `{run}` does not wait for `{key}`"))
                .with_hint(format!("it waits for {}", names.join(", ")))
        })?;
        asked.check(&answer).map_err(Error::usage)?;
        let requirement_id = asked.id.clone();
        if replies.iter().any(|reply| reply.requirement_id == requirement_id) {
            return Err(Error::usage(format!("`{requirement_id}` is answered twice")));
        }
        replies.push(Reply { requirement_id, answer, by: by.map(Arc::from), timed_out: false });
    }
    let now = real_world().now();
    let inbox = store.inbox(run).await?;
    let mut refused: Option<RefusedAnswer> = None;
    for reply in &replies {
        let due = looked.dues.get(&reply.requirement_id).copied().filter(|due| now > *due);
        if let Some(due) = due {
            // Whoever drives the run records that it was refused.
            store.submit(Signal::answer(run.clone(), reply.clone(), now)).await?;
            refused.get_or_insert(RefusedAnswer { reply: reply.clone(), due, came: now });
        } else if let Some(waiting) = waiting(&inbox, reply) {
            same(waiting, reply)?;
        }
    }
    if let Some(refused) = refused {
        return Err(Error::usage(refused.to_string()));
    }
    for reply in replies {
        if !store.submit(Signal::answer(run.clone(), reply.clone(), now)).await? {
            let id = &reply.requirement_id;
            let inbox = store.inbox(run).await?;
            let waiting = waiting(&inbox, &reply).ok_or_else(|| {
                Error::usage(format!("the answer to `{id}` comes too late: it has been answered"))
            })?;
            same(waiting, &reply)?;
        }
    }
    Ok(())
}

/// The answer in an inbox to what `reply` answers.
fn waiting<'a>(inbox: &'a [Signal], reply: &Reply) -> Option<&'a Reply> {
    inbox.iter().find_map(|signal| match &signal.wish {
        Wish::Answer(waiting) if waiting.requirement_id == reply.requirement_id => Some(waiting),
        _ => None,
    })
}

/// The answer that waits counts; to give it once more does no harm.
fn same(waiting: &Reply, reply: &Reply) -> Result<(), Error> {
    if waiting.answer == reply.answer {
        return Ok(());
    }
    let (id, answer) = (&reply.requirement_id, &waiting.answer);
    let what = format!("`{id}` is already answered: the answer `{answer}` waits for the run");
    Err(Error::usage(what))
}
