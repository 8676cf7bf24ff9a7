//! The words of a query for the full-text index.

use rusqlite::{Connection, params};
use std::collections::HashMap;

/// The largest number of words of a query that the full-text search looks for.
const WORDS_MAX: usize = 24;

/// The largest number of words of which it is remembered how common they are.
const REMEMBERED_MAX: usize = 10_000;

/// The number of chunks from which on a word can be too common. Fewer are ranked at once.
const MANY: usize = 5_000;

/// A word is common if more than one chunk in so many has it.
const COMMON_IN: usize = 5;

/// Words that nearly every text has. A search for them would rank all chunks.
const COMMON: [&str; 50] = [
    "a", "about", "an", "and", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from",
    "had", "has", "have", "how", "i", "if", "in", "is", "it", "its", "me", "my", "of", "on", "or",
    "our", "that", "the", "their", "there", "they", "this", "to", "was", "we", "were", "what",
    "when", "where", "which", "who", "why", "will", "with", "you", "your",
];

/// Returns the words of a query, without those that nearly every text has, if there are others.
pub(crate) fn of(query: &str) -> Vec<String> {
    let all = query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let all: Vec<String> = all.map(str::to_lowercase).collect();
    let mut rare = all.clone();
    rare.retain(|word| !COMMON.contains(&word.as_str()));
    let mut words = if rare.is_empty() { all } else { rare };
    words.truncate(WORDS_MAX);
    words
}

/// The words that were asked for, and whether many of the chunks have them.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<String, bool>);

impl Words {
    /// Returns the full-text query for these words. `None` if there are none.
    ///
    /// The search ranks each chunk that has one of the words. So a word of many chunks costs much,
    /// and tells little: it is left out if there is another one.
    pub(crate) fn query(
        &mut self,
        connection: &Connection,
        words: &[String],
        chunks: usize,
    ) -> rusqlite::Result<Option<String>> {
        let mut rare = Vec::new();
        for word in words {
            if !self.is_common(connection, word, chunks)? {
                rare.push(word);
            }
        }
        if rare.is_empty() {
            rare = words.iter().collect();
        }
        let quoted: Vec<String> = rare.into_iter().map(|word| quoted(word)).collect();
        Ok((!quoted.is_empty()).then(|| quoted.join(" OR ")))
    }

    fn is_common(
        &mut self,
        connection: &Connection,
        word: &str,
        chunks: usize,
    ) -> rusqlite::Result<bool> {
        if chunks < MANY {
            return Ok(false);
        }
        if let Some(known) = self.0.get(word) {
            return Ok(*known);
        }
        let most = chunks / COMMON_IN;
        let mut query = connection.prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ?1 LIMIT ?2)",
        )?;
        let limit = i64::try_from(most + 1).unwrap_or(i64::MAX);
        let count: i64 = query.query_row(params![quoted(word), limit], |row| row.get(0))?;
        let is_common = count == limit;
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert(word.to_owned(), is_common);
        Ok(is_common)
    }
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}
