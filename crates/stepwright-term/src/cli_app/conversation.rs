//! A conversation: what is asked, one after the other, in one session.

use super::answer::{Answer, Begin, answer};
use super::commands::{self, Command};
use super::{CliApp, Each, Read};
use crate::asking::GoingOn;
use crate::display::Display;
use crate::duration::about;
use crate::look::Options;
use crate::prompt::{Prompt, Source, Typed};
use crate::terminal::Terminal;
use crate::text::{beginning, clean, counted, harmless};
use crate::view::{About, tokens};
use anstyle::Style;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::store::RunFilter;
use stepwright_core::{Error, ErrorKind, RunOutput, Session, SessionId, UserId};
use stepwright_engine::{Workflow, real_world};

/// How many earlier questions `/history` shows.
const EXCHANGES_MAX: usize = 20;

/// How much of each question and answer it shows, in columns.
const EXCHANGE_WIDTH: usize = 160;

/// What became of a conversation: see [`CliApp`].
///
/// ```
/// # use stepwright_engine::Workflow;
/// use stepwright_term::{Conversation, PrintResponse as _};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let app = workflow.cli_app().read_from("Ada\nGrace\nbye\n".as_bytes());
/// # let app = app.to(std::io::sink());
/// let Conversation { answers, last, session_id, .. } = app.blocking()?;
/// assert_eq!(answers, 2);
/// assert_eq!(last.unwrap()?.content.text(), "Hello Grace");
/// println!("go on with session {session_id}");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Conversation {
    /// The session that it was in at its end.
    pub session_id: SessionId,
    /// How many runs there were, whatever became of them.
    pub answers: usize,
    /// The last answer, if there was one.
    pub last: Option<Result<RunOutput, Error>>,
}

pub(super) struct Talk {
    workflow: Workflow,
    each: Arc<Each>,
    read: Arc<Read>,
    user_id: Option<UserId>,
    prompt: Prompt,
    /// What stands before what is typed.
    sign: String,
    exit_on: Vec<String>,
    options: Options,
    display: Display,
    /// Where errors go, if answers are read by a program.
    errors: Option<Display>,
    attended: bool,
    /// Who is asked what runs wait for, if somebody is.
    asked: Option<Prompt>,
    to_continue: Option<String>,
    question: Option<String>,
    conversation: Conversation,
}

/// Whether the conversation goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoesOn,
    Ends,
}

impl Talk {
    pub(super) fn new(app: CliApp, source: Source, attended: bool) -> Result<Self, Error> {
        let session_id = match app.session_id {
            Some(session) => SessionId::new(session)?,
            None => real_world().session_id(),
        };
        let user_id = app.user_id.map(UserId::new).transpose()?;
        let mut options = app.options;
        options.info = Some(false);
        if !attended {
            options.summary = Some(false);
            options.show_step_details = options.show_step_details.or(Some(false));
        }
        let about = About { stored: false, ..About::of(&app.workflow) };
        let to_stdout = app.out.is_none();
        let (out, terminal) = match app.out {
            Some(out) => (out, Terminal::none()),
            None => (Box::new(std::io::stdout()) as _, Terminal::of_stdout()),
        };
        let errors = (to_stdout && !attended).then(|| {
            let terminal = Terminal::of_stderr();
            Display::with(Box::new(std::io::stderr()), terminal, options, About::default())
        });
        options.notes = Some(errors.is_none());
        let sign = [harmless(&app.emoji), harmless(&app.user)];
        let sign = sign.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
        let asks = attended && app.asks;
        let color = options.color.unwrap_or(terminal.color);
        Ok(Self {
            prompt: Prompt::new(source)?,
            asked: asks.then(|| crate::asking::prompt(color)).transpose()?,
            to_continue: app.to_continue,
            display: Display::with(out, terminal, options, about),
            errors,
            workflow: app.workflow,
            each: app.each,
            read: app.read,
            user_id,
            sign: format!("{sign} › "),
            exit_on: app.exit_on,
            options,
            attended,
            question: app.input,
            conversation: Conversation { session_id, answers: 0, last: None },
        })
    }

