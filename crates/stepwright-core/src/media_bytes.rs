//! The bytes of media, for steps.

use crate::codes::ErrorId;
use crate::context::StepContext;
use crate::failure::{ErrorCode, StepError};
use crate::media::{Media, MediaSource};
use std::sync::Arc;

impl StepContext {
    /// Returns the bytes of a media item: those in memory, or those that the store of the run has.
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::{Media, MediaKind, StepContext, StepError, StepInput};
    /// async fn size(input: StepInput, cx: StepContext) -> Result<String, StepError> {
    ///     let mut bytes = 0;
    ///     for medium in input.media() {
    ///         bytes += cx.media_bytes(&medium).await?.len();
    ///     }
    ///     Ok(format!("{bytes} bytes"))
    /// }
    /// # let none = size(StepInput::of("in"), StepContext::detached("size"));
    /// # assert_eq!(none.now_or_never().unwrap()?, "0 bytes");
    /// # let mut scan = Media::bytes(MediaKind::File, vec![1; 50_000]);
    /// # scan.keep();
    /// # let cx = StepContext::detached("size");
    /// # assert_eq!(cx.media_bytes(&scan).now_or_never().unwrap()?.len(), 50_000);
    /// # Ok::<(), StepError>(())
    /// ```
    ///
    /// # Errors
    /// Fails for an address and a path, which are for the reader to fetch, and if the store does
    /// not have the bytes.
    pub async fn media_bytes(&self, media: &Media) -> Result<Arc<[u8]>, StepError> {
        if let Some(bytes) = media.live() {
            return Ok(bytes);
        }
        match &media.source {
            MediaSource::Stored(stored) => self.host().media(stored).await,
            MediaSource::Url(place) | MediaSource::Path(place) => {
                let message = format!("the bytes of `{place}` are not in the run");
                Err(StepError::terminal(message)
                    .with_code(ErrorCode::BadInput)
                    .with_id(ErrorId::MEDIA_MISSING)
                    .with_hint("fetch or read it in the step, or begin the run with its bytes"))
            }
            MediaSource::Bytes(bytes) => Ok(bytes.clone()),
        }
    }

    /// Reads the bytes of media that are not in memory, for executors that pass them on.
    ///
    /// # Errors
    /// Fails if the store of the run does not have them.
    pub async fn fill_media(&self, media: &mut Media) -> Result<(), StepError> {
        if let MediaSource::Stored(stored) = &mut media.source
            && stored.live().is_none()
        {
            let bytes = self.host().media(stored).await?;
            stored.fill(bytes);
        }
        Ok(())
    }
}
