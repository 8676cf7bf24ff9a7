//! The character set of a page.

use encoding_rs::{Encoding, UTF_8};

/// The number of bytes at the beginning of a page that may name its character set, as in browsers.
const NAMED_BYTES_MAX: usize = 1024;

/// Decodes a page of the content type `kind`. Returns a note if a part of it could not be decoded.
///
/// The first of these that is there decides: a byte order mark, the character set of the content
/// type, and that which the page itself names in a `<meta>` or in its XML declaration.
pub(crate) fn decoded(bytes: Vec<u8>, kind: &str) -> (String, Option<String>) {
    if let Some((encoding, mark)) = Encoding::for_bom(&bytes) {
        return with(encoding, &bytes[mark..]);
    }
    let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
    let named = charset_of(parameters).or_else(|| {
        let essence = essence.trim().to_ascii_lowercase();
        let is_marked = essence == "text/html" || essence.ends_with("xml");
        is_marked.then(|| named_within(&bytes)).flatten()
    });
    let Some(named) = named else { return crate::folder::text_of(bytes) };
    match Encoding::for_label(named.as_bytes()) {
        Some(encoding) if encoding == UTF_8 => crate::folder::text_of(bytes),
        Some(encoding) => with(encoding, &bytes),
        None => {
            let (text, note) = crate::folder::text_of(bytes);
            let unknown = format!("its character set `{named}` is not known: it was read as UTF-8");
            (text, Some(note.map_or(unknown.clone(), |note| format!("{unknown}; {note}"))))
        }
    }
}

fn with(encoding: &'static Encoding, bytes: &[u8]) -> (String, Option<String>) {
    let (text, is_damaged) = encoding.decode_without_bom_handling(bytes);
    let note = is_damaged.then(|| {
        let name = encoding.name();
        format!("it is not all {name}: what is not was replaced by `\u{fffd}`")
    });
    (text.into_owned(), note)
}

/// Returns the `charset` among the parameters of a content type.
fn charset_of(parameters: &str) -> Option<String> {
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']).trim();
        let is_it = name.trim().eq_ignore_ascii_case("charset") && !value.is_empty();
        is_it.then(|| value.to_owned())
    })
}

/// Returns the character set that a page names: `<meta charset="…">`, the same in the `content` of
/// a `<meta http-equiv>`, or `encoding="…"` in an XML declaration.
fn named_within(bytes: &[u8]) -> Option<String> {
    let head = &bytes[..bytes.len().min(NAMED_BYTES_MAX)];
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if let Some(declaration) = head.trim_start().strip_prefix("<?xml") {
        let declaration = declaration.split("?>").next()?;
        if let Some((_, value)) = declaration.split_once("encoding") {
            return quoted(value);
        }
    }
    let mut rest = &*head;
    while let Some((before, after)) = rest.split_once("<meta") {
        let tag = after.split('>').next()?;
        // A tag in a comment names nothing.
        let is_commented = before.rfind("<!--") > before.rfind("-->");
        let value = tag.split_once("charset").and_then(|(_, value)| quoted(value));
        if let Some(value) = value.filter(|_| !is_commented) {
            // A page whose tag can be read byte by byte is not UTF-16, whatever it names.
            return Some(if value.starts_with("utf-16") { "utf-8".to_owned() } else { value });
        }
        rest = after;
    }
    None
}

/// Returns the value after `=`, with or without quotes.
fn quoted(text: &str) -> Option<String> {
    let text = text.trim_start().strip_prefix('=')?.trim_start();
    let text = text.trim_start_matches(['"', '\'']);
    let end = text.find(|c: char| c.is_whitespace() || "\"';/>".contains(c)).unwrap_or(text.len());
    Some(text[..end].to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_character_set_comes_from_the_mark_the_type_or_the_page() {
        let latin = b"caf\xe9";
        let cases: [(&[u8], &str, &str); 11] = [
            (latin, "text/html; charset=iso-8859-1", "café"),
            (latin, "text/plain;charset=\"ISO-8859-1\"", "café"),
            (latin, "text/plain; a=b; Charset=windows-1252", "café"),
            (b"\xef\xbb\xbfcaf\xc3\xa9", "text/plain; charset=iso-8859-1", "café"),
            (b"\xff\xfec\0a\0f\0\xe9\0", "", "café"),
            (b"<meta charset=latin1>caf\xe9", "text/html", "<meta charset=latin1>café"),
            (
                b"<META content='text/html; charset=latin1'>\xe9",
                "text/html",
                "<META content='text/html; charset=latin1'>é",
            ),
            (
                b"<?xml version='1.0' encoding='latin1'?>\xe9",
                "application/rss+xml",
                "<?xml version='1.0' encoding='latin1'?>é",
            ),
            (b"\x83e\x83X\x83g", "text/plain; charset=Shift_JIS", "テスト"),
            ("<meta charset=utf-16>é".as_bytes(), "text/html", "<meta charset=utf-16>é"),
            ("<!-- <meta charset=latin1> -->é".as_bytes(), "text/html", {
                "<!-- <meta charset=latin1> -->é"
            }),
        ];
        for (bytes, kind, text) in cases {
            assert_eq!(decoded(bytes.to_vec(), kind), (text.to_owned(), None), "{kind}");
        }
    }

    #[test]
    fn bytes_that_cannot_be_read_leave_a_note() {
        let (text, note) = decoded(b"caf\xe9".to_vec(), "text/plain");
        assert_eq!((&*text, note.is_some()), ("caf\u{fffd}", true));
        let (text, note) = decoded(b"\x83".to_vec(), "text/plain; charset=Shift_JIS");
        assert_eq!(text, "\u{fffd}");
        assert!(note.unwrap().starts_with("it is not all Shift_JIS"));
        let (text, note) = decoded(b"a".to_vec(), "text/plain; charset=klingon");
        assert_eq!(text, "a");
        let expected = "its character set `klingon` is not known: it was read as UTF-8";
        assert_eq!(note.unwrap(), expected);
    }
}
