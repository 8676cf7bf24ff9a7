//! Embedders: texts as vectors.

use std::fmt;
use std::sync::Arc;
use stepwright_core::{BoxFuture, Error, ErrorId, ErrorKind};

/// The largest number of texts that an embedder gets at once.
pub const EMBEDDED_AT_ONCE_MAX: usize = 64;

/// The largest number of dimensions of a vector.
pub const DIMENSIONS_MAX: usize = 8_192;

/// The reason that texts could not be embedded.
///
/// ```
/// use stepwright_core::ErrorId;
/// use stepwright_knowledge::EmbedError;
/// let error = EmbedError::new(ErrorId::MODEL_OVERLOADED, "the server is busy");
/// assert_eq!(error.to_string(), "the server is busy");
/// ```
#[derive(Clone, Debug)]
pub struct EmbedError {
    pub(crate) id: ErrorId,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl EmbedError {
    /// Creates an error.
    pub fn new(id: ErrorId, message: impl Into<String>) -> Self {
        Self { id, message: message.into(), hint: None }
    }

    /// Sets the advice.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for EmbedError {}

impl From<EmbedError> for Error {
    fn from(error: EmbedError) -> Self {
        let made = Self::new(ErrorKind::Run, error.message).with_id(error.id);
        match error.hint {
            Some(hint) => made.with_hint(hint),
            None => made,
        }
    }
}

/// A model that turns texts into vectors, such that texts with a similar meaning have similar
/// vectors.
///
/// ```
/// use stepwright_core::BoxFuture;
/// use stepwright_knowledge::{EmbedError, Embedder};
/// /// Knows only the length of a text.
/// struct Length;
/// impl Embedder for Length {
///     fn id(&self) -> &str {
///         "length"
///     }
///     fn embed<'a>(
///         &'a self,
///         texts: &'a [String],
///     ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
///         let vectors = texts.iter().map(|text| vec![text.len() as f32, 1.0]).collect();
///         Box::pin(std::future::ready(Ok(vectors)))
///     }
/// }
/// assert_eq!(Length.id(), "length");
/// ```
pub trait Embedder: Send + Sync + 'static {
    /// Returns the name of the model. The vectors of two models cannot be compared, so knowledge
    /// takes one model only.
    fn id(&self) -> &str;

    /// Returns the vectors of these texts, in their order: at most [`EMBEDDED_AT_ONCE_MAX`] texts.
    ///
    /// # Errors
    /// Fails if the model does.
    fn embed<'a>(&'a self, texts: &'a [String])
    -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>>;

    /// Returns `true` if texts leave this process. A run then needs the permission `model`.
    fn is_remote(&self) -> bool {
        false
    }
}

/// An embedder of any type. Cheap to clone.
///
/// ```
/// use stepwright_knowledge::{AnyEmbedder, Embedder as _, HashEmbedder};
/// assert!(AnyEmbedder::new(HashEmbedder::default()).id().starts_with("hash:"));
/// ```
#[derive(Clone)]
pub struct AnyEmbedder(Arc<dyn Embedder>);

impl AnyEmbedder {
    /// Puts an embedder behind a handle.
    pub fn new(embedder: impl Embedder) -> Self {
        Self(Arc::new(embedder))
    }
}

impl Embedder for AnyEmbedder {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn embed<'a>(
        &'a self,
        texts: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Vec<f32>>, EmbedError>> {
        self.0.embed(texts)
    }

    fn is_remote(&self) -> bool {
        self.0.is_remote()
    }
}

impl fmt::Debug for AnyEmbedder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyEmbedder").field(&self.id()).finish()
    }
}
