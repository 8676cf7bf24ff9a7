//! One row of the journal from bytes that can be anything: for fuzzing.

use crate::sums::Sums;
use crate::{bodies, rows, shared};
use stepwright_core::{Event, RunId, StoreError, Timestamp};

/// Decodes a row of the journal. The values of its columns stand one after the other, with a zero
/// byte between them: path, body, `shared` and the body of the fact that `shared` names. The rest
/// is taken for a compressed body. There is no checksum: it would refuse everything.
///
/// # Errors
/// [`StoreError::Corrupt`] if it is not a fact.
pub fn decode_row(bytes: &[u8]) -> Result<Event, StoreError> {
    let run = RunId::new("fuzzed").expect("an identifier");
    let mut columns = bytes.splitn(5, |byte| *byte == 0);
    let mut next = || columns.next().filter(|column| !column.is_empty());
    let (path, body) = (next().unwrap_or_default(), next().unwrap_or_default());
    let (texts, source, packed) = (next(), next().unwrap_or_default(), next());
    let corrupt = |what| bodies::corrupt(&run, 1, path, what);
    if let Some(packed) = packed {
        bodies::unpack("", Some(packed)).map_err(corrupt)?;
    }
    let whole;
    let body = match texts {
        Some(texts) => {
            let texts = std::str::from_utf8(texts).map_err(|error| corrupt(error.to_string()))?;
            let found = |_| Ok::<_, String>(source.to_vec());
            whole = shared::whole(1, body, texts, found).map_err(corrupt)?;
            &whole
        }
        None => body,
    };
    rows::fact((&run, &run), 1, (1, path, Timestamp(0)), body, Sums::SERVER, None)
}
