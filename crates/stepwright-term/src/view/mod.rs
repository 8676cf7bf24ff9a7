//! Turns the events of a run into permanent lines and redrawn lines.

mod body;
mod containers;
mod end;
mod frame;
mod info;
mod live;
mod people;
mod step;
mod step_output;

use crate::lines::line;
use crate::options::{RenderOptions, Style as Form};
use crate::screen::Screen;
use crate::speakers::{QueueOutput, SpeakerQueue};
use crate::styled::{Line, StyledSpan, width_of_line, wrap};
use crate::text::{harmless, percent};
use anstyle::{AnsiColor, Style};
use body::PanelBody;
pub(crate) use containers::decided;
pub(crate) use end::content_lines;
use frame::{BOLD, DIM, PanelFrame, Title, color};
pub(crate) use info::WorkflowInfo;
use std::collections::BTreeSet;
use std::sync::Arc;
use step::VisibleStep;
use step_output::StepEnd;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::Usage;
use stepwright_core::{Content, Event, EventKind, StepPath, Timestamp};

/// The visible state of a run.
#[derive(Debug)]
pub(crate) struct View {
    options: RenderOptions,
    about: WorkflowInfo,
    /// The running steps.
    steps: Vec<VisibleStep>,
    /// The running containers, with their start times.
    containers: Vec<(StepPath, Timestamp)>,
    speakers: SpeakerQueue<PanelPiece>,
    /// The panel of the current speaker.
    panel: Option<Panel>,
    /// Steps that have ended and whose panel is not shown yet.
    waiting: Vec<StepPath>,
    /// Notices about models already shown.
    notices: BTreeSet<Arc<str>>,
    /// `true` if the start of the run was seen.
    begun: bool,
    /// The time since which the whole run waits, if it does.
    rests: Option<Timestamp>,
    /// The step that ended last.
    ended: Option<StepPath>,
    above: LastOutput,
}

#[derive(Debug)]
struct Panel {
    path: StepPath,
    body: PanelBody,
}

/// The kind of output directly above the next line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastOutput {
    Nothing,
    Line,
    Panel,
}

/// A permanent piece of output from the current speaker.
#[derive(Debug)]
enum PanelPiece {
    Open(Title),
    Text(Arc<str>),
    /// The answer has ended; another may follow.
    Break,
    Content(Content),
    Note(Line),
    Close(Line),
    /// A line outside of any panel.
    Aside {
        path: StepPath,
        mark: Line,
        text: Line,
    },
}

impl View {
    pub(crate) fn new(options: RenderOptions, about: WorkflowInfo) -> Self {
        Self {
            options,
            about,
            steps: Vec::new(),
            containers: Vec::new(),
            speakers: SpeakerQueue::default(),
            panel: None,
            waiting: Vec::new(),
            notices: BTreeSet::new(),
            begun: false,
            rests: None,
            ended: None,
            above: LastOutput::Nothing,
        }
    }

    /// Starts another run. Notices already shown are not repeated.
    pub(crate) fn begin(&mut self, options: RenderOptions) {
        let notices = std::mem::take(&mut self.notices);
        let about = std::mem::take(&mut self.about);
        *self = Self { notices, above: self.above, ..Self::new(options, about) };
    }

    /// Notes that other lines were written in between.
    pub(crate) fn interrupted(&mut self) {
        self.above = LastOutput::Nothing;
    }

    pub(crate) fn options(&self) -> RenderOptions {
        self.options
    }