    pub(super) async fn go_on(mut self) -> Result<Conversation, Error> {
        if self.attended {
            let name = self.bold(&harmless(self.workflow.name()));
            let rest = format!(" · session {}", self.conversation.session_id);
            let rest = self.dim(&format!("{rest}\n/help lists what can be done; Ctrl-D leaves"));
            self.display.lines(&format!("{name}{rest}"));
        }
        if let Some(first) = self.question.take() {
            if self.attended {
                self.display.lines(&format!("\n{}{}", self.sign, clean(&first)));
            }
            if self.ask(&first).await == Next::Ends {
                return self.end();
            }
        }
        loop {
            if self.attended {
                self.display.lines("\n");
            }
            match self.prompt.read(&self.sign).await? {
                Typed::End => return self.end(),
                Typed::Interrupted { was_empty: true } => {
                    self.say("Ctrl-D or /exit leaves");
                }
                Typed::Interrupted { .. } => {}
                Typed::Line(line) => {
                    if self.line(&line).await == Next::Ends {
                        return self.end();
                    }
                }
            }
        }
    }

    fn end(mut self) -> Result<Conversation, Error> {
        match self.display.failure() {
            Some(failure) => Err(failure),
            None => Ok(self.conversation),
        }
    }

    async fn line(&mut self, line: &str) -> Next {
        let trimmed = line.trim();
        let leaves = |word: &String| word.trim().to_lowercase() == trimmed.to_lowercase();
        if trimmed.is_empty() {
            return Next::GoesOn;
        }
        if self.exit_on.iter().any(leaves) {
            return Next::Ends;
        }
        match commands::parse(line) {
            Some(Ok(Command::Exit)) => Next::Ends,
            Some(Ok(Command::Retry)) => {
                if let Some(question) = self.question.clone() {
                    return self.ask(&question).await;
                }
                self.say("nothing was asked yet");
                Next::GoesOn
            }
            Some(Ok(Command::Answer)) => self.answer().await,
            Some(Ok(command)) => {
                if let Err(error) = self.obey(command).await {
                    self.error(&error);
                }
                Next::GoesOn
            }
            Some(Err(why)) => {
                self.error(&Error::usage(why));
                Next::GoesOn
            }
            None => {
                let text = if trimmed.starts_with("//") { &trimmed[1..] } else { line };
                self.ask(text).await
            }
        }
    }

    async fn ask(&mut self, question: &str) -> Next {
        self.question = Some(question.to_owned());
        let content = match (self.read)(question) {
            Ok(content) => content,
            Err(error) => {
                self.error(&error);
                self.conversation.last = Some(Err(error));
                return Next::GoesOn;
            }
        };
        let mut run = self.workflow.run(content).session_id(&self.conversation.session_id);
        if let Some(user) = &self.user_id {
            run = run.user_id(user);
        }
        self.display.begin(self.options);
        if self.attended {
            self.display.lines("\n");
        }
        let run = (self.each)(run);
        let next = self.carry_out(Begin::Run(Box::new(run))).await;
        self.conversation.answers += 1;
        next
    }

    /// Asks again what the last run waits for.
    async fn answer(&mut self) -> Next {
        match self.conversation.last.take() {
            Some(Ok(output)) if output.is_paused() && self.asked.is_some() => {
                self.display.lines("\n");
                self.carry_out(Begin::Paused(Box::new(output))).await
            }
            last => {
                self.conversation.last = last;
                self.say("the last run waits for nothing that can be answered here");
                Next::GoesOn
            }
        }
    }

    async fn carry_out(&mut self, begin: Begin) -> Next {
        let going = GoingOn::new(self.workflow.clone(), self.asked.as_ref());
        let carried = answer(begin, going, &mut self.display, self.errors.as_mut());
        let Answer { answer, leaves } = carried.await;
        let to_continue = self.to_continue.as_deref();
        match &mut self.errors {
            Some(errors) if answer.is_err() => {
                self.display.clear();
                if let Err(error) = &answer {
                    errors.error(error);
                }
            }
            // A program that reads answers has got none.
            Some(errors) if answer.as_ref().is_ok_and(RunOutput::is_paused) => {
                self.display.clear();
                errors.conclude(&answer, to_continue);
            }
            _ => self.display.conclude(&answer, to_continue),
        }
        self.conversation.last = Some(answer);
        if leaves { Next::Ends } else { Next::GoesOn }
    }

