//! The queue of speakers: concurrent steps take turns, so that their text stays readable.

use std::collections::VecDeque;
use stepwright_core::StepPath;

/// Orders the text of concurrent speakers. The first one speaks until it has ended; what the others
/// say meanwhile is kept, in the order in which they started.
#[derive(Debug)]
pub(crate) struct SpeakerQueue<P> {
    /// The first speaker is the current one.
    speakers: VecDeque<QueuedSpeaker<P>>,
}

#[derive(Debug)]
struct QueuedSpeaker<P> {
    path: StepPath,
    /// The pieces to release later. Always empty for the current speaker.
    kept: Vec<P>,
    ended: bool,
}

/// A piece of the queue's output.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum QueueOutput<P> {
    /// The next speaker starts.
    Speaker(StepPath),
    /// The current speaker says this.
    Piece(StepPath, P),
}

impl<P> Default for SpeakerQueue<P> {
    fn default() -> Self {
        Self { speakers: VecDeque::new() }
    }
}

impl<P> SpeakerQueue<P> {
    /// Adds a piece. It is released now or when its speaker's turn comes.
    pub(crate) fn say(&mut self, path: &StepPath, piece: P, heard: &mut Vec<QueueOutput<P>>) {
        match self.find(path) {
            Some(0) => heard.push(QueueOutput::Piece(path.clone(), piece)),
            Some(at) => self.speakers[at].kept.push(piece),
            None => {
                let mut speaker =
                    QueuedSpeaker { path: path.clone(), kept: Vec::new(), ended: false };
                if self.speakers.is_empty() {
                    heard.push(QueueOutput::Speaker(path.clone()));
                    heard.push(QueueOutput::Piece(path.clone(), piece));
                } else {
                    speaker.kept.push(piece);
                }
                self.speakers.push_back(speaker);
            }
        }
    }

    /// Ends a speaker and releases the pieces of those that follow.
    pub(crate) fn end(&mut self, path: &StepPath, heard: &mut Vec<QueueOutput<P>>) {
        let Some(at) = self.find(path) else { return };
        self.speakers[at].ended = true;
        while self.speakers.front().is_some_and(|first| first.ended) {
            self.speakers.pop_front();
            if let Some(next) = self.speakers.front_mut() {
                heard.push(QueueOutput::Speaker(next.path.clone()));
                let kept = std::mem::take(&mut next.kept);
                heard.extend(
                    kept.into_iter().map(|piece| QueueOutput::Piece(next.path.clone(), piece)),
                );
            }
        }
    }

    /// Returns `true` if this speaker has said something and has not ended.
    pub(crate) fn contains(&self, path: &StepPath) -> bool {
        self.find(path).is_some()
    }

    /// Returns the current speaker.
    pub(crate) fn speaker(&self) -> Option<&StepPath> {
        self.speakers.front().map(|speaker| &speaker.path)
    }

    fn find(&self, path: &StepPath) -> Option<usize> {
        self.speakers.iter().position(|speaker| !speaker.ended && speaker.path == *path)
    }
}
