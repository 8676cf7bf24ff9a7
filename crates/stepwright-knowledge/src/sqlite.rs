//! Knowledge in a file of SQLite: chunks, their full-text index, and their vectors.

use crate::chunks::{Chunk, cut};
use crate::document::{DOCUMENT_BYTES_MAX, Document};
use crate::embedder::{AnyEmbedder, DIMENSIONS_MAX, EMBEDDED_AT_ONCE_MAX, EmbedError, Embedder};
use crate::knowledge::{Added, Knowledge, PASSAGES_MAX, Passage, SourceInfo};
use crate::vectors::{Vectors, normalised};
use crate::words::{self, Words};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::{BoxFuture, Error, ErrorId, ErrorKind};

/// The number of chunks that each of the two searches brings into the common ranking.
pub const CANDIDATES: usize = 50;

/// The constant of reciprocal rank fusion, as in the paper that introduced it.
const FUSION: f64 = 60.0;

/// The time that a change waits for one of another process.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Marks a file as one of ours: `STWK`.
const APPLICATION_ID: i32 = 0x5354_574b;

const VERSION: i32 = 1;

const SCHEMA: &str = "
    CREATE TABLE meta (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        embedder TEXT NOT NULL,
        dimensions INTEGER NOT NULL,
        generation INTEGER NOT NULL
    );
    CREATE TABLE sources (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        hash TEXT NOT NULL,
        chunks INTEGER NOT NULL
    );
    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY,
        source INTEGER NOT NULL REFERENCES sources (id),
        heading TEXT NOT NULL,
        text TEXT NOT NULL,
        vector BLOB NOT NULL
    );
    CREATE INDEX chunks_source ON chunks (source);
    CREATE VIRTUAL TABLE words USING fts5 (
        heading, text, content = '', contentless_delete = 1,
        tokenize = 'porter unicode61 remove_diacritics 2'
    );";

/// Knowledge in a file of SQLite. Cheap to clone; clones share the file.
///
/// A search ranks chunks twice: by words, with the full-text index of SQLite (BM25), and by
/// meaning, with their vectors. The two rankings are joined by reciprocal rank fusion. A word that
/// more than a fifth of several thousand chunks have counts only if the query has no other. The
/// search by vectors compares the query with all of them (brute force). They are kept in memory for
/// this, with two bytes for each dimension.
///
/// ```
/// use stepwright_knowledge::{Added, Document, HashEmbedder, Knowledge as _, SqliteKnowledge};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("handbook.db");
/// let handbook = SqliteKnowledge::open(path, HashEmbedder::default()).await?;
/// let page = Document::text("a.txt", "The office opens at nine.");
/// assert_eq!(handbook.add(page.clone()).await?, Added::New(1));
/// assert_eq!(handbook.add(page).await?, Added::Unchanged);
/// assert!(handbook.remove("a.txt").await?);
/// # Ok(()) }
/// ```
///
/// Without an embedder, searches are by words alone: [`SqliteKnowledge::open_full_text`].
#[derive(Clone)]
pub struct SqliteKnowledge {
    shared: Arc<Shared>,
    embedder: Option<AnyEmbedder>,
}

struct Shared {
    path: PathBuf,
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    vectors: Arc<Vectors>,
    words: Words,
    /// The generation of the vectors and words in memory.
    generation: Option<i64>,
}

/// A document that is ready to be stored.
struct Prepared {
    document: Document,
    hash: String,
    chunks: Vec<(Chunk, Vec<f32>)>,
}

impl SqliteKnowledge {
    /// Opens the file at `path`, and makes it if there is none. Its vectors are those of one
    /// embedder.
    ///
    /// # Errors
    /// Fails if the file cannot be used, or if its vectors are those of another embedder.
    pub async fn open(path: impl AsRef<Path>, embedder: impl Embedder) -> Result<Self, Error> {
        Self::open_at(path.as_ref(), Some(AnyEmbedder::new(embedder)), true).await
    }

