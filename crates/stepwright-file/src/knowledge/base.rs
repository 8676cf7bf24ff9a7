//! The knowledge bases of a file, for programs that fill them.

use super::place::{self, matching};
use crate::access::Home;
use crate::beneath::Beneath;
use crate::definition::Definition;
use crate::format::Base;
use crate::options::Options;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use stepwright_core::{Error, ErrorId};
use stepwright_knowledge::{
    Added, AnyEmbedder, DOCUMENT_BYTES_MAX, Document, DocumentKind, Knowledge as _, SqliteKnowledge,
};

impl Definition {
    /// Returns the knowledge bases that the file declares, in order.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Desk
    /// model: offline
    /// knowledge: {handbook: {database: handbook.db, sources: ['docs/*.md']}}
    /// agents: {desk: {knowledge: [handbook]}}
    /// steps: [{agent: desk}]
    /// ";
    /// let definition = Definition::parse(text, "desk.yaml", &Options::default())?;
    /// let names: Vec<_> = definition.knowledge().map(|base| base.name().to_owned()).collect();
    /// assert_eq!(names, ["handbook"]);
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn knowledge(&self) -> impl Iterator<Item = KnowledgeBase> {
        let declared = self.file.declared.clone();
        let secrets = declared.secrets.iter();
        let secrets = secrets.filter_map(|(name, value)| Some((name.clone(), value.as_str()?)));
        let secrets: BTreeMap<String, String> =
            secrets.map(|(name, value)| (name, value.to_owned())).collect();
        let secrets = Arc::new(secrets);
        self.file.knowledge.iter().map(move |base| KnowledgeBase {
            base: base.clone(),
            options: self.options.clone(),
            secrets: secrets.clone(),
        })
    }
}

/// A knowledge base that a file declares: see [`Definition::knowledge`].
///
/// ```no_run
/// use stepwright_file::{Definition, Options};
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let desk = Definition::read("desk.yaml", &Options::default())?;
/// for base in desk.knowledge() {
///     let updated = base.update(&|_| ()).await?;
///     println!("{}: {} new", base.name(), updated.new.len());
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct KnowledgeBase {
    base: Arc<Base>,
    options: Options,
    secrets: Arc<BTreeMap<String, String>>,
}

/// The documents that an update has changed, by the names of their sources.
///
/// ```
/// let updated = stepwright_file::KnowledgeUpdated::default();
/// assert!(updated.new.is_empty() && updated.unchanged == 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KnowledgeUpdated {
    /// The documents that are new.
    pub new: Vec<String>,
    /// The documents that had another content.
    pub updated: Vec<String>,
    /// The documents whose files are gone or have no text.
    pub removed: Vec<String>,
    /// The number of documents that had this content already. Nothing was embedded for them.
    pub unchanged: usize,
    /// The files without text, which are left out.
    pub empty: Vec<String>,
    /// The number of chunks that were written.
    pub chunks: usize,
}

/// The progress of an update.
///
/// ```
/// use stepwright_file::KnowledgeProgress;
/// fn line(progress: &KnowledgeProgress<'_>) -> String {
///     let KnowledgeProgress { nth, documents, source, .. } = progress;
///     format!("{nth} of {documents}: {source}")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KnowledgeProgress<'a> {
    /// The document that is added.
    pub source: &'a str,
    /// Its number, from 1.
    pub nth: usize,
    /// The number of documents.
    pub documents: usize,
    /// The number of its chunks that are embedded.
    pub embedded: usize,
    /// The number of its chunks that must be embedded. 0 before they are known.
    pub chunks: usize,
}

