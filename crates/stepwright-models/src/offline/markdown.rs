//! From documents to prose: what is code, a table, a heading or a badge is no sentence.

use serde_json::Value;
use std::collections::BTreeSet;

/// The longest distance to the end of a link, in bytes. Bounds the work on hostile texts.
const LINK_BYTES_MAX: usize = 500;

/// The deepest nesting of links and images: an image in a link, and one to spare.
const LINK_DEPTH_MAX: usize = 3;

/// The paragraphs and items of lists in a text, each on one line and without markup.
///
/// Markdown is the rule; JSON gives the texts in it, and a page of HTML what can be read there.
pub(super) fn passages(text: &str) -> Vec<String> {
    let trimmed = text.trim();
    if trimmed.starts_with(['{', '['])
        && let Ok(value) = stepwright_core::json::parse(trimmed)
    {
        let mut passages = Vec::new();
        texts_of(&value, &mut passages);
        return passages;
    }
    let start = trimmed.get(..15).unwrap_or(trimmed).to_ascii_lowercase();
    if start.starts_with("<!doctype html") || start.starts_with("<html") {
        return of_markdown(&html_to_text(trimmed));
    }
    of_markdown(trimmed)
}

fn texts_of(value: &Value, passages: &mut Vec<String>) {
    match value {
        Value::String(text) => passages.extend(of_markdown(text)),
        Value::Array(items) => items.iter().for_each(|item| texts_of(item, passages)),
        Value::Object(fields) => fields.values().for_each(|field| texts_of(field, passages)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The blocks of the lines so far.
#[derive(Default)]
struct Passages {
    done: Vec<String>,
    open: String,
    /// `true` if the open block is an item of a list, whose next lines are indented.
    in_item: bool,
    /// The names of links that are defined elsewhere in the text, in small letters.
    defined: BTreeSet<String>,
}

impl Passages {
    fn close(&mut self) {
        let text = inline(&self.open, &self.defined, 0);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.contains(char::is_alphanumeric) {
            self.done.push(text);
        }
        self.open.clear();
        self.in_item = false;
    }

    fn add(&mut self, line: &str) {
        if !self.open.is_empty() {
            self.open.push(' ');
        }
        self.open.push_str(line);
    }
}

fn of_markdown(text: &str) -> Vec<String> {
    let defined = text.lines().filter_map(|line| definition(line.trim())).map(str::to_lowercase);
    let mut passages = Passages { defined: defined.collect(), ..Passages::default() };
    let mut fence: Option<&str> = None;
    let mut after_blank = true;
    let mut front_matter = text.starts_with("---\n") && text[4..].contains("\n---");
    for (nth, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if front_matter {
            front_matter = nth == 0 || line != "---";
            continue;
        }
        if let Some(mark) = fence {
            if line.starts_with(mark) && line.trim_matches(['`', '~']).is_empty() {
                fence = None;
            }
            continue;
        }
        if line.starts_with("```") || line.starts_with("~~~") {
            passages.close();
            fence = Some(&line[..3]);
            continue;
        }
        let blank = std::mem::replace(&mut after_blank, line.is_empty());
        if line.is_empty() {
            passages.close();
            continue;
        }
        let indented = raw.starts_with("    ") || raw.starts_with('\t');
        let item = item_text(line);
        if indented && blank && item.is_none() {
            // Code, or a second paragraph of an item: the latter is prose.
            if !looks_like_prose(line) {
                continue;
            }
        }
        let line = line.trim_start_matches("> ").trim_start_matches('>');
        if is_rule(line) {
            // Beneath a text it makes that a heading.
            if line.starts_with(['=', '-']) && !passages.in_item {
                passages.open.clear();
            }
            passages.close();
        } else if is_heading(line) || is_table(line) || definition(line).is_some() {
            passages.close();
        } else if let Some(text) = item {
            passages.close();
            passages.in_item = true;
            passages.add(text);
        } else {
            passages.add(line);
            // Two spaces or a backslash at the end of a line break it.
            if raw.ends_with("  ") || raw.ends_with('\\') {
                passages.close();
            }
        }
    }
    passages.close();
    passages.done
}

fn looks_like_prose(line: &str) -> bool {
    line.starts_with(char::is_uppercase) && line.ends_with(['.', '!', '?', ':'])
}

fn is_heading(line: &str) -> bool {
    let text = line.trim_start_matches('#');
    text.len() < line.len() && line.len() - text.len() <= 6 && text.starts_with([' ', '\t'])
}

/// `---`, `***`, `===` and their like.
fn is_rule(line: &str) -> bool {
    let mut marks = line.chars().filter(|c| !c.is_whitespace());
    let Some(first) = marks.next() else { return false };
    "-*_=".contains(first) && line.len() >= 3 && marks.all(|mark| mark == first)
}

fn is_table(line: &str) -> bool {
    line.starts_with('|')
        || (line.contains('|') && line.chars().all(|c| "|-: \t".contains(c)))
        || line.matches(" | ").count() >= 2
}

/// The name in `[name]: https://…`.
fn definition(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.split_once("]:")?;
    (!name.contains(']')).then_some(name)
}

/// Returns the text after `- `, `3. ` or `- [x] `.
fn item_text(line: &str) -> Option<&str> {
    let text = if let Some(text) = line.strip_prefix(['-', '*', '+', '•']) {
        text
    } else {
        let text = line.trim_start_matches(|c: char| c.is_ascii_digit());
        if text.len() == line.len() || line.len() - text.len() > 3 {
            return None;
        }
        text.strip_prefix(['.', ')'])?
    };
    let text = text.strip_prefix([' ', '\t'])?.trim_start();
    let boxes = ["[ ] ", "[x] ", "[X] "];
    Some(boxes.iter().find_map(|mark| text.strip_prefix(mark)).unwrap_or(text))
}

/// The text without markup. Code between backticks stays as it is.
fn inline(text: &str, defined: &BTreeSet<String>, depth: usize) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_emphasis = false;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let taken = match letter {
            '`' => {
                let code = code(rest);
                out.push_str(code);
                Some(code.len())
            }
            '\\' if after.starts_with(|c: char| c.is_ascii_punctuation()) => {
                out.push_str(&after[..1]);
                Some(2)
            }
            '!' if after.starts_with('[') => link(after, defined).map(|(_, length)| 1 + length),
            '[' if depth < LINK_DEPTH_MAX => link(rest, defined).map(|(label, length)| {
                if !label.starts_with('^') {
                    out.push_str(&inline(label, defined, depth + 1));
                }
                length
            }),
            '<' => tag(rest).map(|(address, length)| {
                out.push_str(address);
                length
            }),
            '&' => entity(rest).map(|(letter, length)| {
                out.push(letter);
                length
            }),
            '*' | '_' | '~' => {
                let marks = rest.len() - rest.trim_start_matches(letter).len();
                let (before, next) = (out.chars().next_back(), rest[marks..].chars().next());
                let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let space = |c: Option<char>| c.is_none_or(char::is_whitespace);
                // `snake_case`, `2*3` and `a * b` are no emphasis; neither is a lonely `~`.
                let inside = word(before) && word(next);
                let plain = (inside && (letter == '_' || (marks == 1 && !in_emphasis)))
                    || (space(before) && space(next))
                    || (letter == '~' && marks != 2);
                if plain {
                    out.push_str(&rest[..marks]);
                } else {
                    in_emphasis = !in_emphasis;
                }
                Some(marks)
            }
            _ => None,
        };
        if let Some(length) = taken {
            rest = &rest[length..];
        } else {
            out.push(letter);
            rest = after;
        }
    }
    out
}

/// The code at the beginning of `text` with its backticks, or only those if nothing closes them.
fn code(text: &str) -> &str {
    let ticks = text.len() - text.trim_start_matches('`').len();
    let end = text[ticks..].find(&text[..ticks]).map_or(ticks, |end| ticks + end + ticks);
    &text[..end]
}

/// The label of the link at the beginning of `text`, and how long all of it is.
fn link<'a>(text: &'a str, defined: &BTreeSet<String>) -> Option<(&'a str, usize)> {
    let end = closing(text, '[', ']')?;
    let label = &text[1..end];
    let after = &text[end + 1..];
    let tail = match after.chars().next() {
        Some('(') => closing(after, '(', ')')? + 1,
        Some('[') => closing(after, '[', ']')? + 1,
        _ if label.starts_with('^') || defined.contains(&label.to_lowercase()) => 0,
        _ => return None,
    };
    Some((label, end + 1 + tail))
}

