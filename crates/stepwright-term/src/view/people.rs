//! The output for pending requests and their answers.

use super::frame::{BOLD, DIM, PanelFrame, color};
use super::step::PendingRequest;
use super::{LastOutput, PanelPiece, View};
use crate::asking::fields;
use crate::duration::about;
use crate::excerpt::{short, value_of};
use crate::json;
use crate::options::Style as Form;
use crate::screen::Screen;
use crate::styled::{Line, StyledSpan, wrap};
use crate::text::{clean, counted, harmless};
use crate::waiting::{message, reach, replied, until, waits, wanted};
use anstyle::AnsiColor;
use serde_json::Value;
use stepwright_core::event::Reply;
use stepwright_core::message::Arguments;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Content, Event, Requirement, RunOutput, StepPath};

/// The largest number of pending requests listed for a paused run.
const OPEN_MAX: usize = 20;

/// The largest number of lines shown of each request's subject.
const EXCERPT_LINES_MAX: usize = 6;

impl View {
    /// Shows that a step, router or review waits for an answer.
    pub(super) fn paused(&mut self, event: &Event, requirement: &Requirement, screen: &mut Screen) {
        let path = &event.path;
        let text = waits(requirement);
        let mut line = vec![StyledSpan::plain(text.clone())];
        if self.options.time
            && requirement.needs_answer()
            && let Some(due) = requirement.due
        {
            let left = format!("  for {} at the most", about(due.since(event.time)));
            line.push(StyledSpan::new(left, self.dim()));
        }
        let opened = match self.step(path) {
            Some(step) => {
                let call = match &requirement.kind {
                    RequirementKind::ToolConfirmation { tool } => {
                        Some((requirement.path.clone(), (**tool).clone()))
                    }
                    _ => None,
                };
                step.waits.push(PendingRequest {
                    id: requirement.id.clone(),
                    text,
                    since: event.time,
                    call,
                });
                step.opened
            }
            None => false,
        };
        let mark = self.mark("⏸ ", AnsiColor::Yellow);
        self.tell(path, opened, mark, line, screen);
        if opened {
            self.steps_back(path, screen);
        }
    }

    /// Closes the panel of a waiting step, so that other steps can speak.
    fn steps_back(&mut self, path: &StepPath, screen: &mut Screen) {
        let end = vec![StyledSpan::new("waits", self.dim())];
        let end = [self.mark("⏸ ", AnsiColor::Yellow), end].concat();
        self.say(path, PanelPiece::Break, screen);
        self.say(path, PanelPiece::Close(end), screen);
        let mut heard = Vec::new();
        self.speakers.end(path, &mut heard);
        self.hear(heard, screen);
        if let Some(step) = self.step(path) {
            step.opened = false;
        }
    }

    /// Shows the answer to a pending request.
    pub(super) fn continued(&mut self, event: &Event, reply: &Reply, screen: &mut Screen) {
        let path = &event.path;
        let opened = match self.step(path) {
            Some(step) => {
                step.goes_on(reply, event.time);
                step.opened
            }
            None => false,
        };
        let is_no = matches!(reply.answer, Answer::Reject { .. });
        let mark = if is_no { self.dim_mark("▷ ") } else { self.mark("▶ ", AnsiColor::Green) };
        self.tell(path, opened, mark, vec![StyledSpan::plain(replied(reply))], screen);
    }

    /// Adds a note to the panel of a step if it has one; otherwise prints a line.
    fn tell(&mut self, path: &StepPath, opened: bool, mark: Line, text: Line, screen: &mut Screen) {
        if opened && self.options.shows_steps() {
            self.say(path, PanelPiece::Note([mark, text].concat()), screen);
        } else {
            self.step_line(path, mark, text, screen);
        }
    }

    /// Shows that the whole run waits. No step is speaking any more.
    pub(super) fn rests(&mut self, event: &Event, screen: &mut Screen) {
        self.rests = Some(event.time);
        let open = self.steps.iter().filter(|step| step.opened);
        let open: Vec<StepPath> = open.map(|step| step.path.clone()).collect();
        for path in open {
            self.steps_back(&path, screen);
        }
        self.waiting.clear();
    }

    /// Shows that the run continues.
    pub(super) fn goes_on(&mut self, event: &Event, screen: &mut Screen) {
        if let Some(since) = self.rests.take() {
            // Exclude the pause from all durations.
            let rested = event.time.since(since);
            for step in &mut self.steps {
                step.started_at = step.started_at.plus(rested);
                step.since = step.since.checked_add(rested).unwrap_or(step.since);
                for wait in &mut step.waits {
                    wait.since = wait.since.plus(rested);
                }
            }
            for (_, since) in &mut self.containers {
                *since = since.plus(rested);
            }
        } else if !self.begun && self.options.details {
            let mark = self.mark("▶ ", AnsiColor::Green);
            let text = vec![StyledSpan::new("the run goes on", self.dim())];
            self.aside(&StepPath::root(), mark, text, screen);
        }
        self.begun = true;
    }

