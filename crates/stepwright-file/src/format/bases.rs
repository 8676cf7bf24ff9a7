//! Knowledge bases as a file declares them.

use super::{ModelName, Word};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// A knowledge base that a file declares.
#[derive(Debug)]
#[cfg_attr(not(feature = "knowledge"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) struct Base {
    pub(crate) name: Word,
    /// The subject of its documents, for the model.
    pub(crate) description: Option<String>,
    /// The path of the database, relative to the folder of the file.
    pub(crate) database: Word,
    /// The files and patterns of files that it is made of, relative to the same folder.
    pub(crate) sources: Vec<Word>,
    /// The model that embeds its chunks. Without one, searches are by words alone.
    pub(crate) embedder: Option<ModelName>,
    /// The number of passages of a search.
    pub(crate) passages: Option<usize>,
    /// The folder of the file.
    pub(crate) folder: PathBuf,
    pub(crate) is_used: AtomicBool,
}

impl Base {
    /// Returns `true` if an agent searches it.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Relaxed)
    }

    pub(crate) fn mark_used(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }
}

/// A search of an agent in a knowledge base.
#[derive(Debug)]
#[cfg_attr(not(feature = "knowledge"), allow(dead_code, reason = "read to find mistakes"))]
pub(crate) struct Searched {
    /// The name of the base.
    pub(crate) base: Word,
    /// The name of the tool.
    pub(crate) tool: String,
    /// The number of passages, in place of that of the base.
    pub(crate) passages: Option<usize>,
}
