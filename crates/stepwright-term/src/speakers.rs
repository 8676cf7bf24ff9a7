//! Who speaks: one at a time, so that it can be read.

use std::collections::VecDeque;
use stepwright_core::StepPath;

/// Gives the floor to one speaker after the other. Whoever speaks first goes on until it has ended;
/// what others say meanwhile is kept, in the order in which they began.
#[derive(Debug)]
pub(crate) struct Floor<P> {
    /// The first one has the floor.
    speakers: VecDeque<Speaker<P>>,
}

#[derive(Debug)]
struct Speaker<P> {
    path: StepPath,
    /// What was not heard yet. The first one has nothing here.
    kept: Vec<P>,
    ended: bool,
}

/// What is heard.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard<P> {
    /// Somebody begins.
    Speaker(StepPath),
    /// Who has the floor says this.
    Piece(StepPath, P),
}

impl<P> Default for Floor<P> {
    fn default() -> Self {
        Self { speakers: VecDeque::new() }
    }
}

impl<P> Floor<P> {
    /// Says something, which is heard now or later.
    pub(crate) fn say(&mut self, path: &StepPath, piece: P, heard: &mut Vec<Heard<P>>) {
        match self.find(path) {
            Some(0) => heard.push(Heard::Piece(path.clone(), piece)),
            Some(at) => self.speakers[at].kept.push(piece),
            None => {
                let mut speaker = Speaker { path: path.clone(), kept: Vec::new(), ended: false };
                if self.speakers.is_empty() {
                    heard.push(Heard::Speaker(path.clone()));
                    heard.push(Heard::Piece(path.clone(), piece));
                } else {
                    speaker.kept.push(piece);
                }
                self.speakers.push_back(speaker);
            }
        }
    }

    /// Has said everything.
    pub(crate) fn end(&mut self, path: &StepPath, heard: &mut Vec<Heard<P>>) {
        let Some(at) = self.find(path) else { return };
        self.speakers[at].ended = true;
        while self.speakers.front().is_some_and(|first| first.ended) {
            self.speakers.pop_front();
            if let Some(next) = self.speakers.front_mut() {
                heard.push(Heard::Speaker(next.path.clone()));
                let kept = std::mem::take(&mut next.kept);
                heard.extend(kept.into_iter().map(|piece| Heard::Piece(next.path.clone(), piece)));
            }
        }
    }

    /// Whether it has said something, and has not ended.
    pub(crate) fn knows(&self, path: &StepPath) -> bool {
        self.find(path).is_some()
    }

    /// Who has the floor.
    pub(crate) fn speaker(&self) -> Option<&StepPath> {
        self.speakers.front().map(|speaker| &speaker.path)
    }

    fn find(&self, path: &StepPath) -> Option<usize> {
        self.speakers.iter().position(|speaker| !speaker.ended && speaker.path == *path)
    }
}
