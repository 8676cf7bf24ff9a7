//! The time of a search over 100 000 chunks, by words and by vectors of 384 dimensions.
//!
//! `cargo bench -p stepwright-knowledge`. The vectors are made without a model, so that the figure
//! is that of the search. Prints the median of a hundred searches.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::time::{Duration, Instant};
use stepwright_knowledge::{Document, HashEmbedder, Knowledge as _, SqliteKnowledge};

const CHUNKS: usize = 100_000;
const OF_A_DOCUMENT: usize = 500;
const SEARCHES: usize = 100;

const WORDS: [&str; 64] = [
    "order",
    "parcel",
    "invoice",
    "refund",
    "customer",
    "delivery",
    "warehouse",
    "driver",
    "window",
    "bridge",
    "river",
    "engine",
    "market",
    "garden",
    "harbour",
    "library",
    "doctor",
    "teacher",
    "painter",
    "singer",
    "forest",
    "island",
    "valley",
    "desert",
    "winter",
    "summer",
    "copper",
    "silver",
    "cotton",
    "leather",
    "paper",
    "glass",
    "coffee",
    "pepper",
    "orange",
    "lemon",
    "butter",
    "cheese",
    "bread",
    "soup",
    "ticket",
    "station",
    "airport",
    "hotel",
    "museum",
    "theatre",
    "cinema",
    "kitchen",
    "bedroom",
    "office",
    "factory",
    "school",
    "church",
    "castle",
    "tower",
    "street",
    "square",
    "corner",
    "village",
    "city",
    "country",
    "border",
    "mountain",
    "ocean",
];

/// Returns a text of words in an order that looks like none.
fn text(seed: usize) -> String {
    let mut state = seed as u64 ^ 0x9e37_79b9_7f4a_7c15;
    let mut words = Vec::new();
    for _ in 0..40 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        words.push(WORDS[(state >> 33) as usize % WORDS.len()]);
    }
    format!("Case {seed}: {}.", words.join(" "))
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
    let mut times: Vec<Duration> = Vec::new();
    for nth in 0..SEARCHES {
        let word = |at: usize| WORDS[(nth * 7 + at * 13) % WORDS.len()];
        let query = format!("Which case is about the {} and the {}?", word(0), word(1));
        let begun = Instant::now();
        let found = knowledge.search(&query, 5).await?;
        times.push(begun.elapsed());
        assert_eq!(found.len(), 5);
    }
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    println!("a search: {:.1} ms (median), {:.1} ms (95th percentile)", at(50), at(95));
    Ok(())
}
