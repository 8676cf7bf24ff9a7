//! From the events of a run to what people see: lines that stay, and lines that move.

mod body;
mod containers;
mod end;
mod frame;
mod info;
mod live;
mod people;
mod step;
mod telling;

use crate::floor::{Floor, Heard};
use crate::lines::line;
use crate::look::{Look, Style as Form};
use crate::screen::Screen;
use crate::styled::{Line, Span, wrap};
use crate::text::{harmless, percent};
use anstyle::{AnsiColor, Style};
use body::Body;
pub(crate) use end::content_lines;
use frame::{DIM, Frame, Title, color};
pub(crate) use info::About;
use std::collections::BTreeSet;
use std::sync::Arc;
use step::Step;
pub(crate) use step::call;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::Usage;
use stepwright_core::{Content, Event, EventKind, StepPath, Timestamp};
use telling::How;

/// What is seen of a run.
#[derive(Debug)]
pub(crate) struct View {
    look: Look,
    about: About,
    /// The steps that run.
    steps: Vec<Step>,
    /// The containers that run, and since when.
    containers: Vec<(StepPath, Timestamp)>,
    floor: Floor<Piece>,
    /// The panel of who has the floor.
    panel: Option<Panel>,
    /// Who has ended, and has not had the floor yet.
    waiting: Vec<StepPath>,
    /// What was said about models: once is enough.
    notices: BTreeSet<Arc<str>>,
    /// Whether its beginning was seen.
    begun: bool,
    /// Since when everything waits, if it does.
    rests: Option<Timestamp>,
    /// Who has ended last.
    ended: Option<StepPath>,
    above: Above,
}

#[derive(Debug)]
struct Panel {
    path: StepPath,
    body: Body,
}

/// What stands above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Above {
    Nothing,
    Line,
    Panel,
}

/// What is said for good, by whoever has the floor.
#[derive(Debug)]
enum Piece {
    Open(Title),
    Text(Arc<str>),
    /// The answer has ended, and another may follow.
    Break,
    Content(Content),
    Note(Line),
    Close(Line),
    /// A line of its own, outside of any panel.
    Aside {
        path: StepPath,
        mark: Line,
        text: Line,
    },
}

impl View {
    pub(crate) fn new(look: Look, about: About) -> Self {
        Self {
            look,
            about,
            steps: Vec::new(),
            containers: Vec::new(),
            floor: Floor::default(),
            panel: None,
            waiting: Vec::new(),
            notices: BTreeSet::new(),
            begun: false,
            rests: None,
            ended: None,
            above: Above::Nothing,
        }
    }

    /// Another run begins. What was said about models needs not be said again.
    pub(crate) fn begin(&mut self, look: Look) {
        let notices = std::mem::take(&mut self.notices);
        let about = std::mem::take(&mut self.about);
        *self = Self { notices, above: self.above, ..Self::new(look, about) };
    }

    /// Lines of somebody else have been written.
    pub(crate) fn interrupted(&mut self) {
        self.above = Above::Nothing;
    }

    pub(crate) fn look(&self) -> Look {
        self.look
    }

