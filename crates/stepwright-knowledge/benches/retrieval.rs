//! The time of a search over 100 000 chunks, by words and by vectors of 384 dimensions.
//!
//! `cargo bench -p stepwright-knowledge`. The vectors are made without a model, so that the figure
//! is that of the search. Prints the median of a hundred searches for words as questions have
//! them, and of a hundred for the ten most frequent words, of which each is in many of the chunks.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::{Duration, Instant};
use stepwright_knowledge::{Document, HashEmbedder, Knowledge as _, SqliteKnowledge};

const CHUNKS: usize = 100_000;
const OF_A_DOCUMENT: usize = 500;
const SEARCHES: usize = 100;

/// The words of the language: the nth of them is n times as rare as the first, as in texts of
/// people (Zipf's law).
const WORDS: u32 = 20_000;

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    /// Returns a number from 0 to 1.
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        f64::from(u32::try_from(self.0 >> 33).unwrap_or(0)) / f64::from(1_u32 << 31)
    }

    /// Returns the rank of a word of a text, from 1.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 20 000")]
    fn rank(&mut self) -> u32 {
        f64::from(WORDS).powf(self.roll()) as u32
    }
}

/// Returns the word of a rank: syllables that no other rank has.
fn word(rank: u32) -> String {
    let (mut word, mut rest) = (String::new(), rank + 500);
    while rest > 0 {
        let syllable = usize::try_from(rest % 40).unwrap_or(0);
        word.push(char::from(b"bdfgklmnprstvwxz"[syllable % 16]));
        word.push(char::from(b"aeiou"[syllable / 8]));
        rest /= 40;
    }
    word
}

fn text(seed: usize) -> String {
    let mut dice = Dice(seed as u64 ^ 0x9e37_79b9_7f4a_7c15);
    let words: Vec<String> = (0..40).map(|_| word(dice.rank())).collect();
    format!("Case {seed}: {}.", words.join(" "))
}

/// Measures searches for two words each, and returns the median and the 95th percentile in ms.
async fn searched(
    knowledge: &SqliteKnowledge,
    mut ranks: impl FnMut() -> u32,
) -> Result<(f64, f64), stepwright_core::Error> {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..SEARCHES {
        let (one, other) = (word(ranks()), word(ranks()));
        let query = format!("Which case is about the {one} and the {other}?");
        let begun = Instant::now();
        let found = knowledge.search(&query, 5).await?;
        times.push(begun.elapsed());
        assert_eq!(found.len(), 5);
    }
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    Ok((at(50), at(95)))
}

#[tokio::main]
async fn main() -> Result<(), stepwright_core::Error> {
    let folder = tempfile::tempdir().map_err(|e| stepwright_core::Error::usage(e.to_string()))?;
    let path = folder.path().join("bench.db");
    let knowledge = SqliteKnowledge::open(&path, HashEmbedder::new(384)).await?;
    let begun = Instant::now();
    for document in 0..CHUNKS / OF_A_DOCUMENT {
        let first = document * OF_A_DOCUMENT;
        // A heading for each, so that each is a chunk of its own.
        let cases = (first..first + OF_A_DOCUMENT).map(|nth| format!("# {nth}\n\n{}", text(nth)));
        let all: Vec<String> = cases.collect();
        knowledge.add(Document::markdown(format!("{document}.md"), all.join("\n\n"))).await?;
    }
    println!("{CHUNKS} chunks added in {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    knowledge.search("first", 5).await?;
    let first = begun.elapsed().as_secs_f64() * 1e3;
    println!("the first search, which loads the vectors: {first:.0} ms");
    let mut dice = Dice(7);
    // The words of a question are as frequent as those of a text, but for the fifty that make up
    // its grammar.
    let (median, most) = searched(&knowledge, || dice.rank().max(51)).await?;
    println!("a search: {median:.1} ms (median), {most:.1} ms (95th percentile)");
    let mut nth = 0;
    let common = || {
        nth = nth % 10 + 1;
        nth
    };
    let (median, most) = searched(&knowledge, common).await?;
    println!("for common words: {median:.1} ms (median), {most:.1} ms (95th percentile)");
    Ok(())
}
