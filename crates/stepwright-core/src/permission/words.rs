//! Patterns of commands: words, with `*` for any text of a word or, as a whole word, for any word.
//! At the end it stands for any number of words.

use super::effect::EffectWord;
use super::globs;

/// A character of a pattern's word, or any text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Char(char),
    Any,
}

/// A word of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word(Vec<Piece>);

/// The pattern of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Word>);

impl Word {
    fn is_any(&self) -> bool {
        matches!(self.0.as_slice(), [Piece::Any])
    }

    fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let is_same = |piece: &Piece, c: &char| *piece == Piece::Char(*c);
        globs::matches(&self.0, &text, |piece| *piece == Piece::Any, is_same)
    }

    fn covers(&self, word: &EffectWord) -> bool {
        match word {
            EffectWord::Text(text) => self.matches(text),
            EffectWord::Unknown => self.is_any(),
            EffectWord::Several => false,
        }
    }
}

impl Pattern {
    /// Parses a pattern. Quotes make `*` and blanks ordinary characters.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (mut words, mut quote) = (Vec::new(), None);
        let mut word: Option<Vec<Piece>> = None;
        for c in text.chars() {
            match (quote, c) {
                (Some(open), c) if open == c => quote = None,
                (None, '\'' | '"') => {
                    quote = Some(c);
                    word.get_or_insert_default();
                }
                (None, c) if c.is_whitespace() => words.extend(word.take().map(Word)),
                (None, '*') => {
                    let pieces = word.get_or_insert_default();
                    if pieces.last() != Some(&Piece::Any) {
                        pieces.push(Piece::Any);
                    }
                }
                (_, c) => word.get_or_insert_default().push(Piece::Char(c)),
            }
        }
        if quote.is_some() {
            return Err("its quotes are not closed".to_owned());
        }
        words.extend(word.map(Word));
        if words.is_empty() {
            return Err("it has no words".to_owned());
        }
        Ok(Self(words))
    }

    /// Returns `true` if it matches this whole command, whatever its unknown words are.
    pub(super) fn covers(&self, command: &[EffectWord]) -> bool {
        let (mut words, mut command) = (self.0.as_slice(), command);
        loop {
            match (words, command) {
                ([], []) => return true,
                ([last], _) if last.is_any() => return true,
                ([word, rest @ ..], [given, others @ ..]) if word.covers(given) => {
                    (words, command) = (rest, others);
                }
                _ => return false,
            }
        }
    }

    /// Returns `true` if a part of this command may be one that the pattern means: a program that
    /// another one starts, such as `sudo rm`, or one that is named by its path.
    pub(super) fn touches(&self, command: &[EffectWord]) -> bool {
        (0..command.len()).any(|at| self.may_cover(&command[at..]))
    }

    fn may_cover(&self, command: &[EffectWord]) -> bool {
        let (mut words, mut command) = (self.0.as_slice(), command);
        let mut is_program = true;
        loop {
            match (words, command) {
                // What follows the pattern's words cannot make the command harmless.
                ([], _) => return true,
                (_, [EffectWord::Several, ..]) => return !is_program,
                ([last], []) => return last.is_any() && !is_program,
                ([word, rest @ ..], [given, others @ ..]) => {
                    let is_same = match given {
                        EffectWord::Text(text) if is_program => {
                            let name = text.rsplit(['/', '\\']).next().unwrap_or(text);
                            word.matches(text) || word.matches(name)
                        }
                        EffectWord::Text(text) => word.matches(text),
                        _ => !is_program,
                    };
                    if !is_same {
                        return false;
                    }
                    (words, command, is_program) = (rest, others, false);
                }
                _ => return false,
            }
        }
    }
}