    /// Opens the file at `path` without an embedder, and makes it if there is none. Searches are by
    /// words alone.
    ///
    /// ```
    /// use stepwright_knowledge::{Document, Knowledge as _, SqliteKnowledge};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("handbook.db");
    /// let handbook = SqliteKnowledge::open_full_text(path).await?;
    /// handbook.add(Document::text("a.txt", "The office opens at nine.")).await?;
    /// assert_eq!(handbook.search("offices", 1).await?[0].source, "a.txt");
    /// assert!(handbook.search("closing", 1).await?.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Fails if the file cannot be used, or if it has the vectors of an embedder.
    pub async fn open_full_text(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::open_at(path.as_ref(), None, true).await
    }

    /// Opens the file at `path`, which must exist. `embedder` is `None` for searches by words
    /// alone.
    ///
    /// ```
    /// use stepwright_knowledge::SqliteKnowledge;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let missing = SqliteKnowledge::open_existing("no/such.db", None).await.unwrap_err();
    /// assert_eq!(missing.to_string(), "there is no knowledge in `no/such.db`");
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fails if there is no such file, and for the reasons of [`SqliteKnowledge::open`].
    pub async fn open_existing(
        path: impl AsRef<Path>,
        embedder: Option<AnyEmbedder>,
    ) -> Result<Self, Error> {
        Self::open_at(path.as_ref(), embedder, false).await
    }

    pub(crate) async fn open_at(
        path: &Path,
        embedder: Option<AnyEmbedder>,
        makes: bool,
    ) -> Result<Self, Error> {
        if !makes && !path.exists() {
            let message = format!("there is no knowledge in `{}`", path.display());
            let error = Error::new(ErrorKind::Store, message).with_id(ErrorId::DATABASE_MISSING);
            return Err(error.with_hint("add documents to it first"));
        }
        let (path, id) = (path.to_owned(), id_of(embedder.as_ref()));
        let of = path.clone();
        let inner = blocking(move || opened(Connection::open(&of), &of, &id)).await?;
        Ok(Self::new(path, inner, embedder))
    }

    /// Creates knowledge in the memory of this process.
    ///
    /// # Errors
    /// Fails if SQLite cannot be used.
    pub async fn in_memory(embedder: impl Embedder) -> Result<Self, Error> {
        let path = PathBuf::from(":memory:");
        let embedder = Some(AnyEmbedder::new(embedder));
        let (of, id) = (path.clone(), id_of(embedder.as_ref()));
        let inner = blocking(move || opened(Connection::open_in_memory(), &of, &id)).await?;
        Ok(Self::new(path, inner, embedder))
    }

    fn new(path: PathBuf, inner: Inner, embedder: Option<AnyEmbedder>) -> Self {
        let shared = Arc::new(Shared { path, inner: Mutex::new(inner) });
        Self { shared, embedder }
    }