/// Returns the place where the bracket at the beginning of `text` is closed.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0;
    for (at, letter) in text.char_indices().take_while(|(at, _)| *at < LINK_BYTES_MAX) {
        if letter == open {
            depth += 1;
        } else if letter == close {
            depth -= 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }
    None
}

/// The tag or the address in angle brackets at the beginning of `text`: what stays of it, and how
/// long it is.
fn tag(text: &str) -> Option<(&str, usize)> {
    let limit = text.floor_char_boundary(LINK_BYTES_MAX);
    let end = text[..limit].find('>')?;
    let inner = &text[1..end];
    if inner.starts_with("http://") || inner.starts_with("https://") {
        return Some((inner, end + 1));
    }
    let is_tag = inner.starts_with(|c: char| c.is_ascii_alphabetic() || "/!".contains(c));
    // `Vec<T>` outside of code is prose about types, and rare.
    is_tag.then_some(("", end + 1))
}

fn entity(text: &str) -> Option<(char, usize)> {
    const KNOWN: [(&str, char); 8] = [
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
        ("&nbsp;", ' '),
        ("&#39;", '\''),
        ("&apos;", '\''),
        ("&mdash;", '—'),
    ];
    KNOWN.iter().find(|(name, _)| text.starts_with(name)).map(|(name, c)| (*c, name.len()))
}

