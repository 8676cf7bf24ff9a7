//! The form of the answer that the instructions ask for.

use super::sentences::Sentence;

/// The number of sentences that are quoted by default.
const SENTENCES_DEFAULT: usize = 5;

/// The highest number that can be asked for. More is a copy and no digest.
const SENTENCES_MAX: usize = 50;

/// The most words between a number and its noun: `three of the most telling facts`
/// has four.
const GAP_WORDS_MAX: usize = 4;

const UNITS: [&str; 8] =
    ["sentence", "bullet", "point", "line", "item", "takeaway", "highlight", "fact"];

const NUMBERS: [&str; 13] = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
];

/// The form of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    /// At most how many sentences.
    pub(super) sentences: usize,
    /// One a line with a bullet before it, or all of them as prose.
    pub(super) bullets: bool,
}

impl Default for Format {
    fn default() -> Self {
        Self { sentences: SENTENCES_DEFAULT, bullets: false }
    }
}

impl Format {
    /// Returns the form that a text asks for, if it asks for one.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        let words: Vec<&str> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let (mut asked, mut unit) = (None, None);
        for (i, word) in words.iter().enumerate() {
            let singular = word.strip_suffix('s').unwrap_or(word);
            let Some(found) = UNITS.iter().find(|unit| **unit == singular) else { continue };
            // The nearest number counts: `2-3 sentences` has two of them.
            let before = &words[i.saturating_sub(GAP_WORDS_MAX + 1)..i];
            let counted = before.iter().rev().find_map(|word| number(word));
            // `a sentence` is one of them; `a few sentences` is not.
            let single = (!word.ends_with('s') && matches!(before.last(), Some(&("a" | "single"))))
                .then_some(1);
            if let Some(n) = single.or(counted) {
                (asked, unit) = (Some(n.clamp(1, SENTENCES_MAX)), Some(*found));
                break;
            }
        }
        let listed = words.iter().enumerate().any(|(i, word)| {
            let is_list = matches!(*word, "bullet" | "bullets" | "bulleted" | "list");
            let before = &words[i.saturating_sub(3)..i];
            let refused = ["no", "not", "without", "never", "avoid", "don"];
            is_list && !before.iter().any(|word| refused.contains(word))
        });
        let listed = listed || matches!(unit, Some("point" | "item" | "takeaway" | "highlight"));
        (asked.is_some() || listed)
            .then(|| Self { sentences: asked.unwrap_or(SENTENCES_DEFAULT), bullets: listed })
    }

    /// The sentences in this form.
    pub(super) fn render(self, sentences: &[Sentence]) -> String {
        if self.bullets {
            let lines: Vec<String> = sentences.iter().map(|s| format!("- {}", s.text)).collect();
            return lines.join("\n");
        }
        let mut text = String::new();
        for (i, sentence) in sentences.iter().enumerate() {
            text.push_str(&sentence.text);
            if i + 1 < sentences.len() {
                // Items of lists have no full stop of their own; the last one needs none.
                let ended = sentence.text.ends_with(|c: char| ".!?…:。！？\"”)".contains(c));
                text.push_str(if ended { " " } else { ". " });
            }
        }
        text
    }
}

fn number(word: &str) -> Option<usize> {
    let written = NUMBERS.iter().position(|number| *number == word);
    // A longer number is a year or an amount.
    written.or_else(|| (word.len() <= 2).then(|| word.parse().ok()).flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_bullets_are_found_in_instructions() {
        let cases = [
            ("Summarise the text in 3 sentences.", 3, false),
            ("Give me five bullet points", 5, true),
            ("Answer in one line, please", 1, false),
            ("Write a one-sentence summary", 1, false),
            ("Put it into a single sentence", 1, false),
            ("2-3 sentences at most", 3, false),
            ("List the three most telling facts", 3, true),
            ("Write it as a bulleted list", 5, true),
            ("Four key points; do not use bullets for the rest", 4, true),
            ("In 4 sentences, without bullets", 4, false),
            ("exactly 900 sentences of 12 items", 12, true),
        ];
        for (text, sentences, bullets) in cases {
            assert_eq!(Format::read(text), Some(Format { sentences, bullets }), "{text}");
        }
        for text in ["", "You are a careful writer since 2019.", "Say a few sentences."] {
            assert_eq!(Format::read(text), None, "{text}");
        }
    }
}