    /// Does work with the file on a thread for blocking work.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Inner) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = self.shared.clone();
        blocking(move || {
            let mut inner = shared.inner.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut inner).map_err(|error| failed(&shared.path, &error))
        })
        .await
    }

    /// Returns the vectors of these texts, each of length one; empty ones without an embedder.
    /// `progress` gets the number of texts that have one, and the number of texts.
    async fn embedded(
        &self,
        texts: &[String],
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Vec<f32>>, Error> {
        let Some(embedder) = &self.embedder else { return Ok(vec![Vec::new(); texts.len()]) };
        let mut all = Vec::with_capacity(texts.len());
        for part in texts.chunks(EMBEDDED_AT_ONCE_MAX) {
            progress(all.len(), texts.len());
            let vectors = embedder.embed(part).await?;
            if vectors.len() != part.len() {
                let (wanted, given) = (part.len(), vectors.len());
                let why = format!("it gave {given} vectors for {wanted} texts");
                return Err(unusable(embedder, &why));
            }
            for vector in vectors {
                let dimensions = vector.len();
                if !(1..=DIMENSIONS_MAX).contains(&dimensions) {
                    let why = format!("a vector has {dimensions} dimensions");
                    return Err(unusable(embedder, &why));
                }
                let vector = normalised(vector);
                all.push(vector.ok_or_else(|| unusable(embedder, "a vector has no direction"))?);
            }
        }
        Ok(all)
    }

    /// Adds a document as [`Knowledge::add`] does. `progress` is called before each request to the
    /// embedder, with the number of chunks that it has embedded and the number of chunks that it
    /// embeds for this document.
    ///
    /// # Errors
    /// Fails for the reasons of [`Knowledge::add`].
    pub async fn add_with_progress(
        &self,
        document: Document,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Added, Error> {
        let source = document.source.clone();
        let refused = |why: String| Error::usage(format!("the document `{source}` {why}"));
        if source.trim().is_empty() {
            return Err(Error::usage("a document has no name of its source").with_hint("name it"));
        }
        if document.text.len() > DOCUMENT_BYTES_MAX {
            let bytes = document.text.len();
            let why = format!("has {bytes} bytes, and the limit is {DOCUMENT_BYTES_MAX}");
            return Err(refused(why).with_hint("split it"));
        }
        let hash = document.hash();
        let (name, wanted) = (source.clone(), hash.clone());
        // The vectors of chunks that stay as they are are not made again.
        let known = self.with(move |inner| known(&inner.connection, &name, &wanted)).await?;
        let known = match known {
            Known::Same => return Ok(Added::Unchanged),
            Known::Other(vectors) => vectors,
        };
        let chunks = cut(&document);
        if chunks.is_empty() {
            return Err(refused("has no text".into()).with_hint("leave it out"));
        }
        let fresh: BTreeSet<String> =
            chunks.iter().map(Chunk::embedded).filter(|text| !known.contains_key(text)).collect();
        let fresh: Vec<String> = fresh.into_iter().collect();
        let vectors = self.embedded(&fresh, progress).await?;
        let mut all: HashMap<String, Vec<f32>> = known;
        all.extend(fresh.into_iter().zip(vectors));
        let chunks = chunks.into_iter().map(|chunk| {
            let vector = all.get(&chunk.embedded()).cloned().unwrap_or_default();
            (chunk, vector)
        });
        let chunks: Vec<_> = chunks.collect();
        let prepared = Prepared { document, hash, chunks };
        let shared = self.shared.clone();
        self.with(move |inner| written(inner, &prepared)).await?.map_err(|stored: usize| {
            let (path, id) = (shared.path.display(), id_of(self.embedder.as_ref()));
            let message = format!(
                "`{path}` has vectors of {stored} dimensions, and `{id}` \
                    makes others"
            );
            Error::usage(message).with_hint("use another file for another embedder")
        })
    }

    async fn found(&self, query: &str, limit: usize) -> Result<Vec<Passage>, Error> {
        let limit = limit.min(PASSAGES_MAX);
        if limit == 0 || query.trim().is_empty() {
            return Ok(Vec::new());
        }
        let mut vectors = self.embedded(&[query.to_owned()], &|_, _| ()).await?;
        let vector = vectors.pop().unwrap_or_default();
        let words = words::of(query);
        self.with(move |inner| search(inner, &words, &vector, limit)).await
    }
}

impl Knowledge for SqliteKnowledge {
    fn add(&self, document: Document) -> BoxFuture<'_, Result<Added, Error>> {
        Box::pin(self.add_with_progress(document, &|_, _| ()))
    }

    fn remove<'a>(&'a self, source: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        let source = source.to_owned();
        Box::pin(self.with(move |inner| {
            let changes = inner.connection.transaction()?;
            let removed = removed(&changes, &source)?;
            if removed {
                changes.execute("UPDATE meta SET generation = generation + 1", [])?;
            }
            changes.commit()?;
            Ok(removed)
        }))
    }

    fn sources(&self) -> BoxFuture<'_, Result<Vec<SourceInfo>, Error>> {
        Box::pin(self.with(|inner| {
            let mut query = inner
                .connection
                .prepare_cached("SELECT source, kind, hash, chunks FROM sources ORDER BY source")?;
            let rows = query.query_map([], |row| {
                Ok(SourceInfo {
                    source: row.get(0)?,
                    kind: row.get(1)?,
                    hash: row.get(2)?,
                    chunks: row.get::<_, i64>(3)?.try_into().unwrap_or(0),
                })
            })?;
            rows.collect()
        }))
    }

    fn search<'a>(
        &'a self,
        query: &'a str,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Passage>, Error>> {
        Box::pin(self.found(query, limit))
    }

    fn remote_model(&self) -> Option<&str> {
        self.embedder.as_ref().filter(|embedder| embedder.is_remote()).map(Embedder::id)
    }
}

