//! Bodies of answers, read piece by piece and decoded.

use flate2::write::MultiGzDecoder;
use std::io::{self, Write};
use stepwright_http::reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The encoding of bodies that this client can decode, as the value of `accept-encoding`.
pub(super) const ACCEPTED: &str = "gzip";

/// A body that is read piece by piece.
pub(super) enum Body {
    Plain(Bounded),
    Gzip(Box<MultiGzDecoder<Bounded>>),
}

/// The failure to read a body.
#[derive(Debug)]
pub(super) enum Wrong {
    /// It has more bytes than it may have, decoded.
    TooLarge,
    /// Its encoding, which cannot be decoded.
    Encoded(String),
    /// It is cut off, or is not of its encoding.
    Damaged(io::Error),
}

/// The decoded bytes, up to a maximum.
pub(super) struct Bounded {
    bytes: Vec<u8>,
    left: usize,
    is_over: bool,
}

impl Body {
    /// Returns an empty body of an answer with these headers.
    ///
    /// # Errors
    /// If it has an encoding that cannot be decoded.
    pub(super) fn of(headers: &HeaderMap, max_bytes: u64) -> Result<Self, Wrong> {
        let max = usize::try_from(max_bytes).unwrap_or(usize::MAX);
        let to = Bounded { bytes: Vec::new(), left: max, is_over: false };
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let values: Vec<_> =
            values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let all = values.join(", ");
        let encodings = all.split(',').map(|one| one.trim().to_ascii_lowercase());
        let encodings: Vec<String> =
            encodings.filter(|one| !one.is_empty() && one != "identity").collect();
        match encodings.as_slice() {
            [] => Ok(Self::Plain(to)),
            [one] if one == ACCEPTED || one == "x-gzip" => {
                Ok(Self::Gzip(Box::new(MultiGzDecoder::new(to))))
            }
            _ => Err(Wrong::Encoded(all)),
        }
    }

    /// Returns `true` if the bytes are other ones than those that were sent.
    pub(super) fn is_decoded(&self) -> bool {
        matches!(self, Self::Gzip(_))
    }

    pub(super) fn push(&mut self, piece: &[u8]) -> Result<(), Wrong> {
        let (done, to) = match self {
            Self::Plain(to) => (to.write_all(piece), &*to),
            Self::Gzip(decoder) => (decoder.write_all(piece), decoder.get_ref()),
        };
        done.map_err(|error| if to.is_over { Wrong::TooLarge } else { Wrong::Damaged(error) })
    }

    /// Returns the decoded bytes.
    ///
    /// # Errors
    /// If the body is not whole, or too large.
    pub(super) fn end(self) -> Result<Vec<u8>, Wrong> {
        match self {
            Self::Plain(to) => Ok(to.bytes),
            Self::Gzip(mut decoder) => {
                let done = decoder.try_finish();
                let over = decoder.get_ref().is_over;
                match done.and_then(|()| decoder.finish()) {
                    Ok(to) => Ok(to.bytes),
                    Err(_) if over => Err(Wrong::TooLarge),
                    Err(error) => Err(Wrong::Damaged(error)),
                }
            }
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(piece.len()) else {
            self.is_over = true;
            return Err(io::Error::other("the body is too large"));
        };
        self.left = left;
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use stepwright_http::reqwest::header::HeaderValue;

    fn zipped(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    /// Reads a body in pieces of so many bytes.
    fn read(encoding: &'static str, body: &[u8], piece: usize, max: u64) -> Result<String, Wrong> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        let mut read = Body::of(&headers, max)?;
        for piece in body.chunks(piece) {
            read.push(piece)?;
        }
        Ok(String::from_utf8(read.end()?).unwrap())
    }

    #[test]
    fn all_members_of_a_gzip_body_are_read_in_pieces_of_any_size() {
        let body = [zipped("one"), zipped(""), zipped("two")].concat();
        for piece in 1..=body.len() {
            for encoding in ["gzip", "GZIP", "x-gzip", "identity, gzip"] {
                assert_eq!(read(encoding, &body, piece, 6).unwrap(), "onetwo", "{piece}");
            }
        }
        assert_eq!(read("Identity", b"plain", 2, 5).unwrap(), "plain");
    }

    #[test]
    fn what_is_cut_off_damaged_or_too_large_is_an_error() {
        let whole = zipped("words words words");
        for length in 1..whole.len() {
            let cut = read("gzip", &whole[..length], 5, 100);
            assert!(matches!(cut, Err(Wrong::Damaged(_))), "{length}: {cut:?}");
        }
        let behind = [whole.clone(), b"and more".to_vec()].concat();
        assert!(matches!(read("gzip", &behind, 5, 100), Err(Wrong::Damaged(_))));
        assert!(matches!(read("gzip", b"plain", 5, 100), Err(Wrong::Damaged(_))));
        for (encoding, body) in [("gzip", &*whole), ("identity", b"words words words")] {
            assert!(matches!(read(encoding, body, 5, 16), Err(Wrong::TooLarge)), "{encoding}");
            assert_eq!(read(encoding, body, 5, 17).unwrap(), "words words words");
        }
        for encoding in ["br", "gzip, gzip"] {
            assert!(matches!(read(encoding, &whole, 5, 100), Err(Wrong::Encoded(_))));
        }
    }
}
