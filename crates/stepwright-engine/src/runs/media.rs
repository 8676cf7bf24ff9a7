//! The media of runs, for readers.

use super::Runs;
use std::sync::Arc;
use stepwright_core::media::{Media, MediaSource, StoredMedia};
use stepwright_core::{Error, ErrorId, ErrorKind, RunId};

/// The number of facts that are read at a time.
const PAGE: usize = 200;

impl Runs {
    /// Returns the media in the facts of a run, each once, in the order of the facts: those of its
    /// input, and those that its steps, models and tools have made.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Media, MediaKind, Memory};
    /// # use stepwright_engine::{Parts, Runs, Workflow};
    /// # async fn look(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let memory = Memory::default();
    /// # let workflow = Workflow::builder("Look").step(look).store(memory.clone()).build()?;
    /// let scan = Media::bytes(MediaKind::Image, vec![7; 100_000]).with_name("scan.png");
    /// workflow.run(Parts::default().text("What is this?").media(scan)).run_id("r-1").await?;
    /// let (runs, run) = (Runs::of(AnyStore::new(memory)), "r-1".parse()?);
    /// let media = runs.media(&run).await?;
    /// assert_eq!(media[0].name.as_deref(), Some("scan.png"));
    /// assert_eq!(runs.media_bytes(&run, &media[0]).await?.len(), 100_000);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Runs::row`]. An error if the journal is damaged.
    pub async fn media(&self, run: &RunId) -> Result<Vec<Media>, Error> {
        self.row(run).await?;
        let (mut media, mut facts) = (Vec::<Media>::new(), 0);
        loop {
            let page = self.store.load(run, facts, PAGE).await?;
            facts += page.len() as u64;
            for found in page.iter().flat_map(|fact| fact.kind.media()) {
                if media.iter().all(|known| known.source != found.source) {
                    media.push(found.clone());
                }
            }
            if page.len() < PAGE {
                return Ok(media);
            }
        }
    }

    /// Returns the bytes of a media item of a run.
    ///
    /// # Errors
    /// The errors of [`Runs::media`]. [`ErrorKind::NotFound`] if no fact of the run has the item,
    /// or if it is an address or a path. An error if the store does not have the bytes, or they are
    /// damaged.
    pub async fn media_bytes(&self, run: &RunId, media: &Media) -> Result<Arc<[u8]>, Error> {
        // A hash alone is no right to read: another user's run may have the bytes.
        let all = self.media(run).await?;
        let found = all.iter().find(|known| known.source == media.source);
        match found {
            Some(found) => self.bytes_of(run, found).await,
            None => Err(missing(run, &named(media), "is in none of its facts")),
        }
    }

    /// Returns the media item of a run whose bytes have this SHA-256, in hexadecimal, and its
    /// bytes.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Media, MediaKind, Memory, media::StoredMedia};
    /// # use stepwright_engine::{Parts, Runs, Workflow};
    /// # async fn look(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let memory = Memory::default();
    /// # let workflow = Workflow::builder("Look").step(look).store(memory.clone()).build()?;
    /// let note = Media::bytes(MediaKind::File, *b"abc").with_name("note.txt");
    /// workflow.run(Parts::default().text("What is this?").media(note)).run_id("r-1").await?;
    /// let runs = Runs::of(AnyStore::new(memory));
    /// let sha256 = StoredMedia::of(b"abc"[..].into()).sha256;
    /// let (media, bytes) = runs.media_of_hash(&"r-1".parse()?, &sha256).await?;
    /// assert_eq!((media.name.as_deref(), &bytes[..]), (Some("note.txt"), &b"abc"[..]));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The errors of [`Runs::media_bytes`].
    pub async fn media_of_hash(
        &self,
        run: &RunId,
        sha256: &str,
    ) -> Result<(Media, Arc<[u8]>), Error> {
        let has_hash = |media: &Media| match &media.source {
            MediaSource::Stored(stored) => *stored.sha256 == *sha256,
            // Small bytes stand in their fact.
            MediaSource::Bytes(bytes) => *StoredMedia::of(bytes.clone()).sha256 == *sha256,
            _ => false,
        };
        let found = self.media(run).await?.into_iter().find(has_hash);
        let what = format!("media `{sha256}`");
        let found = found.ok_or_else(|| missing(run, &what, "is in none of its facts"))?;
        let bytes = self.bytes_of(run, &found).await?;
        Ok((found, bytes))
    }

    /// Returns the bytes of a media item that a fact of the run has.
    async fn bytes_of(&self, run: &RunId, media: &Media) -> Result<Arc<[u8]>, Error> {
        if let Some(bytes) = media.live() {
            return Ok(bytes);
        }
        match &media.source {
            MediaSource::Stored(stored) => {
                let bytes = self.store.media(stored).await?;
                bytes.ok_or_else(|| missing(run, &named(media), "is not in the store"))
            }
            _ => Err(missing(run, &named(media), "has no bytes in the run")),
        }
    }
}

fn named(media: &Media) -> String {
    format!("`{}`", media.name.as_deref().unwrap_or(media.kind.as_str()))
}

fn missing(run: &RunId, media: &str, why: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("{media} of run `{run}` {why}"));
    error.with_id(ErrorId::MEDIA_MISSING)
}
