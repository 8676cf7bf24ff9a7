//! What somebody at a terminal sees: one line for each running step, which becomes a permanent one
//! when the step ends.

use crate::duration::about;
use crate::lines::short;
use crate::terminal::{Terminal, harmless, write_raw};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use stepwright::{Event, EventKind, StepPath, Timestamp};
use unicode_width::UnicodeWidthChar as _;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How many running steps have a line. What is permanent scrolls away behind more.
const LINES_MAX: usize = 12;

/// How wide the terminal must be. In a narrower one, only permanent lines are written.
const WIDTH_MIN: usize = 24;

/// How many bytes are kept of what a step says: more than fits into a line.
const TAIL_BYTES_MAX: usize = 1024;

const DIM: Style = Style::new().dimmed();

/// The lines at the end of the terminal.
#[derive(Debug)]
pub(crate) struct Live {
    terminal: Terminal,
    /// Whether running steps have lines; otherwise there are only permanent ones.
    draws: bool,
    running: Vec<Running>,
    /// How many lines are there now, below everything that is permanent.
    drawn: usize,
    ticks: usize,
}

#[derive(Debug)]
struct Running {
    path: StepPath,
    since: Instant,
    started_at: Timestamp,
    /// The last words of what it says.
    tail: String,
}

impl Live {
    pub(crate) fn new(terminal: Terminal, draws: bool) -> Self {
        Self { terminal, draws, running: Vec::new(), drawn: 0, ticks: 0 }
    }

    /// Notes what happened. Gives the permanent line, if there is one to write.
    pub(crate) fn event(&mut self, event: &Event) -> Option<String> {
        let took = self.follow(event);
        self.permanent(event, took)
    }

    /// Keeps track of what runs. Gives how long it took, if something has ended.
    fn follow(&mut self, event: &Event) -> Option<Duration> {
        use EventKind as E;
        match &event.kind {
            E::StepStarted { .. } => self.running.push(Running {
                path: event.path.clone(),
                since: Instant::now(),
                started_at: event.time,
                tail: String::new(),
            }),
            E::RunContent { content } => self.hear(&event.path, content),
            E::StepProgress { content } => {
                self.hear(&event.path, &format!("\n{}", content.text()));
            }
            E::StepRetrying { .. } => self.hear(&event.path, "\n"),
            E::StepCompleted { .. }
            | E::StepError { .. }
            | E::StepSkipped { .. }
            | E::StepCancelled { .. } => return self.end(event),
            _ => {}
        }
        None
    }

    fn permanent(&self, event: &Event, took: Option<Duration>) -> Option<String> {
        use EventKind as E;
        let line = |color: Option<AnsiColor>, glyph: &str, what: &str| {
            let style = color.map_or(DIM, |color| color.on_default().bold());
            let path = harmless(event.path.as_str());
            Some(format!("{} {path}  {what}", self.terminal.paint(style, glyph)))
        };
        let dim = |text: String| self.terminal.paint(DIM, text);
        match &event.kind {
            E::StepRetrying { attempt, error, delay_ms } => {
                let wait = dim(format!("again in {}", about(Duration::from_millis(*delay_ms))));
                let what = format!("attempt {attempt} failed: {}  {wait}", short(&error.message));
                line(Some(AnsiColor::Yellow), "↻", &what)
            }
            E::StepCompleted { .. } => {
                line(Some(AnsiColor::Green), "✓", &dim(about(took.unwrap_or_default())))
            }
            E::StepError { error, .. } => {
                line(Some(AnsiColor::Red), "✗", &format!("failed: {}", short(&error.message)))
            }
            E::StepSkipped { error, .. } => {
                line(None, "–", &format!("skipped: {}", short(&error.message)))
            }
            E::StepCancelled { .. } => line(None, "–", "cancelled"),
            // Containers have no line of their own, unless what failed was not inside of them.
            kind if let Some(end) = kind.end() => {
                let error = end.error.as_ref()?;
                line(Some(AnsiColor::Red), "✗", &format!("failed: {}", short(&error.message)))
            }
            _ => None,
        }
    }

    fn end(&mut self, event: &Event) -> Option<Duration> {
        let at = self.running.iter().position(|step| step.path == event.path)?;
        Some(event.time.since(self.running.remove(at).started_at))
    }

    fn hear(&mut self, path: &StepPath, text: &str) {
        let Some(step) = self.running.iter_mut().find(|step| step.path == *path) else { return };
        step.tail.push_str(text);
        // The last line is what is shown.
        let from = step.tail.trim_end().rfind('\n').map_or(0, |at| at + 1);
        let from = from.max(step.tail.len().saturating_sub(TAIL_BYTES_MAX));
        step.tail.drain(..step.tail.ceil_char_boundary(from));
    }

    /// Writes what stays, above the lines, which are drawn again.
    pub(crate) fn write_above(&mut self, text: &str) {
        let (width, height) = Terminal::size();
        let mut frame = self.erasure();
        let _ = writeln!(frame, "{text}");
        // A tick draws what has begun since: steps that take no time do not flicker.
        if std::mem::take(&mut self.drawn) > 0 {
            self.draw(&mut frame, width, height);
        }
        write_raw(&frame);
    }

    /// Draws the lines as they are by now.
    pub(crate) fn tick(&mut self) {
        self.ticks += 1;
        if !self.draws || (self.running.is_empty() && self.drawn == 0) {
            return;
        }
        let (width, height) = Terminal::size();
        let mut frame = self.erasure();
        self.draw(&mut frame, width, height);
        write_raw(&frame);
    }

    /// Takes the lines away, so that something else can be written.
    pub(crate) fn clear(&mut self) {
        let erasure = self.erasure();
        if !erasure.is_empty() {
            write_raw(&erasure);
        }
        self.drawn = 0;
    }

