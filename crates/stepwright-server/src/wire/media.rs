//! The media of a request as those of a run.

use stepwright_core::{Media, MediaKind};
use stepwright_engine::Run;

/// Gives media to a run, each by its kind.
pub(super) fn with_media(run: Run, media: Vec<Media>) -> Run {
    media.into_iter().fold(run, |run, media| match media.kind {
        MediaKind::Image => run.images([media]),
        MediaKind::Audio => run.audio([media]),
        MediaKind::Video => run.videos([media]),
        MediaKind::File => run.files([media]),
    })
}

/// Returns `true` for an address of the web. The file of another one would be read by a server of
/// models, for any client.
pub(super) fn is_web(address: &str) -> bool {
    address.starts_with("https://") || address.starts_with("http://")
}

/// Reads base64, as the core writes it.
pub(super) fn decoded(kind: MediaKind, base64: &str, mime: &str) -> Option<Media> {
    let written = serde_json::json!({"kind": kind, "source": {"bytes": base64}, "mime": mime});
    serde_json::from_value(written).ok()
}