/// Returns the readable text of a page, one block a paragraph.
fn html_to_text(html: &str) -> String {
    const SILENT: [&str; 8] = ["head", "script", "style", "nav", "noscript", "svg", "pre", "table"];
    const INLINE: [&str; 14] = [
        "a", "abbr", "b", "cite", "code", "em", "i", "mark", "q", "s", "small", "span", "strong",
        "sub",
    ];
    let lower = html.to_ascii_lowercase();
    let mut out = String::with_capacity(html.len() / 2);
    let mut at = 0;
    while let Some(start) = html[at..].find('<').map(|start| at + start) {
        out.push_str(&html[at..start]);
        let closes = lower[start + 1..].starts_with('/');
        let named = start + 1 + usize::from(closes);
        let name = &lower[named..];
        let name = &name[..name.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(name.len())];
        let end = if lower[start..].starts_with("<!--") {
            lower[start..].find("-->").map(|end| start + end + 3)
        } else if SILENT.contains(&name) && !closes {
            // To the tag that closes it: a script may well hold a `<` of its own.
            lower[start..].find(&format!("</{name}")).map(|end| start + end)
        } else {
            lower[start..].find('>').map(|end| start + end + 1)
        };
        let Some(end) = end else { return out };
        if name.len() == 2 && name.starts_with('h') && name != "hr" && !closes {
            out.push_str("\n\n# ");
        } else if !INLINE.contains(&name) {
            out.push_str("\n\n");
        }
        at = end;
    }
    out.push_str(&html[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prose_is_left_of_a_document() {
        let text = "---\ntitle: x\n---\n# Title\n\n[![build](https://a/b.svg)](https://a/b) \
            ![logo](l.png)\n\nA **bold** claim about `a_b` and snake_case, see [the *docs*](d.md) \
            or [that][1].\nIt *a*grees with [Guides][] and [guides], not [x][^2].\n\n\
            ```rust\nlet x = 1;\n```\n\n| a | b |\n|---|---|\n\
            | 1 | 2 |\n\n- [x] first item\n  goes on\n- second\n\n    code();\n\n1. one\n2) two\n\n\
            Heading\n=======\n\n> quoted 2 * 3 &amp; more <br> here\n\n\
            [1]: https://x.example\n[Guides]: https://g.example\n";
        let expected = [
            "A bold claim about `a_b` and snake_case, see the docs or that. It agrees with Guides \
             and guides, not x.",
            "first item goes on",
            "second",
            "one",
            "two",
            "quoted 2 * 3 & more here",
        ];
        assert_eq!(passages(text), expected);
    }

    #[test]
    fn json_gives_its_texts_and_html_what_can_be_read() {
        let json = r#"{"title": "Bridges", "points": ["They **span** rivers.", 3]}"#;
        assert_eq!(passages(json), ["Bridges", "They span rivers."]);
        let html = "<!DOCTYPE html><html><head><title>x</title><style>p {}</style></head><body>\
            <nav><ul><li>Home</ul></nav><h1>Bridges</h1><p>They <b>span</b> rivers.</p><script>if \
            (a < b) {}</script><ul><li>old &amp; new</li></ul><!-- <p>no</p> --></body></html>";
        assert_eq!(passages(html), ["They span rivers.", "old & new"]);
    }

    #[test]
    fn hostile_texts_are_read_in_no_time() {
        for text in ["[", "`", "<", "![", "**", "&", "<script>", "[a](", "\\"] {
            let long = text.repeat(20_000);
            passages(&long);
            passages(&format!("<html>{long}"));
        }
    }
}