    /// Updates the state with an event and writes its permanent lines.
    pub(crate) fn event(&mut self, event: &Event, screen: &mut Screen) {
        use EventKind as E;
        if self.options.events
            && let Some(text) = line(event)
        {
            self.aside(&StepPath::root(), Line::new(), vec![StyledSpan::new(text, DIM)], screen);
        }
        // An event inside a tool call is shown at the step that makes the call.
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
            E::WorkflowRetried { .. }
            | E::WorkflowForked(_)
            | E::WorkflowQueued { .. }
            | E::WorkflowAdmitted
            | E::WorkflowHandedOver { .. } => {
                self.note(&crate::lines::line(event).unwrap_or_default(), screen);
            }
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
                let step =
                    VisibleStep::new(path.clone(), *executor_type, executor_name, event.time);
                if step.is_workflow && self.options.shows_steps() {
                    let mark = self.mark("▣ ", AnsiColor::Cyan);
                    self.aside(path, mark, vec![StyledSpan::new("workflow", self.dim())], screen);
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
                self.failed(event, StepEnd::Failed { attempts: *attempts }, error, screen);
            }
            E::StepSkipped { error, .. } => self.failed(event, StepEnd::Skipped, error, screen),
            E::StepCancelled { partial } => self.cancelled(event, partial, screen),
            E::RunStarted { agent, model, notice, .. } => {
                if !nested && let Some(step) = self.step(path) {
                    step.by = vec![agent.to_string(), model.to_string()];
                }
                if let Some(notice) = notice
                    && self.options.notes
                {
                    self.notice(notice, screen);
                }
            }
            E::RunContent { content } => {
                if let Some(step) = self.step(path) {
                    step.hear(content);
                }
                if self.options.stream && !nested {
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
                if let Some(step) = self.step(path)
                    && !nested
                {
                    step.said.clear();
                }
                self.asked_again(path, *attempt, error, *delay_ms, screen);
            }
            E::ModelRequestCompleted { usage, purpose, .. } if nested || purpose.is_some() => {
                if let Some(step) = self.step(path) {
                    step.usage += *usage;
                }
            }
            E::ModelRequestCompleted { answer, usage, .. } => {
                self.answered(path, &answer.parts, *usage, screen);
            }
            E::ModelRequestInterrupted { .. } if !nested => self.cut_off(path, screen),
            E::MessageReceived { message } => self.received(path, message, screen),
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

    /// Shows what is not part of the steps: notices, refused answers, and events if wanted.
    pub(crate) fn remarks(&mut self, event: &Event, screen: &mut Screen) {
        if self.options.events
            && let Some(text) = line(event)
        {
            self.aside(&StepPath::root(), Line::new(), vec![StyledSpan::new(text, DIM)], screen);
        }
        match &event.kind {
            EventKind::RunStarted { notice: Some(notice), .. } if self.options.notes => {
                self.notice(notice, screen);
            }
            EventKind::AnswerRefused { refused } => self.note(&refused.to_string(), screen),
            _ => {}
        }
    }

    /// Returns the width of text inside a panel that does not belong to a step.
    pub(crate) fn inner_width(&self, screen: &Screen) -> usize {
        PanelFrame::new(self.options, screen.size().0).inner(&StepPath::root())
    }

    /// Writes a panel with these lines.
    pub(crate) fn panel_of(&mut self, title: &str, lines: Vec<Line>, screen: &mut Screen) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        self.room(screen, LastOutput::Panel);
        screen.keep(&frame.open_about(title, BOLD));
        for line in lines {
            screen.keep(&frame.body(&StepPath::root(), line));
        }
        for line in frame.close(&StepPath::root(), Line::new()) {
            screen.keep(&line);
        }
    }

    /// Returns lines as they are drawn, with their widths.
    pub(crate) fn painted(&self, lines: Vec<Line>) -> Vec<(String, usize)> {
        let painted = lines.into_iter();
        painted.map(|line| (self.options.paint.line(&line), width_of_line(&line))).collect()
    }

    /// Shows a notice, once.
    pub(crate) fn notice(&mut self, notice: &Arc<str>, screen: &mut Screen) {
        if self.notices.insert(notice.clone()) {
            self.note(notice, screen);
        }
    }

    /// Shows a note.
    pub(crate) fn note(&mut self, note: &str, screen: &mut Screen) {
        let word = StyledSpan::new("note:", color(AnsiColor::Yellow));
        let text = vec![word, StyledSpan::plain(format!(" {}", harmless(note)))];
        self.aside(&StepPath::root(), Line::new(), text, screen);
    }

    /// Adds a line outside of panels. It waits until no step is speaking.
    fn aside(&mut self, path: &StepPath, mark: Line, text: Line, screen: &mut Screen) {
        let mut heard = Vec::new();
        // No step has this path, so the line does not wait for its step to end.
        let aside = path.child("#");
        let piece = PanelPiece::Aside { path: path.clone(), mark, text };
        self.speakers.say(&aside, piece, &mut heard);
        self.speakers.end(&aside, &mut heard);
        self.hear(heard, screen);
    }

    /// Adds a piece of text to an answer.
    fn text(&mut self, path: &StepPath, text: Arc<str>, screen: &mut Screen) {
        let thought = self.step(path).and_then(|step| {
            step.said.push_str(&text);
            step.take_thought()
        });
        self.thought(path, thought, screen);
        self.say(path, PanelPiece::Text(text), screen);
    }

    fn thought(&mut self, path: &StepPath, thought: Option<String>, screen: &mut Screen) {
        if let Some(thought) = thought {
            let style = self.dim().italic();
            self.say(
                path,
                PanelPiece::Note(vec![StyledSpan::new(format!("thinking: {thought}"), style)]),
                screen,
            );
        }
    }

    /// Adds a piece to the panel of a step, opening the panel first if necessary.
    fn say(&mut self, path: &StepPath, piece: PanelPiece, screen: &mut Screen) {
        if !self.options.shows_steps() {
            return;
        }
        let mut heard = Vec::new();
        if let Some(step) = self.step(path)
            && !std::mem::replace(&mut step.opened, true)
        {
            let title = Title { path: path.clone(), by: step.by.clone() };
            self.speakers.say(path, PanelPiece::Open(title), &mut heard);
        }
        self.speakers.say(path, piece, &mut heard);
        self.hear(heard, screen);
    }

    /// Writes the output of the queue.
    fn hear(&mut self, heard: Vec<QueueOutput<PanelPiece>>, screen: &mut Screen) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        for heard in heard {
            let QueueOutput::Piece(path, piece) = heard else { continue };
            self.piece(frame, path, piece, screen);
        }
    }

