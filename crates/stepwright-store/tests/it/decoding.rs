//! Rows of a journal that are anything but what was written.

use std::path::Path;
use std::time::{Duration, Instant};
use stepwright_store::decode_row;

/// The number of times that each seed is changed.
const MUTATIONS: u64 = 400;

/// The longest time that one row may take.
const ROW_TIME_MAX: Duration = Duration::from_secs(2);

/// Bytes that make a difference in JSON, in lists of texts and in columns.
const TOKENS: [&[u8]; 16] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b"\"",
    b"\\",
    b"\\ud800",
    b"\0",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"null",
    b",",
    b":",
    b"[[[[[[[[[[[[[[[[",
    b"\xff\xfe",
];

/// Numbers that look like chance (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).unwrap()
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        match self.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => bytes.truncate(at),
            2 => {
                let token = TOKENS[self.below(TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
            3 => {
                let end = bytes.len().min(at + self.below(40));
                bytes.drain(at..end);
            }
            4 => {
                let end = bytes.len().min(at + self.below(200));
                let again = bytes[at..end].repeat(1 + self.below(8));
                bytes.splice(at..at, again);
            }
            _ => {
                let from = self.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
}

#[test]
fn a_row_that_is_changed_at_random_is_a_fact_or_an_error() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/journal");
    let mut seeds: Vec<_> = corpus.read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    seeds.sort();
    let seeds: Vec<_> = seeds.iter().map(|seed| std::fs::read(seed).unwrap()).collect();
    assert!(seeds.len() > 9, "the seeds are gone");
    let decoded = seeds.iter().filter(|seed| decode_row(seed).is_ok()).count();
    assert!(decoded > 5, "only {decoded} of the seeds are facts");
    let mut chance = Chance(9);
    let (mut facts, mut errors) = (0, 0);
    for seed in &seeds {
        for _ in 0..MUTATIONS {
            let mut bytes = seed.clone();
            for _ in 0..=chance.below(4) {
                let other = &seeds[chance.below(seeds.len())];
                chance.change(&mut bytes, other);
            }
            let began = Instant::now();
            match decode_row(&bytes) {
                Ok(_) => facts += 1,
                Err(_) => errors += 1,
            }
            assert!(began.elapsed() < ROW_TIME_MAX, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(facts > 0 && errors > 0, "{facts} facts, {errors} errors");
}
