//! The media in events.

use super::EventKind;
use crate::media::{MEDIA_INLINE_BYTES_MAX, Media, MediaSource, StoredMedia};
use crate::message::Part;
use crate::requirement::RequirementKind;
use std::sync::Arc;

impl EventKind {
    /// Returns the media of the event.
    ///
    /// ```
    /// use stepwright_core::{EventKind, Media, MediaKind, StepOutput};
    /// let chart = Media::path(MediaKind::Image, "chart.png");
    /// let output = StepOutput::from("done").medium(chart.clone());
    /// assert_eq!(EventKind::StepCompleted { output: output.into() }.media(), [&chart]);
    /// ```
    pub fn media(&self) -> Vec<&Media> {
        let mut media = Vec::new();
        self.visit_media(&mut |one| media.push(one));
        media
    }

    /// Returns `true` if the event has [media](EventKind::media).
    pub fn has_media(&self) -> bool {
        let mut has_media = false;
        self.visit_media(&mut |_| has_media = true);
        has_media
    }

    /// Passes each of the media of the event to `visit`.
    fn visit_media<'e>(&'e self, visit: &mut dyn FnMut(&'e Media)) {
        match self {
            Self::WorkflowStarted(started) => started.input.media.iter().for_each(visit),
            Self::WorkflowForked(forked) => {
                forked.input.iter().flat_map(|input| &input.media).for_each(visit);
            }
            Self::StepCompleted { output } => output.media.iter().for_each(visit),
            Self::ModelRequestCompleted { answer, .. } => {
                for part in &answer.parts {
                    if let Part::Media { media } = part {
                        visit(media);
                    }
                }
            }
            Self::ToolCallCompleted { tool } | Self::ToolCallError { tool, .. } => {
                tool.media.iter().for_each(visit);
            }
            Self::StepOutputReview { requirement } => {
                if let RequirementKind::OutputReview { output, .. } = &requirement.kind {
                    output.media.iter().for_each(visit);
                }
            }
            Self::DeciderRecorded { fact } => fact.visit_media(visit),
            _ => {}
        }
    }

    /// Changes the media of the event.
    fn change_media(&mut self, change: &mut dyn FnMut(&mut Media)) {
        match self {
            Self::WorkflowStarted(started) => {
                let input = &mut Arc::make_mut(started).input;
                Arc::make_mut(input).media.iter_mut().for_each(change);
            }
            Self::WorkflowForked(forked) => {
                if let Some(input) = &mut Arc::make_mut(forked).input {
                    Arc::make_mut(input).media.iter_mut().for_each(change);
                }
            }
            Self::StepCompleted { output } => {
                Arc::make_mut(output).media.iter_mut().for_each(change);
            }
            Self::ModelRequestCompleted { answer, .. } => {
                for part in &mut Arc::make_mut(answer).parts {
                    if let Part::Media { media } = part {
                        change(media);
                    }
                }
            }
            Self::ToolCallCompleted { tool } | Self::ToolCallError { tool, .. } => {
                tool.media.iter_mut().for_each(change);
            }
            Self::StepOutputReview { requirement } => {
                if let RequirementKind::OutputReview { output, .. } = &mut requirement.kind {
                    Arc::make_mut(output).media.iter_mut().for_each(change);
                }
            }
            Self::DeciderRecorded { fact } => fact.change_media(change),
            _ => {}
        }
    }

    /// Replaces the larger bytes of media by their hashes: see [`Media::keep`].
    pub fn keep_media(&mut self) {
        let is_large = |media: &&Media| {
            let MediaSource::Bytes(bytes) = &media.source else { return false };
            bytes.len() > MEDIA_INLINE_BYTES_MAX
        };
        // Most events have no media, and are not copied.
        if self.media().iter().any(is_large) {
            self.change_media(&mut Media::keep);
        }
    }

    /// Returns the references to media that stores keep.
    pub fn stored_media(&self) -> Vec<&StoredMedia> {
        self.media().into_iter().filter_map(Media::stored).collect()
    }

    /// Replaces references to these media by their bytes, for a copy of the event that no store
    /// keeps.
    pub fn inline_media(&mut self, live: &[StoredMedia]) {
        self.fill_media(live);
        if self.stored_media().is_empty() {
            return;
        }
        self.change_media(&mut |media| {
            if let Some(bytes) = media.live() {
                media.source = MediaSource::Bytes(bytes);
            }
        });
    }

    /// Gives references without bytes those of another event, which is the same otherwise.
    pub fn fill_media(&mut self, live: &[StoredMedia]) {
        if live.is_empty() {
            return;
        }
        self.change_media(&mut |media| media.refill(live));
    }
}