    fn piece(&mut self, frame: PanelFrame, path: StepPath, piece: PanelPiece, screen: &mut Screen) {
        let inner = frame.inner(&path);
        let lines = match (piece, &mut self.panel) {
            (PanelPiece::Open(title), _) => {
                self.waiting.retain(|waiting| *waiting != path);
                self.room(screen, LastOutput::Panel);
                screen.keep(&frame.open(&title));
                self.panel = Some(Panel { path, body: PanelBody::new(self.options, inner) });
                return;
            }
            (PanelPiece::Aside { path, mark, text }, _) => {
                self.room(screen, LastOutput::Line);
                for line in frame.aside(&path, mark, text) {
                    screen.keep(&line);
                }
                return;
            }
            (_, None) => return,
            (piece, Some(panel)) => {
                panel.body.resize(inner);
                match piece {
                    PanelPiece::Text(text) => panel.body.push(&text),
                    PanelPiece::Break => panel.body.finish(),
                    PanelPiece::Content(content) => panel.body.content(&content),
                    PanelPiece::Note(note) => panel.body.note(wrap(&note, inner)),
                    PanelPiece::Close(end) => {
                        self.panel = None;
                        for line in frame.close(&path, end) {
                            screen.keep(&line);
                        }
                        return;
                    }
                    PanelPiece::Open(_) | PanelPiece::Aside { .. } => return,
                }
            }
        };
        for line in lines {
            screen.keep(&frame.body(&path, line));
        }
    }

    /// Adds a blank line around panels.
    fn room(&mut self, screen: &mut Screen, next: LastOutput) {
        let is_apart = self.above == LastOutput::Panel || next == LastOutput::Panel;
        if is_apart && self.above != LastOutput::Nothing {
            screen.keep("");
        }
        self.above = next;
    }

    fn step(&mut self, path: &StepPath) -> Option<&mut VisibleStep> {
        self.steps.iter_mut().find(|step| step.path == *path)
    }

    /// Adds a step whose start was not seen because the run was resumed in the meantime.
    fn adopt(&mut self, event: &Event) {
        let name = Arc::from("");
        let mut step =
            VisibleStep::new(event.path.clone(), ExecutorType::Function, &name, event.time);
        // A step that ends right after one of its own steps is a workflow.
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

    /// Returns `true` if the text of this step is visible while it is produced.
    fn speaks(&self, path: &StepPath) -> bool {
        self.options.stream && self.panel.as_ref().is_some_and(|panel| panel.path == *path)
    }

    fn mark(&self, mark: &str, of: AnsiColor) -> Line {
        match self.options.style {
            Form::Plain => Line::new(),
            _ => vec![StyledSpan::new(mark, color(of))],
        }
    }

    fn dim_mark(&self, mark: &str) -> Line {
        match self.options.style {
            Form::Plain => Line::new(),
            _ => vec![StyledSpan::new(mark, DIM)],
        }
    }

    fn dim(&self) -> Style {
        if self.options.style == Form::Plain { Style::new() } else { DIM }
    }
}

/// Returns `true` if only a running step emits this kind of event.
fn is_of_step(kind: &EventKind) -> bool {
    use EventKind as E;
    kind.is_of_executor()
        || matches!(
            kind,
            E::RunContent { .. }
                | E::ReasoningContentDelta { .. }
                | E::ToolCallArgumentsDelta { .. }
                | E::ModelRequestRetrying { .. }
                | E::StepProgress { .. }
                | E::StepRecorded { .. }
                | E::StepEffectStarted { .. }
                | E::StepEffectFailed { .. }
                | E::StepProcessStarted { .. }
                | E::EffectJudged { .. }
                | E::GuardrailJudged { .. }
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

/// Returns the token usage as text.
pub(crate) fn tokens(usage: Usage) -> String {
    let (read, written) = (usage.input_tokens, usage.output_tokens);
    format!("{} tokens in, {} out", read.unwrap_or(0), written.unwrap_or(0))
}
