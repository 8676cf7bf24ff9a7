//! Texts of the user, from files and stdin.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use stepwright::{Error, ErrorId};

/// The maximum size of an input. The first fact of the run contains it, and memory several copies.
const INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Reads a file, or stdin. Returns its text and its name for messages.
pub(crate) fn read_file(path: &Path) -> Result<(String, String), Error> {
    let (read, shown) = if path == Path::new("-") {
        (read_all(std::io::stdin().lock()), "the input from stdin".to_owned())
    } else {
        (File::open(path).and_then(read_all), format!("the input file `{}`", path.display()))
    };
    let bytes = read.map_err(|error| {
        Error::usage(format!("{shown} cannot be read: {error}")).with_id(ErrorId::INPUT_UNREADABLE)
    })?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        let message = format!("{shown} has more than {INPUT_BYTES_MAX} bytes");
        let error = Error::usage(message).with_id(ErrorId::INPUT_UNREADABLE);
        return Err(error.with_hint("let a step read it instead: `read_files`"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, shown)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(Error::usage(format!("{shown} is not UTF-8 text: byte {at} is none"))
                .with_id(ErrorId::INPUT_UNREADABLE)
                .with_hint("convert it first, with `iconv` for one"))
        }
    }
}

fn read_all(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Removes the line break that programs write at the end of their output.
pub(crate) fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_not_part_of_the_text() {
        let shown = ["a", "a\n", "a\r\n", "a\n\n"].map(without_line_break);
        assert_eq!(shown, ["a", "a", "a", "a\n"]);
    }
}
