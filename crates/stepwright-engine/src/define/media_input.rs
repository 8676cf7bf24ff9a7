//! The media that the runs of a workflow take.

use stepwright_core::media::{Media, MediaKind};

/// A media item that each run of a workflow takes: its name and kind.
///
/// ```
/// use stepwright_core::{Media, MediaKind};
/// use stepwright_engine::{MediaInput, Parts, Workflow};
/// # async fn describe(text: String) -> String { text }
/// let photo = MediaInput::new("photo", MediaKind::Image);
/// let workflow = Workflow::builder("Describe").media(photo).step(describe).build()?;
/// let error = workflow.run("What is this?").blocking().unwrap_err();
/// assert_eq!(error.to_string(), "the input has no image, and the workflow needs `photo`");
///
/// let photo = Media::url(MediaKind::Image, "https://example.org/a.png");
/// assert!(workflow.run(Parts::default().text("What is this?").media(photo)).blocking().is_ok());
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaInput {
    /// The name, such as `photo`.
    pub name: String,
    /// The kind.
    pub kind: MediaKind,
    /// `true` if a run can do without it.
    pub optional: bool,
    /// `true` if a run takes several.
    pub many: bool,
    /// The content that is wanted, for people.
    pub description: Option<String>,
}

impl MediaInput {
    /// Creates an item that every run needs, once.
    pub fn new(name: impl Into<String>, kind: MediaKind) -> Self {
        Self { name: name.into(), kind, optional: false, many: false, description: None }
    }

    /// A run can do without it.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// A run takes any number of them.
    #[must_use]
    pub fn many(self) -> Self {
        Self { many: true, ..self }
    }

    /// Sets the content that is wanted, for people.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        Self { description: Some(text.into()), ..self }
    }
}

/// Checks the media of an input against those that a workflow takes. Without any, it takes all.
pub(crate) fn check_media(taken: &[MediaInput], media: &[Media]) -> Result<(), String> {
    if taken.is_empty() {
        return Ok(());
    }
    for kind in [MediaKind::Image, MediaKind::Video, MediaKind::Audio, MediaKind::File] {
        let of_kind = || taken.iter().filter(move |input| input.kind == kind);
        let given = media.iter().filter(|media| media.kind == kind).count();
        let needed: Vec<&str> =
            of_kind().filter(|input| !input.optional).map(|input| &*input.name).collect();
        let word = kind.as_str();
        if let Some(missing) = needed.get(given..).and_then(<[&str]>::first) {
            let count = if given == 0 { "no".to_owned() } else { format!("only {given}") };
            return Err(format!(
                "the input has {count} {word}, and the workflow needs `{missing}`"
            ));
        }
        if of_kind().all(|input| !input.many) && given > of_kind().count() {
            let most = of_kind().count();
            return Err(format!("the input has {given} of the kind {word}; the limit is {most}"));
        }
    }
    Ok(())
}
