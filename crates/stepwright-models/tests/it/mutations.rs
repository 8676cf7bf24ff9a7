//! Recorded answers of each wire, broken in every way that chance comes up with: no panic, no wait,
//! and no success where an error can be recognised. The same seeds every time.
//!
//! The answers stand in `fuzz/corpus/wire_…`, where a fuzzer begins with them, too.

use std::path::Path;
use stepwright_models::fuzzing::{WIRES, read_answer};

/// The number of broken answers that are read for each recorded one.
const MUTATIONS: u64 = 150;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn of<'a>(&mut self, choices: &[&'a [u8]]) -> &'a [u8] {
        choices[self.below(choices.len())]
    }
}

struct Recorded {
    wire: &'static str,
    provider: &'static str,
    name: String,
    body: Vec<u8>,
}

impl Recorded {
    fn content_type(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("json") => "application/json",
            Some("ndjson") => "application/x-ndjson",
            _ => "text/event-stream",
        }
    }

    /// Returns the bytes between two events.
    fn seam(&self) -> &'static [u8] {
        if self.wire == "ollama" { b"\n" } else { b"\n\n" }
    }

    /// Where an event may be put: not behind the word that ends the answer.
    fn seams(&self) -> Vec<usize> {
        let seam = self.seam();
        let ends = self.body.windows(seam.len()).enumerate();
        let ends = ends.filter(|(_, bytes)| *bytes == seam).map(|(at, _)| at + seam.len());
        let mut seams: Vec<usize> = std::iter::once(0).chain(ends).collect();
        // The last event is the end; Chat has counts and `[DONE]` behind it.
        let behind = if self.wire == "chat" { 3 } else { 2 };
        seams.truncate(seams.len().saturating_sub(behind).max(1));
        seams
    }

    /// An event that says that the answer has failed.
    fn error(&self) -> Vec<u8> {
        match self.wire {
            "ollama" => b"{\"error\":\"recognisable\"}\n".to_vec(),
            "responses" => b"data: {\"type\":\"error\",\"message\":\"recognisable\"}\n\n".to_vec(),
            "messages" => {
                b"data: {\"type\":\"error\",\"error\":{\"message\":\"recognisable\"}}\n\n".to_vec()
            }
            _ => b"data: {\"error\":{\"message\":\"recognisable\"},\"choices\":[]}\n\n".to_vec(),
        }
    }
}

fn recorded() -> Vec<Recorded> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut all = Vec::new();
    for (wire, provider) in WIRES {
        let folder = root.join(format!("wire_{wire}"));
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let body = std::fs::read(&path).unwrap();
            all.push(Recorded { wire, provider, name, body });
        }
    }
    all.sort_by(|a, b| (a.wire, &a.name).cmp(&(b.wire, &b.name)));
    assert!(all.len() > 15, "the recorded answers were not found");
    all
}

/// One change of a body.
fn mutated(recorded: &Recorded, chance: &mut Chance) -> Vec<u8> {
    let mut body = recorded.body.clone();
    for _ in 0..=chance.below(3) {
        let at = chance.below(body.len());
        match chance.below(8) {
            0 => body[at] ^= 1 << chance.below(8),
            1 => body.truncate(at),
            2 => {
                let end = (at + chance.below(40)).min(body.len());
                body.drain(at..end);
            }
            3 => {
                let end = (at + chance.below(200)).min(body.len());
                let piece = body[at..end].to_vec();
                let to = chance.below(body.len());
                body.splice(to..to, piece);
            }
            4 => {
                let words: [&[u8]; 12] = [
                    b"null",
                    b"{}",
                    b"[]",
                    b"\"\"",
                    b"-1",
                    b"1e400",
                    b"\\ud83e",
                    b"\n\n",
                    b"\r",
                    b"\xff",
                    b"[[[[[[[[",
                    b"data: [DONE]\n\n",
                ];
                let word = chance.of(&words);
                body.splice(at..at, word.iter().copied());
            }
            5 => {
                let word = "[".repeat(chance.below(2_000));
                body.splice(at..at, word.into_bytes());
            }
            6 => {
                let (from, to): ([&[u8]; 6], [&[u8]; 6]) = (
                    [b"stop", b"STOP", b"index\":0", b"text", b"delta", b"completed"],
                    [b"abort", b"OTHER", b"index\":9", b"txet", b"message", b"cancelled"],
                );
                let which = chance.below(from.len());
                if let Some(at) =
                    body.windows(from[which].len()).position(|word| word == from[which])
                {
                    body.splice(at..at + from[which].len(), to[which].iter().copied());
                }
            }
            _ => {
                let sse: &[u8] = b"data: {\"x\": 1}\n\n";
                let line: &[u8] = b"{\"x\": 1}\n";
                let event = if recorded.wire == "ollama" { line } else { sse };
                body.splice(at..at, event.iter().copied());
            }
        }
        if body.is_empty() {
            break;
        }
    }
    body
}

fn cut(body: &[u8], chance: &mut Chance) -> Vec<Vec<u8>> {
    let size = [1, 7, 64, 100_000][chance.below(4)];
    body.chunks(size).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_broken_answer_neither_panics_nor_waits() {
    for recorded in recorded() {
        let mut chance = Chance(7);
        for _ in 0..MUTATIONS {
            let body = mutated(&recorded, &mut chance);
            let pieces = cut(&body, &mut chance);
            // The result is of no importance here.
            drop(read_answer(recorded.provider, recorded.content_type(), pieces));
        }
    }
}

#[test]
fn recorded_answers_are_what_their_names_say() {
    for recorded in recorded() {
        let pieces = vec![recorded.body.clone()];
        let answer = read_answer(recorded.provider, recorded.content_type(), pieces);
        let is_failure =
            ["error", "failed", "malformed"].iter().any(|name| recorded.name.starts_with(name));
        assert_eq!(answer.is_err(), is_failure, "{} {}: {answer:?}", recorded.wire, recorded.name);
    }
}

#[test]
fn an_error_that_can_be_recognised_is_never_a_success() {
    let streams = |recorded: &Recorded| recorded.content_type() != "application/json";
    for recorded in recorded().into_iter().filter(streams) {
        let mut chance = Chance(11);
        for at in recorded.seams() {
            for _ in 0..8 {
                let mut body = recorded.body.clone();
                body.splice(at..at, recorded.error());
                let pieces = cut(&body, &mut chance);
                let answer = read_answer(recorded.provider, recorded.content_type(), pieces);
                let Err(error) = answer else {
                    panic!("{} {} at {at}: {answer:?}", recorded.wire, recorded.name);
                };
                let told = error.message.contains("recognisable");
                let is_first = !recorded.body[..at].windows(6).any(|word| word == b"\"error");
                assert!(told || !is_first, "{} {} at {at}: {error}", recorded.wire, recorded.name);
            }
        }
        // An answer that is cut anywhere before its end is none.
        let last = recorded.seams().pop().unwrap();
        for _ in 0..40 {
            let body = &recorded.body[..chance.below(last)];
            let pieces = cut(body, &mut chance);
            let answer = read_answer(recorded.provider, recorded.content_type(), pieces);
            assert!(answer.is_err(), "{} {}: {answer:?}", recorded.wire, recorded.name);
        }
    }
}
