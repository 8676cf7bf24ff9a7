//! The text of HTML. It is for reading, and not for showing in a browser.

/// The elements whose content is no text.
const HIDDEN: [&str; 6] = ["script", "style", "noscript", "template", "svg", "head"];

/// The elements that begin a line.
const BLOCKS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "section",
    "table",
    "ul",
];

const ENTITIES: [(&str, &str); 14] = [
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("copy", "©"),
    ("reg", "®"),
    ("euro", "€"),
];

/// Removes tags and comments, and decodes entities.
pub fn striptags(html: &str) -> String {
    let mut plain = String::new();
    for piece in pieces(html) {
        if let Piece::Text(text) = piece {
            plain.push_str(&decoded(text));
        }
    }
    plain
}

/// Returns the readable text: a line for each block, a dash before each element of a list, and no
/// scripts and styles.
pub fn html_to_text(html: &str) -> String {
    let (mut lines, mut line) = (Vec::<String>::new(), String::new());
    let (mut hidden, mut preformatted) = (None::<String>, 0_usize);
    let end = |line: &mut String, lines: &mut Vec<String>| {
        let text = line.trim_end().to_owned();
        line.clear();
        // At most one empty line separates blocks.
        if !text.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
            lines.push(text);
        }
    };
    for piece in pieces(html) {
        match piece {
            Piece::Tag { name, closes } => {
                if let Some(outer) = &hidden {
                    if closes && *outer == name {
                        hidden = None;
                    }
                    continue;
                }
                if HIDDEN.contains(&&*name) {
                    hidden = (!closes).then_some(name);
                    continue;
                }
                match (&*name, closes) {
                    ("pre", false) => preformatted += 1,
                    ("pre", true) => preformatted = preformatted.saturating_sub(1),
                    // Their end tags may be left out.
                    ("td" | "th" | "option", false) if !line.trim().is_empty() => line.push('\t'),
                    _ => {}
                }
                if BLOCKS.contains(&&*name) || ["pre", "tr", "title"].contains(&&*name) {
                    if !line.trim().is_empty() || name == "br" {
                        end(&mut line, &mut lines);
                    }
                    line.clear();
                    if !closes && name.starts_with('h') && name.len() == 2 && name != "hr" {
                        end(&mut line, &mut lines);
                    }
                    if !closes && name == "li" {
                        line.push_str("- ");
                    }
                }
                if closes && ["p", "ul", "ol", "table", "pre"].contains(&&*name) {
                    end(&mut line, &mut lines);
                }
            }
            Piece::Text(_) if hidden.is_some() => {}
            Piece::Text(text) => {
                for character in decoded(text).chars() {
                    if preformatted > 0 && character == '\n' {
                        lines.push(std::mem::take(&mut line));
                    } else if preformatted > 0 || !character.is_whitespace() {
                        line.push(character);
                    } else if !line.is_empty() && !line.ends_with([' ', '\t']) {
                        line.push(' ');
                    }
                }
            }
        }
    }
    end(&mut line, &mut lines);
    let whole = lines.join("\n");
    whole.trim().to_owned()
}

enum Piece<'t> {
    Text(&'t str),
    Tag { name: String, closes: bool },
}

/// Splits HTML into texts and tags. Comments are left out.
fn pieces(html: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = html;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            let Some(at) = rest.find('<') else {
                return Some(Piece::Text(std::mem::take(&mut rest)));
            };
            if at > 0 {
                let (text, after) = rest.split_at(at);
                rest = after;
                return Some(Piece::Text(text));
            }
            if let Some(comment) = rest.strip_prefix("<!--") {
                rest = comment.split_once("-->").map_or("", |(_, after)| after);
                continue;
            }
            let begins =
                rest[1..].starts_with(|c: char| c.is_ascii_alphabetic() || "/!?".contains(c));
            if !begins {
                // A sign of comparison.
                let (text, after) = rest.split_at(1);
                rest = after;
                return Some(Piece::Text(text));
            }
            let end = tag_end(rest);
            let tag = rest[1..end].trim_end_matches('>');
            rest = &rest[end..];
            let closes = tag.starts_with('/');
            let name = tag.trim_start_matches('/');
            let length = name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len());
            let name = name[..length].to_ascii_lowercase();
            if !name.is_empty() {
                return Some(Piece::Tag { name, closes });
            }
        }
    })
}

/// Returns the place after a tag. A `>` in a quoted attribute does not end it.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, character) in tag.char_indices() {
        match (character, quote) {
            (character, Some(open)) if character == open => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'', None) => quote = Some(character),
            ('>', None) => return at + 1,
            _ => {}
        }
    }
    // A quote that is not closed is none.
    tag.find('>').map_or(tag.len(), |at| at + 1)
}

fn decoded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((entity(&rest[1..end])?, end)));
        if let Some((character, end)) = known {
            plain.push_str(&character);
            rest = &rest[end + 1..];
        } else {
            plain.push('&');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<String> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        return char::from_u32(code).map(String::from);
    }
    let found = ENTITIES.iter().find(|(known, _)| *known == name);
    found.map(|(_, character)| (*character).to_owned())
}
