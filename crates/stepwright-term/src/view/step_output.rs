//! The output for steps: their answers, tool calls, failures and ends.

use super::frame::{DIM, color};
use super::{PanelPiece, View, containers, tokens};
use crate::duration::about;
use crate::excerpt::short;
use crate::options::Style as Form;
use crate::screen::Screen;
use crate::styled::{Line, StyledSpan};
use crate::text::{clean, harmless};
use anstyle::{AnsiColor, Style};
use std::time::Duration;
use stepwright_core::message::{Part, ToolOutcome, Usage};
use stepwright_core::report::label;
use stepwright_core::sent::SentMessage;
use stepwright_core::{Content, ErrorCode, ErrorData, Event, EventKind, StepPath, StepStatus};

/// The result of a step.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StepEnd {
    Completed,
    Failed { attempts: u32 },
    Skipped,
    Cancelled,
}

impl StepEnd {
    fn words(self) -> String {
        match self {
            Self::Completed => "completed".to_owned(),
            Self::Failed { attempts } if attempts > 1 => {
                format!("failed after {attempts} attempts")
            }
            Self::Failed { .. } => "failed".to_owned(),
            Self::Skipped => "skipped".to_owned(),
            Self::Cancelled => "cancelled".to_owned(),
        }
    }
}

impl View {
    pub(super) fn answered(
        &mut self,
        path: &StepPath,
        parts: &[Part],
        usage: Usage,
        screen: &mut Screen,
    ) {
        let Some(step) = self.step(path) else { return };
        step.usage += usage;
        let unsaid = step.said.is_empty();
        for part in parts {
            match part {
                Part::Reasoning { text } if unsaid && step.thought.is_empty() => step.think(text),
                _ => {}
            }
        }
        let thought = step.take_thought();
        self.thought(path, thought, screen);
        for part in parts {
            if let Part::Text { text } = part
                && unsaid
                && !text.is_empty()
            {
                self.text(path, text.as_str().into(), screen);
            }
        }
        self.end_answer(path, screen);
    }

    fn end_answer(&mut self, path: &StepPath, screen: &mut Screen) {
        if self.speakers.contains(path) {
            self.say(path, PanelPiece::Break, screen);
        }
    }

    /// Shows that the answer of a model was cut off.
    pub(super) fn cut_off(&mut self, path: &StepPath, screen: &mut Screen) {
        if let Some(step) = self.step(path) {
            step.said.clear();
        }
        self.end_answer(path, screen);
    }

    /// Shows a message to an agent, at the place where the agent got it.
    pub(super) fn received(&mut self, path: &StepPath, message: &SentMessage, screen: &mut Screen) {
        let mark = StyledSpan::new("› ", color(AnsiColor::Green));
        let text = clean(&message.text);
        for line in text.lines() {
            let note = vec![mark.clone(), StyledSpan::plain(line.to_owned())];
            if self.options.shows_steps() {
                self.say(path, PanelPiece::Note(note), screen);
            } else {
                let (mark, text) = note.split_at(1);
                self.aside(path, mark.to_vec(), text.to_vec(), screen);
            }
        }
    }

    /// Shows the result of a tool call.
    pub(super) fn called(
        &mut self,
        event: &Event,
        call: &StepPath,
        tool: &ToolOutcome,
        screen: &mut Screen,
    ) {
        let failed = matches!(event.kind, EventKind::ToolCallError { .. });
        let Some(step) = self.step(&event.path) else { return };
        let at = step.calls.iter().position(|known| known.path == *call);
        let call = at.map(|at| step.calls.remove(at));
        let took = call.as_ref().map(|call| event.time.since(call.since));
        let text = call.map_or_else(|| format!("{}()", harmless(&tool.name)), |call| call.text);
        let mark = if failed {
            StyledSpan::new("✗ ", color(AnsiColor::Red))
        } else {
            StyledSpan::new("⚙ ", AnsiColor::Cyan.on_default())
        };
        let mut note = vec![mark, StyledSpan::plain(text)];
        if let Some(took) = took.filter(|_| self.options.time) {
            note.push(StyledSpan::new(format!("  {}", about(took)), DIM));
        }
        if failed {
            note.push(StyledSpan::plain(format!("  failed: {}", short(&tool.text))));
        }
        self.say(&event.path, PanelPiece::Note(note), screen);
    }