/// Returns the name of an embedder as the file has it: empty for none.
fn id_of(embedder: Option<&AnyEmbedder>) -> String {
    embedder.map_or_else(String::new, |embedder| embedder.id().to_owned())
}

fn unusable(embedder: &AnyEmbedder, why: &str) -> Error {
    let message = format!("the embedder `{}` cannot be used: {why}", embedder.id());
    EmbedError::new(ErrorId::MODEL_ANSWER_MALFORMED, message)
        .with_hint("use an embedding model")
        .into()
}

/// Returns the error of a file whose vectors are those of another embedder.
fn other_embedder(path: &Path, stored: &str, embedder: &str) -> Error {
    let (shown, same) = (path.display(), "use the same embedder, or another file for this one");
    let (message, hint) = match (stored, embedder) {
        ("", other) => (
            format!("`{shown}` was made without an embedder, and `{other}` is one"),
            "remove the file and add the documents again, or search without an embedder",
        ),
        (stored, "") => {
            (format!("`{shown}` has vectors of the embedder `{stored}`, and none is named"), same)
        }
        (stored, other) => (
            format!("`{shown}` has vectors of the embedder `{stored}`, and not of `{other}`"),
            same,
        ),
    };
    Error::usage(message).with_hint(hint)
}

/// Makes the tables if there are none, and compares the embedder.
fn opened(
    connection: rusqlite::Result<Connection>,
    path: &Path,
    embedder: &str,
) -> Result<Inner, Error> {
    let prepared = connection.and_then(|mut connection| {
        connection.busy_timeout(LOCK_WAIT)?;
        let number = |connection: &Connection, name: &str| {
            connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0))
        };
        let changes =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let tables: i64 =
            changes.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        let is_ours = number(&changes, "application_id")? == APPLICATION_ID;
        let version = number(&changes, "user_version")?;
        if !is_ours && tables == 0 {
            changes.execute_batch(SCHEMA)?;
            changes.execute("INSERT INTO meta VALUES (1, ?1, 0, 0)", [embedder])?;
            changes.pragma_update(None, "application_id", APPLICATION_ID)?;
            changes.pragma_update(None, "user_version", VERSION)?;
        } else if !is_ours || version != VERSION {
            return Ok((None, String::new(), version));
        }
        let stored: String =
            changes.query_row("SELECT embedder FROM meta", [], |row| row.get(0))?;
        changes.commit()?;
        // A commit that is lost with the power is added again: it is no journal.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Ok((Some(connection), stored, version))
    });
    let (connection, stored, version) = prepared.map_err(|error| failed(path, &error))?;
    let shown = path.display();
    let Some(connection) = connection else {
        let (message, id) = if version > VERSION {
            let message = format!("`{shown}` is from a newer version of Stepwright");
            (message, ErrorId::DATABASE_NEWER)
        } else {
            let message = format!("`{shown}` is a database, but not one of knowledge");
            (message, ErrorId::DATABASE_FOREIGN)
        };
        let error = Error::new(ErrorKind::Store, message).with_id(id);
        return Err(error.with_hint("name another file"));
    };
    if stored != embedder {
        return Err(other_embedder(path, &stored, embedder));
    }
    Ok(Inner { connection, vectors: Arc::default(), words: Words::default(), generation: None })
}