    async fn obey(&mut self, command: Command) -> Result<(), Error> {
        match command {
            Command::Help => {
                let help = commands::help(&self.exit_on);
                self.display.lines(&help);
            }
            Command::Session(None) => {
                let session = self.conversation.session_id.to_string();
                self.say(&format!("session {session}"));
            }
            Command::Session(Some(id)) => {
                self.conversation.session_id = SessionId::new(&id)?;
                let known = self.session().await?;
                let runs = known.map_or(0, |session| session.metrics.runs);
                let runs = counted(runs, "run", "runs");
                self.say(&format!("session {} · {runs} so far", self.conversation.session_id));
            }
            Command::New => {
                self.conversation.session_id = real_world().session_id();
                self.say(&format!("session {}", self.conversation.session_id));
            }
            Command::State => {
                let state = self.session().await?.map(|session| session.state);
                let state = serde_json::Value::Object(state.unwrap_or_default());
                self.display.lines(&clean(&format!("{state:#}")));
            }
            Command::Metrics => self.metrics().await?,
            Command::History => self.history().await?,
            Command::Last => match &self.conversation.last {
                Some(Ok(output)) => self.display.output(output),
                Some(Err(error)) => self.display.error(error),
                None => self.say("there was no answer yet"),
            },
            Command::Details(on) => {
                self.options.show_step_details = Some(on);
                self.say(if on { "every step is shown" } else { "only answers are shown" });
            }
            Command::Events(on) => {
                self.options.events = on;
                self.say(if on { "every event is shown" } else { "events are not shown" });
            }
            // They are not about what was said, and have been dealt with.
            Command::Exit | Command::Retry | Command::Answer => {}
        }
        Ok(())
    }

    /// The session, if there has been a run in it; not if it is another user's.
    async fn session(&mut self) -> Result<Option<Session>, Error> {
        let id = &self.conversation.session_id;
        match self.workflow.get_session(id).await {
            Ok(session) if session.belongs_to(self.user_id.as_ref()) => Ok(Some(session)),
            Ok(_) => Err(Error::new(ErrorKind::NotFound, format!("session `{id}` was not found"))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn metrics(&mut self) -> Result<(), Error> {
        let metrics = self.session().await?.map(|session| session.metrics).unwrap_or_default();
        let mut parts = vec![
            counted(metrics.runs, "run", "runs"),
            about(Duration::from_millis(metrics.duration_ms)),
            counted(metrics.model_calls, "answer of models", "answers of models"),
            counted(metrics.tool_calls, "answer of tools", "answers of tools"),
        ];
        if !metrics.usage.is_empty() {
            parts.push(tokens(metrics.usage));
        }
        self.say(&parts.join(" · "));
        Ok(())
    }

    async fn history(&mut self) -> Result<(), Error> {
        let Some(session) = self.session().await? else {
            self.say("nothing was asked in this session yet");
            return Ok(());
        };
        let filter = RunFilter {
            session_id: Some(session.session_id),
            limit: EXCHANGES_MAX,
            ..RunFilter::default()
        };
        let runs = self.workflow.runs(filter).await?;
        for row in runs.iter().rev() {
            let output = self.workflow.get_run(&row.run_id).await?;
            let question = beginning(&harmless(&output.input.text()), EXCHANGE_WIDTH);
            let said = match &output.error {
                Some(failure) => format!("failed: {}", failure.error.message),
                None if output.content.is_empty() => crate::status_word(output.status).to_owned(),
                None => output.content.text().into_owned(),
            };
            let said = beginning(&harmless(&said), EXCHANGE_WIDTH);
            let question = self.bold(&format!("{}{question}", self.sign));
            self.display.lines(&format!("{question}\n  {said}"));
        }
        Ok(())
    }

    /// What the prompt itself has to say. A program that reads answers does not want it.
    fn say(&mut self, text: &str) {
        let text = self.dim(text);
        self.display.lines(&text);
    }

    /// What was typed cannot be done.
    fn error(&mut self, error: &Error) {
        let errors = self.errors.as_mut().unwrap_or(&mut self.display);
        errors.complaint(error);
    }

    fn bold(&self, text: &str) -> String {
        self.display.paint(Style::new().bold(), text)
    }

    fn dim(&self, text: &str) -> String {
        self.display.paint(Style::new().dimmed(), text)
    }
}
