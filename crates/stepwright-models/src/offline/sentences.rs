//! From prose to sentences.

use unicode_segmentation::UnicodeSegmentation as _;

/// A sentence as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// The sentence, without line breaks.
    pub(super) text: String,
    /// The number of its paragraph or item of a list.
    pub(super) passage: usize,
    /// `true` if it is the first one there.
    pub(super) opens: bool,
}

/// The sentences of some passages, in order.
pub(super) fn of(passages: &[String]) -> Vec<Sentence> {
    let mut all = Vec::new();
    for (passage, text) in passages.iter().enumerate() {
        let pieces = split(text).into_iter().enumerate();
        all.extend(pieces.map(|(i, text)| Sentence { text, passage, opens: i == 0 }));
    }
    all
}

/// Returns the number of its words, by the rules of Unicode.
pub(super) fn word_count(text: &str) -> usize {
    text.unicode_words().count()
}

/// Words that end in a full stop in the middle of a sentence.
const ABBREVIATIONS: [&str; 40] = [
    "e.g", "i.e", "cf", "vs", "viz", "approx", "ca", "mr", "mrs", "ms", "dr", "prof", "st", "jr",
    "sr", "fig", "figs", "eq", "sec", "ch", "vol", "vols", "ed", "eds", "pp", "op", "al", "resp",
    "incl", "gen", "gov", "sen", "rep", "rev", "hon", "capt", "lt", "col", "sgt", "u.s",
];

/// Words that do so before a number: `no. 5`, `p. 12`, `Jan. 3`.
const BEFORE_NUMBERS: [&str; 18] = [
    "no", "nr", "p", "art", "par", "v", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep",
    "sept", "oct", "nov", "dec",
];

fn split(text: &str) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut in_code = false;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            // A backtick without a partner opens nothing.
            '`' => in_code = !in_code && text[at + 1..].contains('`'),
            '。' | '！' | '？' if !in_code => {
                push(&mut sentences, &text[start..at + letter.len_utf8()]);
                start = at + letter.len_utf8();
            }
            '.' | '!' | '?' | '…' if !in_code => {
                // `?!`, `...`, and whatever is closed here belong to the sentence.
                let mut end = at + letter.len_utf8();
                while let Some((next, closing)) =
                    letters.next_if(|(_, c)| ".!?…\"'”’)]»*_".contains(*c))
                {
                    end = next + closing.len_utf8();
                }
                if ends_sentence(&text[start..at], letter, &text[end..]) {
                    push(&mut sentences, &text[start..end]);
                    start = end;
                }
            }
            _ => {}
        }
    }
    push(&mut sentences, &text[start..]);
    sentences
}

fn push(sentences: &mut Vec<String>, text: &str) {
    let text = text.trim();
    if text.contains(char::is_alphanumeric) {
        sentences.push(text.to_owned());
    }
}

/// Returns `true` if a mark between these two texts ends a sentence.
fn ends_sentence(before: &str, mark: char, after: &str) -> bool {
    // Decimal numbers, versions, file names, addresses.
    if !after.is_empty() && !after.starts_with(char::is_whitespace) {
        return false;
    }
    let Some(next) = after.trim_start().chars().next() else { return true };
    if next.is_lowercase() {
        return false;
    }
    if mark == '…' {
        // `a, b, … (and so on)` goes on.
        return next.is_uppercase();
    }
    if mark != '.' {
        return true;
    }
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    if word.is_empty() || ABBREVIATIONS.contains(&word.as_str()) {
        return false;
    }
    if next.is_numeric() && BEFORE_NUMBERS.contains(&word.as_str()) {
        return false;
    }
    // `1.` begins an item, `J.` is a name. `Plan B.` is neither, but rare.
    let is_number_of_item = before.trim() == word && word.chars().all(char::is_numeric);
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    !is_number_of_item && !is_initial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_stops_inside_sentences_end_nothing() {
        let text = "It reads `a. B` and foo.rs, e.g. Rust 1.95. The rate is 3.5 percent! \
                    See a, b, … (c) and no. 5 by J. Smith et al. Really?! \"Yes.\" (So it is.) \
                    Go to https://a.example/b.html. 今日は。明日も。";
        let expected = [
            "It reads `a. B` and foo.rs, e.g. Rust 1.95.",
            "The rate is 3.5 percent!",
            "See a, b, … (c) and no. 5 by J. Smith et al. Really?!",
            "\"Yes.\"",
            "(So it is.)",
            "Go to https://a.example/b.html.",
            "今日は。",
            "明日も。",
        ];
        assert_eq!(split(text), expected);
    }

    #[test]
    fn a_lonely_backtick_swallows_nothing() {
        assert_eq!(split("A ` mark. And more."), ["A ` mark.", "And more."]);
    }
}