    /// Shows a recorded effect.
    pub(super) fn recorded(
        &mut self,
        event: &Event,
        key: &str,
        value: &Value,
        screen: &mut Screen,
    ) {
        let mut text = format!("{}: ", harmless(key));
        text.push_str(&value_of(value));
        let text = vec![StyledSpan::new(format!("recorded {text}"), self.dim())];
        if self.options.shows_steps() && self.step(&event.path).is_some() {
            self.say(&event.path, PanelPiece::Note(text), screen);
        }
    }

    /// Shows a question with everything needed to answer it, and the accepted inputs.
    pub(crate) fn question(&mut self, asked: &Requirement, hint: &str, screen: &mut Screen) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        // The question is not part of the step tree, so it is not indented.
        let root = StepPath::root();
        let inner = frame.inner(&root);
        self.room(screen, LastOutput::Panel);
        let title = format!("{} · {}", harmless(asked.path.as_str()), wanted(asked));
        screen.keep(&frame.open_about(&title, color(AnsiColor::Yellow)));
        let mut lines = self.subject(asked, inner);
        let message = message(asked);
        if !message.is_empty() {
            let message = wrap(&[StyledSpan::new(clean(&message), BOLD)], inner);
            let apart = if lines.is_empty() { None } else { Some(Line::new()) };
            lines.splice(0..0, message.into_iter().chain(apart));
        }
        for line in lines {
            screen.keep(&frame.body(&root, line));
        }
        let end = until(asked).map(|until| vec![StyledSpan::new(until, self.dim())]);
        let hint = vec![StyledSpan::new(format!("{hint} · Ctrl-C quits"), self.dim())];
        if self.options.style == Form::Plain {
            for line in end.into_iter().chain([hint]) {
                screen.keep(&self.options.paint.line(&line));
            }
        } else {
            for line in end.into_iter().flat_map(|end| wrap(&end, inner)) {
                screen.keep(&frame.body(&root, line));
            }
            for line in frame.close(&root, hint) {
                screen.keep(&line);
            }
        }
        screen.frame(&[]);
        self.above = LastOutput::Nothing;
    }

    /// Notes that typed lines are above the next output.
    pub(crate) fn answered_above(&mut self) {
        self.above = LastOutput::Line;
    }

    /// Returns the complete subject of a question.
    fn subject(&self, asked: &Requirement, width: usize) -> Vec<Line> {
        use RequirementKind as K;
        match &asked.kind {
            K::Confirmation { input } => self.content(input, width),
            K::OutputReview { output, .. } => self.content(&output.content, width),
            K::IterationReview { content, .. } => self.content(content, width),
            K::ExternalExecution { tool, arguments } => {
                let name = vec![
                    StyledSpan::new("⚙ ", AnsiColor::Cyan.on_default()),
                    StyledSpan::plain(harmless(tool)),
                ];
                let mut lines = wrap(&name, width);
                lines.extend(json::lines(arguments, width));
                lines
            }
            K::ToolConfirmation { tool } => {
                let name = vec![
                    StyledSpan::new("⚙ ", AnsiColor::Cyan.on_default()),
                    StyledSpan::plain(harmless(&tool.name)),
                ];
                let mut lines = wrap(&name, width);
                lines.extend(match &tool.arguments {
                    Arguments::Json(value) => json::lines(value, width),
                    Arguments::Invalid(raw) => wrap(&[StyledSpan::plain(clean(raw))], width),
                });
                lines
            }
            K::RouteSelection { choices, .. } => {
                let line = |(at, choice): (usize, &std::sync::Arc<str>)| {
                    let number = StyledSpan::new(format!("{:>2}  ", at + 1), DIM);
                    wrap(&[number, StyledSpan::plain(harmless(choice))], width)
                };
                choices.iter().enumerate().flat_map(line).collect()
            }
            K::Permission { effect, rule, for_run } => {
                let mut lines = wrap(&[StyledSpan::plain(clean(effect))], width);
                if let Some(rule) = rule {
                    let rule = format!("for {}: {}", reach(*for_run), harmless(rule));
                    lines.extend(wrap(&[StyledSpan::new(rule, self.dim())], width));
                }
                lines
            }
            K::Interrupted { attempt, .. } if *attempt > 1 => {
                wrap(&[StyledSpan::new(format!("attempt {attempt}"), self.dim())], width)
            }
            K::ErrorDecision { error, attempts, .. } => {
                let mut lines = Vec::new();
                for cause in &error.causes {
                    let cause = format!("  caused by: {}", short(cause));
                    lines.extend(wrap(&[StyledSpan::new(cause, self.dim())], width));
                }
                if let Some(hint) = &error.hint {
                    let hint = format!("help: {}", clean(hint));
                    lines.extend(wrap(&[StyledSpan::plain(hint)], width));
                }
                let tried = counted(u64::from(*attempts), "attempt", "attempts");
                lines.extend(wrap(&[StyledSpan::new(format!("after {tried}"), self.dim())], width));
                lines
            }
            _ => Vec::new(),
        }
    }

    fn content(&self, content: &Content, width: usize) -> Vec<Line> {
        super::content_lines(content, self.options, width)
    }

    /// Shows the pending requests of a paused run, and how to answer them.
    pub(crate) fn waiting(
        &mut self,
        output: &RunOutput,
        to_continue: Option<&str>,
        screen: &mut Screen,
    ) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        let root = StepPath::root();
        let inner = frame.inner(&root);
        let plain = self.options.style == Form::Plain;
        self.room(screen, LastOutput::Panel);
        screen.keep(&frame.open_about("waiting", color(AnsiColor::Yellow)));
        let mut lines: Vec<Line> = Vec::new();
        for (at, asked) in output.requirements.iter().take(OPEN_MAX).enumerate() {
            if at > 0 && !plain {
                lines.push(Line::new());
            }
            lines.extend(self.open(asked, inner));
        }
        if let Some(more @ 1..) = output.requirements.len().checked_sub(OPEN_MAX) {
            lines.push(vec![StyledSpan::new(format!("… and {more} more"), self.dim())]);
        }
        if !plain {
            lines.push(Line::new());
        }
        let how = how(output, to_continue);
        let how = vec![StyledSpan::new("to go on: ", self.dim()), StyledSpan::plain(clean(&how))];
        lines.extend(wrap(&how, inner));
        for line in lines {
            screen.keep(&frame.body(&root, line));
        }
        if !plain {
            for line in frame.close(&root, Line::new()) {
                screen.keep(&line);
            }
        }
    }

    /// Returns a short form of a pending request.
    fn open(&self, asked: &Requirement, width: usize) -> Vec<Line> {
        let title = vec![
            StyledSpan::new(harmless(&asked.id), BOLD),
            StyledSpan::new(format!("  {}", wanted(asked)), self.dim()),
        ];
        let mut lines = wrap(&title, width);
        let mut inside = Vec::new();
        let inner = width.saturating_sub(2);
        let message = message(asked);
        if !message.is_empty() {
            inside.extend(wrap(&[StyledSpan::plain(clean(&message))], inner));
        }
        let mut about = self.subject(asked, inner);
        let more = about.len().saturating_sub(EXCERPT_LINES_MAX);
        if more > 0 && !matches!(asked.kind, RequirementKind::RouteSelection { .. }) {
            about.truncate(EXCERPT_LINES_MAX);
            let more = counted(more as u64, "more line", "more lines");
            about.push(vec![StyledSpan::new(format!("… {more}"), self.dim())]);
        }
        inside.extend(about);
        if let RequirementKind::UserInput { schema }
        | RequirementKind::Wait { schema: Some(schema) } = &asked.kind
        {
            for field in fields(schema).into_iter().flatten() {
                let needed = if field.required { "" } else { ", or nothing" };
                let field =
                    format!("{}: {}{needed}", harmless(&field.name), harmless(&field.takes()));
                inside.extend(wrap(&[StyledSpan::plain(field)], inner));
            }
        }
        let answers = match asked.kind {
            RequirementKind::Budget { .. } => {
                "approve gives the same again, submit gives a number more, reject".to_owned()
            }
            _ => asked.answers().join(", "),
        };
        let note = match (answers.is_empty(), until(asked)) {
            (false, Some(until)) => format!("{answers} · {until}"),
            (false, None) => answers,
            (true, until) => until.unwrap_or_default(),
        };
        inside.extend(wrap(&[StyledSpan::new(note, self.dim())], inner));
        lines.extend(inside.into_iter().map(|line| [vec![StyledSpan::plain("  ")], line].concat()));
        lines
    }
}