enum Known {
    Same,
    /// The vectors of the chunks that the source has.
    Other(HashMap<String, Vec<f32>>),
}

fn known(connection: &Connection, source: &str, hash: &str) -> rusqlite::Result<Known> {
    let stored: Option<(i64, String)> = connection
        .prepare_cached("SELECT id, hash FROM sources WHERE source = ?1")?
        .query_row([source], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, stored)) = stored else { return Ok(Known::Other(HashMap::new())) };
    if stored == hash {
        return Ok(Known::Same);
    }
    let mut query =
        connection.prepare_cached("SELECT heading, text, vector FROM chunks WHERE source = ?1")?;
    let rows = query.query_map([id], |row| {
        let chunk = Chunk { heading: row.get(0)?, text: row.get(1)? };
        let bytes: Vec<u8> = row.get(2)?;
        let (words, _) = bytes.as_chunks::<4>();
        Ok((chunk.embedded(), words.iter().map(|word| f32::from_le_bytes(*word)).collect()))
    })?;
    Ok(Known::Other(rows.collect::<rusqlite::Result<_>>()?))
}

/// Stores a document in one transaction. Fails with the dimensions of the file if those of the
/// document are others.
fn written(inner: &mut Inner, prepared: &Prepared) -> rusqlite::Result<Result<Added, usize>> {
    let Prepared { document, hash, chunks } = prepared;
    let changes =
        inner.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let stored: i64 = changes.query_row("SELECT dimensions FROM meta", [], |row| row.get(0))?;
    let stored = usize::try_from(stored).unwrap_or(0);
    let dimensions = chunks.first().map_or(0, |(_, vector)| vector.len());
    let differs = chunks.iter().any(|(_, vector)| vector.len() != dimensions);
    if differs || (stored != 0 && stored != dimensions) {
        return Ok(Err(stored));
    }
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let replaces = removed(&changes, &document.source)?;
    changes
        .prepare_cached("INSERT INTO sources (source, kind, hash, chunks) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![document.source, document.kind.as_str(), hash, count(chunks.len()),])?;
    let source = changes.last_insert_rowid();
    {
        let mut chunk_row = changes.prepare_cached(
            "INSERT INTO chunks (source, heading, text, vector) VALUES (?1, ?2, ?3, ?4)",
        )?;
        let mut word_row = changes
            .prepare_cached("INSERT INTO words (rowid, heading, text) VALUES (?1, ?2, ?3)")?;
        for (Chunk { heading, text }, vector) in chunks {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            chunk_row.execute(params![source, heading, text, bytes])?;
            word_row.execute(params![changes.last_insert_rowid(), heading, text])?;
        }
    }
    changes.execute(
        "UPDATE meta SET generation = generation + 1, dimensions = ?1",
        [count(dimensions)],
    )?;
    changes.commit()?;
    let number = chunks.len();
    Ok(Ok(if replaces { Added::Updated(number) } else { Added::New(number) }))
}

fn removed(changes: &Transaction<'_>, source: &str) -> rusqlite::Result<bool> {
    let id: Option<i64> = changes
        .prepare_cached("SELECT id FROM sources WHERE source = ?1")?
        .query_row([source], |row| row.get(0))
        .optional()?;
    let Some(id) = id else { return Ok(false) };
    changes.execute(
        "DELETE FROM words WHERE rowid IN (SELECT id FROM chunks WHERE source = ?1)",
        [id],
    )?;
    changes.execute("DELETE FROM chunks WHERE source = ?1", [id])?;
    changes.execute("DELETE FROM sources WHERE id = ?1", [id])?;
    Ok(true)
}

fn search(
    inner: &mut Inner,
    asked: &[String],
    vector: &[f32],
    limit: usize,
) -> rusqlite::Result<Vec<Passage>> {
    let candidates = CANDIDATES.max(limit);
    let Inner { connection, vectors, words, generation } = inner;
    // One reading transaction, so that both searches see the same chunks.
    let reading = connection.transaction()?;
    let (stored, dimensions): (i64, i64) =
        reading.query_row("SELECT generation, dimensions FROM meta", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    if *generation != Some(stored) {
        *vectors = Arc::new(loaded(&reading, usize::try_from(dimensions).unwrap_or(0))?);
        *words = Words::default();
        *generation = Some(stored);
    }
    let mut ranks: HashMap<i64, f64> = HashMap::new();
    let mut rank = |ids: Vec<i64>| {
        for (nth, id) in (1_u32..).zip(ids) {
            *ranks.entry(id).or_default() += 1.0 / (FUSION + f64::from(nth));
        }
    };
    rank(vectors.nearest(vector, candidates));
    if let Some(words) = words.query(&reading, asked, vectors.len())? {
        let mut query = reading.prepare_cached(
            "SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT ?2",
        )?;
        let limit = i64::try_from(candidates).unwrap_or(i64::MAX);
        let ids = query.query_map(params![words, limit], |row| row.get(0))?;
        rank(ids.collect::<rusqlite::Result<_>>()?);
    }
    let mut ranked: Vec<(i64, f64)> = ranks.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut read = reading.prepare_cached(
        "SELECT sources.source, heading, text FROM chunks
        JOIN sources ON sources.id = chunks.source WHERE chunks.id = ?1",
    )?;
    let passages = ranked.into_iter().take(limit).map(|(id, score)| {
        read.query_row([id], |row| {
            Ok(Passage { source: row.get(0)?, heading: row.get(1)?, text: row.get(2)?, score })
        })
    });
    passages.collect()
}

fn loaded(connection: &Connection, dimensions: usize) -> rusqlite::Result<Vectors> {
    let mut vectors = Vectors::new(dimensions);
    let mut query = connection.prepare("SELECT id, vector FROM chunks ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, bytes) = (row.get(0)?, row.get_ref(1)?.as_blob()?);
        if !vectors.push(id, bytes) {
            let why = format!("the vector of chunk {id} does not have {dimensions} dimensions");
            return Err(rusqlite::Error::FromSqlConversionFailure(
                1,
                rusqlite::types::Type::Blob,
                why.into(),
            ));
        }
    }
    Ok(vectors)
}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ErrorCode as E;
    let message = format!("knowledge in `{}`: {error}", path.display());
    let (id, hint) = match error.sqlite_error_code() {
        Some(E::NotADatabase | E::DatabaseCorrupt) => {
            (ErrorId::DATABASE_DAMAGED, "name another file, and add the documents again")
        }
        Some(E::DatabaseBusy | E::DatabaseLocked) => {
            (ErrorId::DATABASE_LOCKED, "wait until the other process has added its documents")
        }
        Some(E::DiskFull | E::SystemIoFailure) => (ErrorId::DISK_FULL, "check the disk"),
        _ => (ErrorId::STORE_UNAVAILABLE, "check the path of the file, and its permissions"),
    };
    Error::new(ErrorKind::Store, message).with_id(id).with_hint(hint)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Error::new(ErrorKind::Store, format!("internal error: {error}"))
            .with_id(ErrorId::INTERNAL)),
    }
}

impl fmt::Debug for SqliteKnowledge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteKnowledge")
            .field("path", &self.shared.path)
            .field("embedder", &id_of(self.embedder.as_ref()))
            .finish_non_exhaustive()
    }
}