    fn erasure(&self) -> String {
        match self.drawn {
            0 => String::new(),
            lines => format!("\x1b[{lines}A\r\x1b[J"),
        }
    }

    fn draw(&mut self, frame: &mut String, width: usize, height: usize) {
        let lines = if width < WIDTH_MIN { Vec::new() } else { self.lines(width, height) };
        self.drawn = lines.len();
        for line in lines {
            let _ = writeln!(frame, "{line}");
        }
    }

    fn lines(&self, width: usize, height: usize) -> Vec<String> {
        // A workflow that is a step has no line while its own steps have theirs.
        let encloses = |step: &Running| {
            self.running.iter().any(|o| o.path != step.path && step.path.contains(&o.path))
        };
        let leaves: Vec<&Running> = self.running.iter().filter(|step| !encloses(step)).collect();
        let most = LINES_MAX.min(height.saturating_sub(2)).max(1);
        let shown = if leaves.len() > most { most - 1 } else { leaves.len() };
        let spinner = SPINNER[self.ticks % SPINNER.len()];
        let mut lines: Vec<String> =
            leaves[..shown].iter().map(|step| self.line(step, spinner, width)).collect();
        if shown < leaves.len() {
            let more = format!("  … and {} more", leaves.len() - shown);
            lines.push(self.terminal.paint(DIM, beginning(&more, width)));
        }
        lines
    }

    /// One column stays free: terminals break a line that fills the last one.
    fn line(&self, step: &Running, spinner: &str, width: usize) -> String {
        let path = harmless(step.path.as_str());
        let path = beginning(&path, width.saturating_sub(12));
        let elapsed = about(step.since.elapsed());
        let used = 2 + width_of(&path) + 2 + elapsed.len() + 2;
        let tail = end(harmless(&step.tail).trim(), width.saturating_sub(used + 1));
        let spinner = self.terminal.paint(AnsiColor::Cyan.on_default(), spinner);
        let rest = self.terminal.paint(DIM, format!("{elapsed}  {tail}").trim_end());
        format!("{spinner} {path}  {rest}")
    }
}

fn width_of(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// As much of the beginning as fits.
fn beginning(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut free = width.saturating_sub(1);
    let fits = |c: &char| match free.checked_sub(c.width().unwrap_or(0)) {
        Some(rest) => {
            free = rest;
            true
        }
        None => false,
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// As much of the end as fits, from the beginning of a word if one is near.
fn end(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut free = width.saturating_sub(1);
    let mut from = text.len();
    for (at, c) in text.char_indices().rev() {
        match free.checked_sub(c.width().unwrap_or(0)) {
            Some(rest) => (free, from) = (rest, at),
            None => break,
        }
    }
    let tail = &text[from..];
    let tail = match tail.find(' ') {
        Some(word) if word < 16 && !text[..from].ends_with(' ') => &tail[word + 1..],
        _ => tail,
    };
    format!("…{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright::{RunId, StepOutput};
    use stepwright_core::executor::ExecutorType;

    const TERMINAL: Terminal = Terminal { attended: true, redraws: true, color: false };

    fn event(path: &str, time: u64, kind: EventKind) -> Event {
        let (path, run) = (StepPath::from(path), RunId::new("r").unwrap());
        Event { sequence: 0, delta: 0, time: Timestamp(time), run, path, kind }
    }

    fn started(path: &str) -> Event {
        let (executor_type, executor_name) = (ExecutorType::Agent, "x".into());
        event(path, 0, EventKind::StepStarted { executor_type, executor_name })
    }

    #[test]
    fn lines_fit_and_show_the_last_words() {
        let mut live = Live::new(TERMINAL, true);
        live.event(&started("facts/web"));
        let said = "First line\nand then a second one that is rather long, \x1b[31mred and 日本語";
        live.event(&event("facts/web", 0, EventKind::RunContent { content: said.into() }));
        let lines = |width| live.lines(width, 24).pop().unwrap();
        assert_eq!(
            lines(100),
            "⠋ facts/web  0ms  and then a second one that is rather long, [31mred and 日本語"
        );
        assert_eq!(lines(40), "⠋ facts/web  0ms  …[31mred and 日本語");
        for width in WIDTH_MIN..100 {
            assert!(width_of(&lines(width)) < width, "{width}: {}", lines(width));
        }
    }

    #[test]
    fn many_steps_do_not_fill_the_terminal() {
        let mut live = Live::new(TERMINAL, true);
        for n in 0..40 {
            live.event(&started(&format!("map#{n}/step")));
        }
        assert_eq!(live.lines(80, 24).len(), LINES_MAX);
        assert_eq!(live.lines(80, 24).last().unwrap(), "  … and 29 more");
        assert_eq!(live.lines(80, 4), ["⠋ map#0/step  0ms", "  … and 39 more"]);
    }

    #[test]
    fn a_step_that_ends_leaves_one_line() {
        let mut live = Live::new(TERMINAL, true);
        live.event(&started("write"));
        let output = StepOutput::default().into();
        let line = live.event(&event("write", 1_240, EventKind::StepCompleted { output }));
        assert_eq!(line.as_deref(), Some("✓ write  1.2s"));
        assert!(live.lines(80, 24).is_empty());
    }

    #[test]
    fn text_is_cut_by_width() {
        assert_eq!(beginning("日本語", 6), "日本語");
        assert_eq!(beginning("日本語", 5), "日本…");
        assert_eq!(end("日本語", 5), "…本語");
        assert_eq!(end("one two three", 9), "…three");
        assert_eq!(end("one two three", 8), "…three");
        assert_eq!(beginning("abc", 0), "…");
    }
}
