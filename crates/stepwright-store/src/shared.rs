//! Texts that a run records more than once are written once.
//!
//! The answer of a model is in the fact of its request, of its agent and of its step, in the input
//! of the next step, and in the end of the run. The first of them has the text; from the others it
//! is cut out, and their column `shared` says where it is.

use crate::bodies::{BYTES_MAX, FactRow};
use flate2::Crc;
use memchr::{memchr, memchr2};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::RunId;

/// The shortest text that is not written twice, in bytes. To say where a shorter one is costs
/// hardly less.
const TEXT_BYTES: usize = 128;

/// The largest number of known texts of one run. Then they are forgotten, and written again.
const TEXTS_MAX: usize = 64;

/// The largest number of runs whose texts are known. Then all are forgotten.
const RUNS_MAX: usize = 1_024;

/// The largest size of the known texts of all runs, in bytes. Then all are forgotten.
const TEXTS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The places of texts: the fact whose body has it, as it is kept, and the byte at which it begins.
/// The texts themselves are the keys, so that two are the same only if all of their bytes are.
type Places = HashMap<Arc<str>, (u64, usize)>;

/// A text that was cut out: at which byte of the body it belongs, the fact whose body has it, as it
/// is kept, from which byte on, how many bytes it has, and its CRC-32.
type Piece = (usize, u64, usize, usize, u32);

/// The places of the texts of runs that this process appends to. Only of facts that are in their
/// journals, so that they stay right whatever other processes do.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    runs: Mutex<Runs>,
}

#[derive(Debug, Default)]
struct Runs {
    places: HashMap<RunId, Places>,
    /// The number of bytes all of the texts have.
    bytes: usize,
}

impl Runs {
    fn forget(&mut self, run: &RunId) {
        if let Some(places) = self.places.remove(run) {
            self.bytes -= bytes(&places);
        }
    }

    fn forget_all(&mut self) {
        self.places.clear();
        self.bytes = 0;
    }
}

fn bytes(places: &Places) -> usize {
    places.keys().map(|text| text.len()).sum()
}

impl Texts {
    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts out texts that the run has recorded before, and returns the places of new ones: for
    /// [`Texts::learn`], when they are recorded.
    pub(crate) fn share(&self, run: &RunId, rows: &mut [FactRow]) -> Places {
        // A run of that name may have been deleted: this is another one.
        if rows.first().is_some_and(|row| row.sequence == 0) {
            self.forget(run);
        }
        let mut places = Places::new();
        let found: Vec<Vec<_>> = rows.iter().map(|row| long_texts(&row.body).collect()).collect();
        if found.iter().all(Vec::is_empty) {
            return places;
        }
        let runs = self.runs();
        let known = runs.places.get(run);
        for (row, texts) in rows.iter_mut().zip(found) {
            let (mut kept, mut pieces, mut from) = (String::new(), Vec::<Piece>::new(), 0);
            for (start, end) in texts {
                let text = &row.body[start..end];
                let place = places.get(text).or_else(|| known?.get(text));
                if let Some((sequence, at)) = place {
                    kept.push_str(&row.body[from..start]);
                    let sum = sum(text.as_bytes());
                    pieces.push((kept.len(), *sequence, *at, end - start, sum));
                    from = end;
                } else {
                    places.insert(text.into(), (row.sequence, kept.len() + start - from));
                }
            }
            if !pieces.is_empty() {
                kept.push_str(&row.body[from..]);
                row.body = kept;
                row.shared = Some(serde_json::json!(pieces).to_string());
            }
        }
        places
    }

    /// Learns texts that are in the journal now.
    pub(crate) fn learn(&self, run: &RunId, places: Places) {
        if places.is_empty() {
            return;
        }
        let mut runs = self.runs();
        let more = bytes(&places);
        if more > TEXTS_BYTES_MAX {
            return;
        }
        if runs.places.len() >= RUNS_MAX && !runs.places.contains_key(run)
            || runs.bytes + more > TEXTS_BYTES_MAX
        {
            runs.forget_all();
        }
        if runs.places.get(run).is_some_and(|known| known.len() + places.len() > TEXTS_MAX) {
            runs.forget(run);
        }
        runs.bytes += more;
        runs.places.entry(run.clone()).or_default().extend(places);
    }

    /// Forgets a run that has ended, waits, or belongs to another process.
    pub(crate) fn forget(&self, run: &RunId) {
        self.runs().forget(run);
    }
}

/// Returns the ranges of the long strings of a JSON text, between their quotes.
fn long_texts(json: &str) -> impl Iterator<Item = (usize, usize)> {
    let (bytes, mut at) = (json.as_bytes(), 0);
    std::iter::from_fn(move || {
        loop {
            let start = at + memchr(b'"', bytes.get(at..)?)? + 1;
            let mut end = start;
            loop {
                end += memchr2(b'"', b'\\', bytes.get(end..)?)?;
                match bytes[end] {
                    b'"' => break,
                    _ => end += 2,
                }
            }
            at = end + 1;
            if end - start >= TEXT_BYTES {
                return Some((start, end));
            }
        }
    })
}

fn sum(text: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(text);
    sum.sum()
}

fn pieces(shared: &str) -> Result<Vec<Piece>, String> {
    serde_json::from_str(shared).map_err(|error| format!("its column `shared`: {error}"))
}

/// The facts that have the texts that were cut out of a body.
pub(crate) fn sources(shared: &str) -> Result<Vec<u64>, String> {
    Ok(pieces(shared)?.into_iter().map(|(_, source, ..)| source).collect())
}

/// The body of fact `sequence` with the texts put in that were cut out of it. `source` gives the
/// body of another fact as it is kept.
pub(crate) fn whole<E: From<String>>(
    sequence: u64,
    body: &[u8],
    shared: &str,
    mut source: impl FnMut(u64) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, E> {
    let (mut whole, mut from) = (Vec::with_capacity(body.len()), 0);
    let mut read: Option<(u64, Vec<u8>)> = None;
    for (at, number, start, length, crc) in pieces(shared)? {
        let there = match &read {
            _ if number == sequence => body,
            Some((kept, there)) if *kept == number => there,
            _ => &read.insert((number, source(number)?)).1,
        };
        let found = there.get(start..).and_then(|rest| rest.get(..length));
        match (body.get(from..at), found.filter(|text| sum(text) == crc)) {
            (Some(before), Some(text)) => {
                // A damaged column could name one long text again and again.
                if whole.len() + before.len() + text.len() > BYTES_MAX {
                    return Err("it is longer than any fact".to_owned().into());
                }
                whole.extend_from_slice(before);
                whole.extend_from_slice(text);
            }
            _ => return Err(format!("a text of it is not in fact {number} any more").into()),
        }
        from = at;
    }
    whole.extend_from_slice(&body[from..]);
    Ok(whole)
}