    /// Notes what happened, and writes what stays.
    pub(crate) fn event(&mut self, event: &Event, screen: &mut Screen) {
        use EventKind as E;
        if self.look.events
            && let Some(text) = line(event)
        {
            self.aside(&StepPath::root(), Line::new(), vec![Span::new(text, DIM)], screen);
        }
        // What happens inside a tool call is told where its step is.
        let place = event.path.step();
        let nested =
            place != event.path && (is_of_step(&event.kind) || self.step(&place).is_some());
        let call = &event.path;
        let told;
        let event = if nested {
            told = Event { path: place, ..event.clone() };
            &told
        } else {
            event
        };
        let path = &event.path;
        if is_of_step(&event.kind) && self.step(path).is_none() {
            self.adopt(event);
        }
        match &event.kind {
            E::WorkflowStarted(started) => {
                self.begun = true;
                self.info(started, screen);
            }
            E::WorkflowPaused { .. } => self.rests(event, screen),
            E::WorkflowContinued { .. } => self.goes_on(event, screen),
            E::StepPaused { requirement }
            | E::RouterPaused { requirement }
            | E::StepOutputReview { requirement }
            | E::StepExecutorPaused { requirement } => self.paused(event, requirement, screen),
            E::StepContinued { reply } | E::StepExecutorContinued { reply } => {
                self.continued(event, reply, screen);
            }
            E::AnswerRefused { refused } => self.note(&refused.to_string(), screen),
            E::StepRecorded { key, value } => self.recorded(event, key, value, screen),
            E::StepStarted { executor_type, executor_name } => {
                let step = Step::new(path.clone(), *executor_type, executor_name, event.time);
                if step.is_workflow && self.look.shows_steps() {
                    let mark = self.mark("▣ ", AnsiColor::Cyan);
                    self.aside(path, mark, vec![Span::new("workflow", self.dim())], screen);
                }
                self.steps.push(step);
            }
            E::StepRetrying { attempt, error, delay_ms } => {
                self.retrying(path, *attempt, error, *delay_ms, screen);
            }
            E::StepProgress { content, progress } => {
                if let Some(step) = self.step(path) {
                    let done = progress.map(|done| format!("{} ", percent(done)));
                    step.hear(&format!("\n{}{}", done.unwrap_or_default(), content.text()));
                }
            }
            E::StepCompleted { output } => self.completed(event, &output.content, screen),
            E::StepError { error, attempts, .. } => {
                self.failed(event, How::Failed { attempts: *attempts }, error, screen);
            }
            E::StepSkipped { error, .. } => self.failed(event, How::Skipped, error, screen),
            E::StepCancelled { partial } => self.cancelled(event, partial, screen),
            E::RunStarted { agent, model, notice, .. } => {
                if !nested && let Some(step) = self.step(path) {
                    step.by = vec![agent.to_string(), model.to_string()];
                }
                if let Some(notice) = notice
                    && self.look.notes
                {
                    self.notice(notice, screen);
                }
            }
            E::RunContent { content } => {
                if let Some(step) = self.step(path) {
                    step.hear(content);
                }
                if self.look.stream && !nested {
                    self.text(path, content.clone(), screen);
                }
            }
            E::ReasoningContentDelta { reasoning_content } => {
                if let Some(step) = self.step(path) {
                    step.hear(reasoning_content);
                    if !nested {
                        step.think(reasoning_content);
                    }
                }
            }
            E::ModelRequestStarted { .. } => {
                if let Some(step) = self.step(path) {
                    if !nested {
                        step.said.clear();
                    }
                    step.hear("\n");
                }
            }
            E::ModelRequestRetrying { attempt, error, delay_ms, .. } => {
                self.asked_again(path, *attempt, error, *delay_ms, screen);
            }
            E::ModelRequestCompleted { usage, .. } if nested => {
                if let Some(step) = self.step(path) {
                    step.usage += *usage;
                }
            }
            E::ModelRequestCompleted { answer, usage, .. } => {
                self.answered(path, &answer.parts, *usage, screen);
            }
            E::ToolCallStarted { tool } => {
                if let Some(step) = self.step(path) {
                    step.calls(call, tool, event.time);
                }
            }
            E::ToolCallCompleted { tool } | E::ToolCallError { tool, .. } => {
                self.called(event, call, tool, screen);
            }
            kind => self.container(event, kind, screen),
        }
    }

    /// Says what people must know, once.
    pub(crate) fn notice(&mut self, notice: &Arc<str>, screen: &mut Screen) {
        if self.notices.insert(notice.clone()) {
            self.note(notice, screen);
        }
    }

    /// Says what people must know, although nothing is wrong.
    pub(crate) fn note(&mut self, note: &str, screen: &mut Screen) {
        let word = Span::new("note:", color(AnsiColor::Yellow));
        let text = vec![word, Span::plain(format!(" {}", harmless(note)))];
        self.aside(&StepPath::root(), Line::new(), text, screen);
    }

    /// A line of its own, when nobody else speaks.
    fn aside(&mut self, path: &StepPath, mark: Line, text: Line, screen: &mut Screen) {
        let mut heard = Vec::new();
        // No step has this address: what is said aside does not wait until its step has ended.
        let aside = path.child("#");
        let piece = Piece::Aside { path: path.clone(), mark, text };
        self.floor.say(&aside, piece, &mut heard);
        self.floor.end(&aside, &mut heard);
        self.hear(heard, screen);
    }

    /// A piece of text, of an answer that may go on.
    fn text(&mut self, path: &StepPath, text: Arc<str>, screen: &mut Screen) {
        let thought = self.step(path).and_then(|step| {
            step.said.push_str(&text);
            step.take_thought()
        });
        self.thought(path, thought, screen);
        self.say(path, Piece::Text(text), screen);
    }

    fn thought(&mut self, path: &StepPath, thought: Option<String>, screen: &mut Screen) {
        if let Some(thought) = thought {
            let style = self.dim().italic();
            self.say(
                path,
                Piece::Note(vec![Span::new(format!("thinking: {thought}"), style)]),
                screen,
            );
        }
    }

    /// Says something in the panel of a step, which is opened for it.
    fn say(&mut self, path: &StepPath, piece: Piece, screen: &mut Screen) {
        if !self.look.shows_steps() {
            return;
        }
        let mut heard = Vec::new();
        if let Some(step) = self.step(path)
            && !std::mem::replace(&mut step.opened, true)
        {
            let title = Title { path: path.clone(), by: step.by.clone() };
            self.floor.say(path, Piece::Open(title), &mut heard);
        }
        self.floor.say(path, piece, &mut heard);
        self.hear(heard, screen);
    }