    pub(super) fn retrying(
        &mut self,
        path: &StepPath,
        attempt: u32,
        error: &ErrorData,
        delay_ms: u64,
        screen: &mut Screen,
    ) {
        if let Some(step) = self.step(path) {
            step.attempt = attempt + 1;
            step.said.clear();
            step.calls.clear();
            step.hear("\n");
        }
        if error.code == ErrorCode::Rejected {
            // The rejection and its feedback were already shown.
            return;
        }
        let text = self.again(&format!("attempt {attempt} failed"), error, delay_ms);
        if self.options.shows_steps() {
            self.say(path, PanelPiece::Note(text), screen);
        } else {
            let mark = self.mark("↻ ", AnsiColor::Yellow);
            self.step_line(path, mark, text, screen);
        }
    }

    /// Shows that a model request failed and is retried.
    pub(super) fn asked_again(
        &mut self,
        path: &StepPath,
        attempt: u32,
        error: &ErrorData,
        delay_ms: u64,
        screen: &mut Screen,
    ) {
        let text = self.again(&format!("request {attempt} failed"), error, delay_ms);
        self.say(path, PanelPiece::Note(text), screen);
    }

    /// Returns a line about a retry and its delay.
    fn again(&self, what: &str, error: &ErrorData, delay_ms: u64) -> Line {
        let mut text = vec![StyledSpan::plain(format!("{what}: {}", short(&error.message)))];
        if self.options.time && delay_ms > 0 {
            let wait = about(Duration::from_millis(delay_ms));
            text.push(StyledSpan::new(format!("  again in {wait}"), self.dim()));
        }
        if self.options.shows_steps() {
            text.splice(0..0, self.mark("↻ ", AnsiColor::Yellow));
        }
        text
    }

    pub(super) fn completed(&mut self, event: &Event, content: &Content, screen: &mut Screen) {
        let path = &event.path;
        let Some(step) = self.step(path) else { return };
        let is_workflow = step.is_workflow;
        let said = step.said.trim();
        let is_said = match content {
            Content::Text(text) => said == text.trim(),
            Content::Json(value) => {
                stepwright_core::json::parse(said).is_ok_and(|said| said == **value)
            }
        };
        // The output of a workflow is the output of its last step.
        if !is_workflow && !is_said && !content.is_empty() {
            self.say(path, PanelPiece::Content(content.clone()), screen);
        }
        self.close(event, StepEnd::Completed, screen);
    }

    pub(super) fn failed(
        &mut self,
        event: &Event,
        how: StepEnd,
        error: &ErrorData,
        screen: &mut Screen,
    ) {
        let path = &event.path;
        let is_skipped = how == StepEnd::Skipped;
        if !self.options.shows_steps() {
            let how = if is_skipped { "skipped" } else { "failed" };
            let text = vec![StyledSpan::plain(format!("{how}: {}", short(&error.message)))];
            let mark = self.mark_of(is_skipped);
            self.step_line(path, mark, text, screen);
            self.forget(path);
            return;
        }
        let is_left_out = is_skipped && error.code == ErrorCode::Rejected;
        if is_left_out && self.step(path).is_some_and(|step| !step.opened) {
            // The reason was already shown.
            self.close(event, how, screen);
            return;
        }
        let why = std::iter::once(&error.message).chain(&error.causes);
        for (at, why) in why.enumerate() {
            let before = if at == 0 { label(error.id()) } else { "  caused by:".to_owned() };
            let style = if is_skipped || at > 0 { self.dim() } else { color(AnsiColor::Red) };
            let note =
                vec![StyledSpan::new(before, style), StyledSpan::plain(format!(" {}", short(why)))];
            self.say(path, PanelPiece::Note(note), screen);
        }
        self.close(event, how, screen);
    }

    fn mark_of(&self, is_skipped: bool) -> Line {
        if is_skipped { self.dim_mark("– ") } else { self.mark("✗ ", AnsiColor::Red) }
    }

