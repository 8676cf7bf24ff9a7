//! Inputs of runs.

use serde::Serialize;
use stepwright_core::executor::RunInput;
use stepwright_core::media::MEDIA_BYTES_MAX;
use stepwright_core::{AnyStore, Content, Error, ErrorId, Media, StoredMedia};

/// An input of a run: a text, any value that can be written as JSON, or [`Parts`].
///
/// ```
/// use stepwright_core::{Content, Error};
/// use stepwright_engine::{IntoInput, Json, Workflow};
/// # #[derive(serde::Serialize, serde::Deserialize)] struct Sum { a: i64, b: i64 }
/// # async fn add(Json(sum): Json<Sum>) -> Json<i64> { Json(sum.a + sum.b) }
/// fn ask(workflow: &Workflow, input: impl IntoInput) -> Result<Content, Error> {
///     Ok(workflow.run(input).blocking()?.content)
/// }
/// let workflow = Workflow::builder("Adder").step(add).build()?;
/// assert_eq!(ask(&workflow, Sum { a: 1, b: 2 })?.text(), "3");
/// assert_eq!(ask(&workflow, r#"{"a": 1, "b": 2}"#)?.text(), "3");
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the input of a run",
    note = "pass a text, a value that implements `serde::Serialize`, or `Parts` with media"
)]
pub trait IntoInput {
    /// Converts the value into the input.
    fn into_input(self) -> Result<RunInput, Error>;
}

impl<T: Serialize> IntoInput for T {
    fn into_input(self) -> Result<RunInput, Error> {
        let content = Content::json(&self).map_err(|error| {
            Error::usage(format!("the input cannot be written as JSON: {error}"))
                .with_hint("objects need texts as keys, and numbers must be finite")
        })?;
        Ok(RunInput { content, ..RunInput::default() })
    }
}

/// An input of texts and media.
///
/// ```
/// use stepwright_core::{Media, MediaKind};
/// use stepwright_engine::{Parts, Workflow};
/// # async fn describe(text: String) -> String { text }
/// let workflow = Workflow::builder("Describe").step(describe).build()?;
/// let input = Parts::default()
///     .text("What is on it?")
///     .media(Media::path(MediaKind::Image, "photo.jpg"));
/// let output = workflow.run(input).blocking()?;
/// # assert_eq!(output.content.text(), "What is on it?");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Parts {
    texts: Vec<String>,
    media: Vec<Media>,
}

impl Parts {
    /// Adds a text. Each text becomes a paragraph.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.texts.push(text.into());
        self
    }

    /// Adds a media file, such as an image.
    #[must_use]
    pub fn media(mut self, media: Media) -> Self {
        self.media.push(media);
        self
    }
}

impl IntoInput for Parts {
    fn into_input(self) -> Result<RunInput, Error> {
        let content = if self.texts.is_empty() {
            Content::default()
        } else {
            Content::from(self.texts.join("\n\n"))
        };
        Ok(RunInput { content, media: self.media, ..RunInput::default() })
    }
}

/// Replaces the larger bytes of an input by their hashes, if the store keeps media.
///
/// # Errors
/// Refuses media that are only a hash: it may be that of another user's bytes.
pub(super) fn keep_media(input: &mut RunInput, store: Option<&AnyStore>) -> Result<(), Error> {
    for media in &mut input.media {
        let name = media.name.as_deref().unwrap_or(media.kind.as_str());
        if let Some(StoredMedia { sha256, .. }) = media.stored()
            && media.live().is_none()
        {
            let what = format!("`{name}` of the input is only the hash `{sha256}`");
            return Err(Error::usage(what)
                .with_id(ErrorId::MEDIA_MISSING)
                .with_hint("pass the bytes; `Runs::media_bytes` returns those of another run"));
        }
        if let Some(size) = media.size()
            && size > MEDIA_BYTES_MAX
        {
            let what = format!("`{name}` has {size} bytes; the limit is {MEDIA_BYTES_MAX}");
            return Err(Error::usage(what)
                .with_id(ErrorId::MEDIA_TOO_LARGE)
                .with_hint("keep the file elsewhere, and pass its path or address"));
        }
        if store.is_none_or(|store| store.keeps_media()) {
            media.keep();
        }
    }
    Ok(())
}