    /// Writes what is heard.
    fn hear(&mut self, heard: Vec<Heard<Piece>>, screen: &mut Screen) {
        let frame = Frame::new(self.look, screen.size().0);
        for heard in heard {
            let Heard::Piece(path, piece) = heard else { continue };
            self.piece(frame, path, piece, screen);
        }
    }

    fn piece(&mut self, frame: Frame, path: StepPath, piece: Piece, screen: &mut Screen) {
        let inner = frame.inner(&path);
        let lines = match (piece, &mut self.panel) {
            (Piece::Open(title), _) => {
                self.waiting.retain(|waiting| *waiting != path);
                self.room(screen, Above::Panel);
                screen.keep(&frame.open(&title));
                self.panel = Some(Panel { path, body: Body::new(self.look, inner) });
                return;
            }
            (Piece::Aside { path, mark, text }, _) => {
                self.room(screen, Above::Line);
                for line in frame.aside(&path, mark, text) {
                    screen.keep(&line);
                }
                return;
            }
            (_, None) => return,
            (piece, Some(panel)) => {
                panel.body.resize(inner);
                match piece {
                    Piece::Text(text) => panel.body.push(&text),
                    Piece::Break => panel.body.finish(),
                    Piece::Content(content) => panel.body.content(&content),
                    Piece::Note(note) => panel.body.note(wrap(&note, inner)),
                    Piece::Close(end) => {
                        self.panel = None;
                        for line in frame.close(&path, end) {
                            screen.keep(&line);
                        }
                        return;
                    }
                    Piece::Open(_) | Piece::Aside { .. } => return,
                }
            }
        };
        for line in lines {
            screen.keep(&frame.body(&path, line));
        }
    }

    /// Panels are apart from what is around them.
    fn room(&mut self, screen: &mut Screen, next: Above) {
        let is_apart = self.above == Above::Panel || next == Above::Panel;
        if is_apart && self.above != Above::Nothing {
            screen.keep("");
        }
        self.above = next;
    }

    fn step(&mut self, path: &StepPath) -> Option<&mut Step> {
        self.steps.iter_mut().find(|step| step.path == *path)
    }

    /// A step of which the beginning was not seen: somebody has taken up its run since.
    fn adopt(&mut self, event: &Event) {
        let name = Arc::from("");
        let mut step = Step::new(event.path.clone(), ExecutorType::Function, &name, event.time);
        // What ends right behind its own steps is a workflow.
        step.is_workflow = self.ended.as_ref().is_some_and(|ended| {
            matches!(event.kind, EventKind::StepCompleted { .. }) && event.path.contains(ended)
        });
        step.adopted = true;
        self.steps.push(step);
    }

    fn forget(&mut self, path: &StepPath) {
        self.ended = Some(path.clone());
        self.steps.retain(|step| step.path != *path);
    }

    /// Whether what it says is seen as it says it.
    fn speaks(&self, path: &StepPath) -> bool {
        self.look.stream && self.panel.as_ref().is_some_and(|panel| panel.path == *path)
    }

    fn mark(&self, mark: &str, of: AnsiColor) -> Line {
        match self.look.style {
            Form::Plain => Line::new(),
            _ => vec![Span::new(mark, color(of))],
        }
    }

    fn dim_mark(&self, mark: &str) -> Line {
        match self.look.style {
            Form::Plain => Line::new(),
            _ => vec![Span::new(mark, DIM)],
        }
    }

    fn dim(&self) -> Style {
        if self.look.style == Form::Plain { Style::new() } else { DIM }
    }
}

/// Whether only a step at work can say so.
fn is_of_step(kind: &EventKind) -> bool {
    use EventKind as E;
    kind.is_of_executor()
        || matches!(
            kind,
            E::RunContent { .. }
                | E::ReasoningContentDelta { .. }
                | E::ModelRequestRetrying { .. }
                | E::StepProgress { .. }
                | E::StepRecorded { .. }
                | E::StepEffectStarted { .. }
                | E::StepEffectFailed { .. }
                | E::StepProcessStarted { .. }
                | E::StepExecutorPaused { .. }
                | E::StepExecutorContinued { .. }
                | E::StepRetrying { .. }
                | E::StepAttemptStarted { .. }
                | E::StepCompleted { .. }
                | E::StepError { .. }
                | E::StepSkipped { .. }
                | E::StepCancelled { .. }
        )
}

/// What models consumed.
pub(crate) fn tokens(usage: Usage) -> String {
    let (read, written) = (usage.input_tokens, usage.output_tokens);
    format!("{} tokens in, {} out", read.unwrap_or(0), written.unwrap_or(0))
}