/// Returns the library call or command that continues the run.
fn how(output: &RunOutput, to_continue: Option<&str>) -> String {
    use RequirementKind as K;
    let run = output.run_id.as_str();
    if let Some(command) = to_continue {
        return command.replace("RUN_ID", run);
    }
    let Some(asked) = output.requirements.iter().find(|asked| asked.needs_person()) else {
        let events = output.requirements.iter().find_map(|asked| match &asked.kind {
            K::Event { name, key, .. } => Some((name, key)),
            _ => None,
        });
        return match events {
            Some((name, Some(key))) => format!("workflow.emit({name:?}).key({key:?})"),
            Some((name, None)) => format!("workflow.emit({name:?})"),
            None => format!("workflow.resume({run:?})"),
        };
    };
    let answer = match &asked.kind {
        K::UserInput { .. } | K::Wait { .. } | K::ExternalExecution { .. } => {
            "Answer::submit(json!(…))".to_owned()
        }
        K::RouteSelection { choices, .. } => {
            let first = choices.first().map_or("…", |choice| choice);
            format!("Answer::select([{first:?}])")
        }
        K::ErrorDecision { retries: true, .. } | K::Interrupted { .. } => {
            "Answer::Retry".to_owned()
        }
        K::ErrorDecision { .. } => "Answer::Skip".to_owned(),
        _ => "Answer::Approve".to_owned(),
    };
    format!("workflow.continue_run({run:?}, [({:?}, {answer})])", &*asked.id)
}
