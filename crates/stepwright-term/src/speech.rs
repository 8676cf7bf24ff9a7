//! The text of agents, in a readable order.

use crate::speakers::{QueueOutput, SpeakerQueue};
use crate::text::ended;
use stepwright_core::{Event, EventKind};

/// Orders the text of concurrent agents into paragraphs. The first speaker continues until its step
/// has ended; the text of the others is kept until then.
///
/// Returns unsanitized text. Sanitize it before you write it to a terminal.
///
/// ```
/// use futures_util::StreamExt as _;
/// use stepwright_core::EventKind;
/// use stepwright_term::{Speech, harmless_lines};
/// # use stepwright_agent::Agent;
/// # use stepwright_engine::Workflow;
/// # use stepwright_testing::model::ScriptedModel;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let agent = Agent::builder("Poet").model(ScriptedModel::new(["Ants are small."]))?.build()?;
/// # let workflow = Workflow::builder("Poems").step(agent).build()?;
/// let (mut speech, mut written) = (Speech::default(), String::new());
/// let mut events = workflow.run("Ants").stream_events(true).stream();
/// while let Some(event) = events.next().await {
///     written += &harmless_lines(&speech.hear(&event));
///     if let EventKind::WorkflowCompleted { content, .. } = &event.kind {
///         written += &harmless_lines(&speech.end(&content.text()));
///     }
/// }
/// assert_eq!(written, "Ants are small.\n");
/// # Ok(()) }
/// ```
#[derive(Debug, Default)]
pub struct Speech {
    speakers: SpeakerQueue<SpeechPiece>,
    /// The text written since the last break.
    said: String,
    /// `true` if any text was written.
    begun: bool,
    /// `true` if the next text starts a new paragraph.
    breaks: bool,
}

#[derive(Debug)]
enum SpeechPiece {
    Text(String),
    Break,
}

impl Speech {
    /// Returns the text to write now.
    pub fn hear(&mut self, event: &Event) -> String {
        let mut heard = Vec::new();
        match &event.kind {
            // Text inside a tool call does not belong to its step.
            EventKind::RunContent { content } if event.is_content() => {
                self.speakers.say(&event.path, SpeechPiece::Text(content.to_string()), &mut heard);
            }
            // The next text is another answer: after a tool result or a failure.
            EventKind::ModelRequestStarted { .. }
            | EventKind::ModelRequestRetrying { .. }
            | EventKind::StepRetrying { .. }
                if self.speakers.contains(&event.path) =>
            {
                self.speakers.say(&event.path, SpeechPiece::Break, &mut heard);
            }
            EventKind::StepCompleted { .. }
            | EventKind::StepError { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::StepCancelled { .. } => self.speakers.end(&event.path, &mut heard),
            _ => {}
        }
        let mut text = String::new();
        for heard in heard {
            match heard {
                QueueOutput::Speaker(_) | QueueOutput::Piece(_, SpeechPiece::Break) => {
                    self.breaks = true;
                }
                QueueOutput::Piece(_, SpeechPiece::Text(piece)) => self.say(&mut text, &piece),
            }
        }
        text
    }

    /// Returns the text to write at the end: the output, unless it was the last thing said.
    pub fn end(&mut self, output: &str) -> String {
        let mut text = String::new();
        let is_said = self.begun && self.said.trim_end() == output.trim_end();
        if !output.is_empty() && !is_said {
            self.breaks = true;
            self.say(&mut text, output);
        }
        if self.begun && !self.said.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn say(&mut self, text: &mut String, piece: &str) {
        if std::mem::take(&mut self.breaks) {
            if self.begun {
                text.push_str(ended(&self.said).strip_prefix(&self.said).unwrap_or_default());
                text.push('\n');
            }
            self.said.clear();
        }
        self.begun = true;
        self.said.push_str(piece);
        text.push_str(piece);
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_core::{RunId, StepOutput, StepPath, Timestamp};

    fn event(path: &str, kind: EventKind) -> Event {
        let path = StepPath::from(path);
        let run = RunId::new("r").unwrap();
        Event { sequence: 0, delta: 0, time: Timestamp(0), run, path, kind }
    }

    fn says(path: &str, text: &str) -> Event {
        event(path, EventKind::RunContent { content: text.into() })
    }

    fn ends(path: &str) -> Event {
        event(path, EventKind::StepCompleted { output: StepOutput::default().into() })
    }

    fn asks(path: &str) -> Event {
        event(path, EventKind::ModelRequestStarted { turn: 2, reserved: None, purpose: None })
    }

    fn written(events: &[Event], output: &str) -> String {
        let mut speech = Speech::default();
        let mut text: String = events.iter().map(|event| speech.hear(event)).collect();
        text.push_str(&speech.end(output));
        text
    }

    #[test]
    fn what_was_said_last_is_not_repeated() {
        let events =
            [says("a", "one"), ends("a"), says("b", "two "), says("b", "three"), ends("b")];
        assert_eq!(written(&events, "two three"), "one\n\ntwo three\n");
        assert_eq!(written(&events, "one"), "one\n\ntwo three\n\none\n");
        assert_eq!(written(&events[..2], ""), "one\n");
        assert_eq!(written(&[], "four"), "four\n");
        assert_eq!(written(&[], ""), "");
    }

    #[test]
    fn branches_speak_one_after_the_other() {
        let events = [
            says("a", "a1 "),
            says("b", "b1 "),
            says("c", "c1"),
            ends("c"),
            says("a", "a2"),
            ends("a"),
            says("b", "b2\n"),
            ends("b"),
        ];
        assert_eq!(written(&events, "c1"), "a1 a2\n\nb1 b2\n\nc1\n");
    }

    #[test]
    fn another_turn_is_another_paragraph() {
        let events = [says("a", "Let me look."), asks("a"), says("a", "It is 3."), ends("a")];
        assert_eq!(written(&events, "It is 3."), "Let me look.\n\nIt is 3.\n");
        let events =
            [says("a", "a"), says("b", "b1"), asks("b"), says("b", "b2"), ends("b"), ends("a")];
        assert_eq!(written(&events, "b2"), "a\n\nb1\n\nb2\n");
    }
}