impl KnowledgeBase {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.base.name.text
    }

    /// Returns the embedding model as the file names it. `None` if searches are by words alone.
    pub fn embedder(&self) -> Option<&str> {
        self.base.embedder.as_ref().map(|embedder| embedder.text.as_str())
    }

    /// Returns the path of the database as people read it.
    pub fn database(&self) -> PathBuf {
        self.base.folder.join(&self.base.database.text)
    }

    /// Opens the database, which must exist.
    ///
    /// # Errors
    /// Fails if there is none yet, if it cannot be opened, or if the key of the embedder is
    /// missing.
    pub async fn open(&self) -> Result<SqliteKnowledge, Error> {
        let path = self.base.path(&self.options)?;
        if !path.exists() {
            let message = format!("the knowledge base `{}` has no database yet", self.name());
            let error = Error::usage(message).with_id(ErrorId::DATABASE_MISSING);
            return Err(error.with_hint("add its documents: `stepwright knowledge update FILE`"));
        }
        SqliteKnowledge::open_existing(path, self.made_embedder()?).await
    }

    fn made_embedder(&self) -> Result<Option<AnyEmbedder>, Error> {
        let embedder = self.base.embedder.as_ref();
        Ok(embedder.map(|embedder| crate::models::embedder(embedder, &self.secrets)).transpose()?)
    }

    async fn made(&self) -> Result<SqliteKnowledge, Error> {
        let path = self.base.path(&self.options)?;
        match self.made_embedder()? {
            Some(embedder) => SqliteKnowledge::open(path, embedder).await,
            None => SqliteKnowledge::open_full_text(path).await,
        }
    }

    fn home(&self) -> Home {
        Home::Named(self.base.folder.clone())
    }

    /// Brings the database up to date with the files: those that the sources match, and those that
    /// were added by hand. A document that did not change is not embedded again. A document whose
    /// file is gone is removed. `progress` is called before each document and before each request
    /// to the embedder.
    ///
    /// # Errors
    /// Fails at the first document that cannot be read or embedded. Those before it stay.
    pub async fn update(
        &self,
        progress: &(dyn Fn(KnowledgeProgress<'_>) + Sync),
    ) -> Result<KnowledgeUpdated, Error> {
        let mut paths: BTreeSet<String> = BTreeSet::new();
        for source in &self.base.sources {
            let found = matching(&self.home(), &source.text, &self.options);
            paths.extend(found.map_err(|refused| self.refused(&source.text, &refused.why))?);
        }
        let knowledge = self.made().await?;
        let stored = knowledge.sources().await?;
        paths.extend(stored.into_iter().map(|info| info.source));
        self.put(&knowledge, paths, progress).await
    }

    /// Adds files, which must be beneath the folder of the workflow file: by their paths relative
    /// to the current directory, or by absolute paths.
    ///
    /// # Errors
    /// Fails if one is elsewhere or does not exist, and for the reasons of
    /// [`KnowledgeBase::update`].
    pub async fn add(
        &self,
        files: &[PathBuf],
        progress: &(dyn Fn(KnowledgeProgress<'_>) + Sync),
    ) -> Result<KnowledgeUpdated, Error> {
        let folder = self.folder()?;
        let mut paths = BTreeSet::new();
        for file in files {
            paths.insert(self.relative(&folder, file)?);
        }
        let knowledge = self.made().await?;
        self.put(&knowledge, paths, progress).await
    }

    /// Returns the name of a document: the path of its file, relative to the folder of the workflow
    /// file.
    fn relative(&self, folder: &Beneath, file: &Path) -> Result<String, Error> {
        let shown = file.display().to_string();
        let whole =
            file.canonicalize().map_err(|error| self.refused(&shown, &error.to_string()))?;
        if !whole.is_file() {
            return Err(self.refused(&shown, "it is not a file"));
        }
        let within = whole.strip_prefix(folder.path()).ok().and_then(Path::to_str);
        within.map(ToOwned::to_owned).ok_or_else(|| {
            let error = self.refused(&shown, "it is outside of the folder of the workflow file");
            error.with_hint("move it there: documents stay beneath that folder")
        })
    }

    fn folder(&self) -> Result<Beneath, Error> {
        let folder = self.home().dir(".", &[]);
        folder.map_err(|refused| self.refused(".", &refused.why))
    }

    fn refused(&self, path: &str, why: &str) -> Error {
        let message = format!("knowledge base `{}`: cannot use `{path}`: {why}", self.name());
        Error::usage(message).with_id(ErrorId::INCLUDE_REFUSED)
    }

    async fn put(
        &self,
        knowledge: &SqliteKnowledge,
        paths: BTreeSet<String>,
        progress: &(dyn Fn(KnowledgeProgress<'_>) + Sync),
    ) -> Result<KnowledgeUpdated, Error> {
        let folder = self.folder()?;
        let documents = paths.len();
        let mut updated = KnowledgeUpdated::default();
        for (nth, path) in (1..).zip(paths) {
            let told = |embedded, chunks| {
                progress(KnowledgeProgress { source: &path, nth, documents, embedded, chunks });
            };
            told(0, 0);
            let text = place::read(&folder, &path, DOCUMENT_BYTES_MAX as u64);
            let text = text.map_err(|why| self.refused(&path, &why))?;
            let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
                if knowledge.remove(&path).await? {
                    updated.removed.push(path);
                } else {
                    updated.empty.push(path);
                }
                continue;
            };
            let document = Document::new(&path, text, DocumentKind::of_path(&path));
            let added = knowledge.add_with_progress(document, &told).await?;
            updated.chunks += added.chunks().unwrap_or(0);
            match added {
                Added::New(_) => updated.new.push(path),
                Added::Updated(_) => updated.updated.push(path),
                Added::Unchanged => updated.unchanged += 1,
            }
        }
        Ok(updated)
    }
}

impl std::fmt::Debug for KnowledgeBase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secrets are not for logs.
        f.debug_struct("KnowledgeBase").field("name", &self.name()).finish_non_exhaustive()
    }
}
