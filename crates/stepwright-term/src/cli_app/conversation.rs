//! A conversation: a sequence of runs in one session.

use super::answer::{Answering, FinishedAnswer, Start, answer, sent_when};
use super::commands::{self, PromptCommand};
use super::{CliApp, ConfigureRun, ParseInput, SwitchModel};
use crate::asking::Continuation;
use crate::display::Display;
use crate::duration::about;
use crate::options::RequestedOptions;
use crate::prompt::{LineSource, Prompt, Typed};
use crate::terminal::Terminal;
use crate::text::{beginning, clean, counted, harmless};
use crate::view::{WorkflowInfo, tokens};
use anstyle::Style;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::sent::SendMode;
use stepwright_core::store::RunFilter;
use stepwright_core::{Error, ErrorId, ErrorKind, RunOutput, Session, SessionId, UserId};
use stepwright_engine::{Workflow, real_world};

/// The largest number of earlier runs shown by `/history`.
const EXCHANGES_MAX: usize = 20;

/// The width shown of each question and answer, in columns.
const EXCHANGE_WIDTH: usize = 160;

/// The result of a conversation: see [`CliApp`].
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
/// println!("continue session {session_id}");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Conversation {
    /// The session at the end of the conversation.
    pub session_id: SessionId,
    /// The number of runs, including failed ones.
    pub answers: usize,
    /// The last answer, if there is one.
    pub last: Option<Result<RunOutput, Error>>,
}

pub(super) struct ChatSession {
    workflow: Workflow,
    each: Arc<ConfigureRun>,
    read: Arc<ParseInput>,
    user_id: Option<UserId>,
    prompt: Prompt,
    /// The prompt before the typed line.
    sign: String,
    exit_on: Vec<String>,
    options: RequestedOptions,
    display: Display,
    /// The output for errors, if answers are read by a program.
    errors: Option<Display>,
    attended: bool,
    /// The prompt for the answers to pending requests, if they are asked.
    asked: Option<Prompt>,
    to_continue: Option<String>,
    question: Option<String>,
    /// Text that was typed while an answer was written.
    typed: String,
    switch: Option<Arc<SwitchModel>>,
    /// The moment at which an agent gets what is typed while it works.
    sends: SendMode,
    conversation: Conversation,
}

/// Decides if the conversation continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LoopControl {
    Continue,
    End,
}

impl ChatSession {
    pub(super) fn new(app: CliApp, source: LineSource, attended: bool) -> Result<Self, Error> {
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
        let about = WorkflowInfo { stored: false, ..WorkflowInfo::of(&app.workflow) };
        let to_stdout = app.out.is_none();
        let (out, terminal) = match app.out {
            Some(out) => (out, Terminal::none()),
            None => (Box::new(std::io::stdout()) as _, Terminal::of_stdout()),
        };
        let errors = (to_stdout && !attended).then(|| {
            let terminal = Terminal::of_stderr();
            Display::with(Box::new(std::io::stderr()), terminal, options, WorkflowInfo::default())
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
            typed: String::new(),
            switch: app.switch,
            sends: app.sends,
            conversation: Conversation { session_id, answers: 0, last: None },
        })
    }