    pub(super) fn cancelled(&mut self, event: &Event, partial: &Content, screen: &mut Screen) {
        let path = &event.path;
        let has_said = self.step(path).is_some_and(|step| !step.said.is_empty());
        if !has_said && !partial.is_empty() {
            self.say(path, PanelPiece::Content(partial.clone()), screen);
        }
        self.close(event, StepEnd::Cancelled, screen);
    }

    /// Ends a step: closes its panel, or prints a line if it has none.
    fn close(&mut self, event: &Event, how: StepEnd, screen: &mut Screen) {
        let path = &event.path;
        let mark = match how {
            StepEnd::Completed => self.mark("✓ ", AnsiColor::Green),
            StepEnd::Failed { .. } => self.mark("✗ ", AnsiColor::Red),
            StepEnd::Skipped | StepEnd::Cancelled => self.dim_mark("– "),
        };
        let Some(step) = self.step(path) else { return };
        let (opened, usage) = (step.opened, step.usage);
        let took = event.time.since(step.started_at);
        let times = !step.adopted && self.options.time;
        let is_plain = self.options.style == Form::Plain;
        let is_obvious = how == StepEnd::Completed && times && !is_plain;
        let mut end = if is_obvious { String::new() } else { how.words() };
        if times {
            let between = if end.is_empty() { "" } else { "  " };
            end = format!("{end}{between}{}", about(took));
        }
        if !usage.is_empty() && self.options.style != Form::Compact {
            end = format!("{end} · {}", tokens(usage));
        }
        let stands_out = is_plain || matches!(how, StepEnd::Failed { .. });
        let style = if stands_out { Style::new() } else { DIM };
        let end = vec![StyledSpan::new(end, style)];
        if opened {
            self.say(path, PanelPiece::Break, screen);
            self.say(path, PanelPiece::Close([mark, end].concat()), screen);
            let mut heard = Vec::new();
            if self.speakers.speaker() != Some(path) {
                self.waiting.push(path.clone());
            }
            self.forget(path);
            self.speakers.end(path, &mut heard);
            self.hear(heard, screen);
        } else {
            self.step_line(path, mark, end, screen);
            self.forget(path);
        }
    }

    /// Prints a line about a step that has no panel.
    pub(super) fn step_line(
        &mut self,
        path: &StepPath,
        mark: Line,
        text: Line,
        screen: &mut Screen,
    ) {
        if self.options.details || self.options.style == Form::Compact {
            self.aside(path, mark, text, screen);
        }
    }

    pub(super) fn container(&mut self, event: &Event, kind: &EventKind, screen: &mut Screen) {
        let path = &event.path;
        if let Some((mark, text)) = containers::begun(kind, self.options.style) {
            self.containers.push((path.clone(), event.time));
            if self.options.shows_steps() {
                self.aside(path, mark, text, screen);
            }
            return;
        }
        let EventKind::ContainerCompleted { kind, turns, end } = kind else { return };
        let at = self.containers.iter().rposition(|(known, _)| known == path);
        let since = at.map(|at| self.containers.remove(at).1);
        if let Some(error) = &end.error {
            // The failure belongs to the container itself, not to a step inside it.
            let is_skipped = end.status == StepStatus::Skipped;
            let mark = self.mark_of(is_skipped);
            let how = if is_skipped { "skipped" } else { "failed" };
            let text = vec![StyledSpan::plain(format!("{how}: {}", short(&error.message)))];
            self.step_line(path, mark, text, screen);
        } else if kind.shows_end() && self.options.shows_steps() {
            let mark = match end.status {
                StepStatus::Completed => self.mark("✓ ", AnsiColor::Green),
                StepStatus::Failed => self.mark("✗ ", AnsiColor::Red),
                _ => self.dim_mark("– "),
            };
            let took = since.filter(|_| self.options.time).map(|since| event.time.since(since));
            let text = match took.map(about) {
                Some(took) if end.status == StepStatus::Completed => took,
                Some(took) => format!("{}  {took}", end.status),
                None => end.status.to_string(),
            };
            let text =
                if turns.exhausted { format!("{text}, its condition was not met") } else { text };
            self.aside(path, mark, vec![StyledSpan::new(text, self.dim())], screen);
        }
    }
}