    pub(super) async fn go_on(mut self) -> Result<Conversation, Error> {
        if self.attended {
            let name = self.bold(&harmless(self.workflow.name()));
            let rest = format!(" · session {}", self.conversation.session_id);
            let rest = self.dim(&format!("{rest}\n/help lists the commands; Ctrl-D quits"));
            self.display.lines(&format!("{name}{rest}"));
        }
        if let Some(first) = self.question.take() {
            if self.attended {
                self.display.lines(&format!("\n{}{}", self.sign, clean(&first)));
            }
            if self.ask(&first).await == LoopControl::End {
                return self.end();
            }
        }
        loop {
            if self.attended {
                self.display.lines("\n");
            }
            let typed = std::mem::take(&mut self.typed);
            let read = match typed.split_once('\n') {
                // A line that was typed while the last answer was written.
                Some((line, rest)) => {
                    rest.clone_into(&mut self.typed);
                    self.display.lines(&format!("{}{}", self.sign, clean(line)));
                    Typed::Line(line.to_owned())
                }
                None => self.prompt.edit(&self.sign, &typed).await?,
            };
            match read {
                Typed::End => return self.end(),
                Typed::Interrupted { was_empty: true } => {
                    self.say("Ctrl-D or /exit quits");
                }
                Typed::Interrupted { .. } => {}
                Typed::Line(line) => {
                    if self.line(&line).await == LoopControl::End {
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

    async fn line(&mut self, line: &str) -> LoopControl {
        let trimmed = line.trim();
        let leaves = |word: &String| word.trim().to_lowercase() == trimmed.to_lowercase();
        if trimmed.is_empty() {
            return LoopControl::Continue;
        }
        if self.exit_on.iter().any(leaves) {
            return LoopControl::End;
        }
        match commands::parse(line) {
            Some(Ok(PromptCommand::Exit)) => LoopControl::End,
            Some(Ok(PromptCommand::Retry)) => {
                if let Some(question) = self.question.clone() {
                    return self.ask(&question).await;
                }
                self.say("nothing was asked yet");
                LoopControl::Continue
            }
            Some(Ok(PromptCommand::Answer)) => self.answer().await,
            Some(Ok(PromptCommand::Fork(step))) => self.fork(step).await,
            Some(Ok(command)) => {
                if let Err(error) = self.obey(command).await {
                    self.error(&error);
                }
                LoopControl::Continue
            }
            Some(Err(why)) => {
                self.error(&Error::usage(why).with_id(ErrorId::LINE_UNKNOWN));
                LoopControl::Continue
            }
            None => {
                let text = if trimmed.starts_with("//") { &trimmed[1..] } else { line };
                self.ask(text).await
            }
        }
    }

    async fn ask(&mut self, question: &str) -> LoopControl {
        self.question = Some(question.to_owned());
        let content = match (self.read)(question) {
            Ok(content) => content,
            Err(error) => {
                self.error(&error);
                self.conversation.last = Some(Err(error));
                return LoopControl::Continue;
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
        let next = self.carry_out(Start::Run(Box::new(run))).await;
        self.conversation.answers += 1;
        next
    }

    /// Begins a run that shares the first facts of the last one, and goes on from there.
    async fn fork(&mut self, step: Option<String>) -> LoopControl {
        let run = match &self.conversation.last {
            Some(Ok(output)) => Some(output.run_id.clone()),
            Some(Err(error)) => error.output().map(|output| output.run_id.clone()),
            None => None,
        };
        let Some(run) = run else {
            self.say("there is no run to go on from yet");
            return LoopControl::Continue;
        };
        let mut fork = self.workflow.fork(&run).session_id(&self.conversation.session_id);
        if let Some(step) = step {
            fork = fork.at(step);
        }
        self.display.begin(self.options);
        if self.attended {
            self.display.lines("\n");
        }
        let next = self.carry_out(Start::Fork(Box::new(fork))).await;
        self.conversation.answers += 1;
        next
    }

    /// Shows what the last answer and the session have cost.
    async fn cost(&mut self) -> Result<(), Error> {
        let last = match &self.conversation.last {
            Some(Ok(output)) => Some(output.metrics),
            Some(Err(error)) => error.output().map(|output| output.metrics),
            None => None,
        };
        let session = self.session().await?.map(|session| session.metrics).unwrap_or_default();
        let mut parts = Vec::new();
        if let Some(last) = last {
            parts.push(format!("last answer {}", last.cost));
        }
        parts.push(format!("session {}", session.cost));
        self.say(&parts.join(" · "));
        Ok(())
    }

    /// Asks the pending requests of the last run again.
    async fn answer(&mut self) -> LoopControl {
        match self.conversation.last.take() {
            Some(Ok(output)) if output.is_paused() && self.asked.is_some() => {
                self.display.lines("\n");
                self.carry_out(Start::Paused(Box::new(output))).await
            }
            last => {
                self.conversation.last = last;
                self.say("the last run has no pending requests that can be answered here");
                LoopControl::Continue
            }
        }
    }

    async fn carry_out(&mut self, begin: Start) -> LoopControl {
        let continuation = Continuation::new(self.workflow.clone(), self.asked.as_ref());
        let (errors, reads_keys) = (self.errors.as_mut(), self.attended);
        let (sends, sign, exit_on) = (self.sends, self.sign.clone(), self.exit_on.clone());
        let prompt = Answering { reads_keys, sends, sign, exit_on };
        let carried = answer(begin, continuation, &mut self.display, errors, prompt);
        let FinishedAnswer { answer, quits, typed, sends } = carried.await;
        self.sends = sends;
        self.typed.push_str(&typed);
        let to_continue = self.to_continue.as_deref();
        match &mut self.errors {
            Some(errors) if answer.is_err() => {
                self.display.clear();
                if let Err(error) = &answer {
                    errors.error(error);
                }
            }
            // A program that reads answers did not get one.
            Some(errors) if answer.as_ref().is_ok_and(RunOutput::is_paused) => {
                self.display.clear();
                errors.conclude(&answer, to_continue);
            }
            _ => self.display.conclude(&answer, to_continue),
        }
        self.conversation.last = Some(answer);
        if quits { LoopControl::End } else { LoopControl::Continue }
    }

    async fn obey(&mut self, command: PromptCommand) -> Result<(), Error> {
        match command {
            PromptCommand::Help => {
                let help = commands::help(&self.exit_on);
                self.display.wrapped(&help);
            }
            PromptCommand::Session(None) => {
                let session = self.conversation.session_id.to_string();
                self.say(&format!("session {session}"));
            }
            PromptCommand::Session(Some(id)) => {
                self.conversation.session_id = SessionId::new(&id)?;
                let known = self.session().await?;
                let runs = known.map_or(0, |session| session.metrics.runs);
                let runs = counted(runs, "run", "runs");
                self.say(&format!("session {} · {runs} so far", self.conversation.session_id));
            }
            PromptCommand::New => {
                self.conversation.session_id = real_world().session_id();
                self.say(&format!("session {}", self.conversation.session_id));
            }
            PromptCommand::State => {
                let state = self.session().await?.map(|session| session.state);
                let state = serde_json::Value::Object(state.unwrap_or_default());
                self.display.lines(&clean(&format!("{state:#}")));
            }
            PromptCommand::Metrics => self.metrics().await?,
            PromptCommand::Cost => self.cost().await?,
            PromptCommand::History => self.history().await?,
            PromptCommand::Last => match &self.conversation.last {
                Some(Ok(output)) => self.display.output(output),
                Some(Err(error)) => self.display.error(error),
                None => self.say("there was no answer yet"),
            },
            PromptCommand::Model(model) => {
                let Some(switch) = self.switch.clone() else {
                    self.say("the models of this program cannot be changed here");
                    return Ok(());
                };
                self.workflow = switch(&model).await?;
                self.say(&format!("all agents use {model} from now on"));
            }
            PromptCommand::Send(mode) => {
                self.sends = mode;
                self.say(sent_when(mode));
            }
            PromptCommand::Details(on) => {
                self.options.show_step_details = Some(on);
                self.say(if on { "every step is shown" } else { "only answers are shown" });
            }
            PromptCommand::Events(on) => {
                self.options.events = on;
                self.say(if on { "every event is shown" } else { "events are not shown" });
            }
            // These commands were handled before.
            PromptCommand::Exit
            | PromptCommand::Retry
            | PromptCommand::Answer
            | PromptCommand::Fork(_) => {}
        }
        Ok(())
    }

    /// Returns the session if it exists. A session of another user is not found.
    async fn session(&mut self) -> Result<Option<Session>, Error> {
        let id = &self.conversation.session_id;
        match self.workflow.get_session(id).await {
            Ok(session) if session.belongs_to(self.user_id.as_ref()) => Ok(Some(session)),
            Ok(_) => Err(Error::new(ErrorKind::NotFound, format!("session `{id}` was not found"))
                .with_id(ErrorId::SESSION_NOT_FOUND)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn metrics(&mut self) -> Result<(), Error> {
        let metrics = self.session().await?.map(|session| session.metrics).unwrap_or_default();
        let mut parts = vec![
            counted(metrics.runs, "run", "runs"),
            about(Duration::from_millis(metrics.duration_ms)),
            counted(metrics.model_calls, "model call", "model calls"),
            counted(metrics.tool_calls, "tool call", "tool calls"),
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

    /// Prints a message of the prompt itself.
    fn say(&mut self, text: &str) {
        let text = self.dim(text);
        self.display.lines(&text);
    }

    /// Prints an error about what was typed.
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
