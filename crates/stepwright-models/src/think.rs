//! Reasoning in front of the text, between `<think>` and `</think>`.
//!
//! Servers without a parser for a reasoning model send its reasoning like this. The tags may be cut
//! anywhere.

const OPEN: &str = "<think>";
const CLOSE: &str = "</think>";

/// A piece of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Thought(String),
}

/// Separates reasoning from the text of an answer.
#[derive(Debug)]
pub(crate) enum Think {
    /// The beginning, while it may still become the opening tag.
    Opening(String),
    /// Within the tags. What is held may become the closing tag, or is space at the end.
    Inside { held: String, has_begun: bool },
    /// Behind the tags: space before the text is not part of it.
    Closed,
    /// The text.
    Text,
}

impl Default for Think {
    fn default() -> Self {
        Self::Opening(String::new())
    }
}

impl Think {
    /// Returns the reasoning and the text that `piece` adds.
    pub(crate) fn push(&mut self, piece: String) -> Vec<Piece> {
        let mut told = Vec::new();
        let mut rest = piece;
        while !rest.is_empty() {
            (*self, rest) = match std::mem::replace(self, Self::Text) {
                Self::Text => {
                    told.push(Piece::Text(rest));
                    return told;
                }
                Self::Closed => match rest.trim_start() {
                    "" => (Self::Closed, String::new()),
                    text => (Self::Text, text.to_owned()),
                },
                Self::Opening(held) => {
                    // The first piece may be long.
                    let all = if held.is_empty() { rest } else { held + &rest };
                    let begin = all.trim_start();
                    if let Some(inside) = begin.strip_prefix(OPEN) {
                        let inside = inside.to_owned();
                        (Self::Inside { held: String::new(), has_begun: false }, inside)
                    } else if OPEN.starts_with(begin) {
                        (Self::Opening(all), String::new())
                    } else {
                        (Self::Text, all)
                    }
                }
                Self::Inside { held, has_begun } => {
                    // Without the end of the tag there is nothing new in what is held.
                    let all = held + &rest;
                    if let Some((thought, text)) = all.split_once(CLOSE) {
                        tell(thought.trim_end(), has_begun, &mut told);
                        (Self::Closed, text.to_owned())
                    } else {
                        let cut = all.len() - partial_tag(&all);
                        let cut = all[..cut].trim_end().len();
                        let has_begun = tell(&all[..cut], has_begun, &mut told) || has_begun;
                        (Self::Inside { held: all[cut..].to_owned(), has_begun }, String::new())
                    }
                }
            };
        }
        told
    }

    /// Returns the pieces that are held back, when the answer has ended.
    pub(crate) fn end(&mut self) -> Vec<Piece> {
        let mut told = Vec::new();
        match std::mem::replace(self, Self::Text) {
            Self::Opening(held) if !held.is_empty() => told.push(Piece::Text(held)),
            Self::Inside { held, has_begun } => {
                tell(held.trim_end(), has_begun, &mut told);
            }
            Self::Opening(_) | Self::Closed | Self::Text => {}
        }
        told
    }

    /// Returns the reasoning and the text of a whole answer, if it begins with reasoning.
    pub(crate) fn split(text: &str) -> Option<(String, String)> {
        let inside = text.trim_start().strip_prefix(OPEN)?;
        let (thoughts, rest) = inside.split_once(CLOSE).unwrap_or((inside, ""));
        Some((thoughts.trim().to_owned(), rest.trim_start().to_owned()))
    }
}

fn tell(thought: &str, has_begun: bool, told: &mut Vec<Piece>) -> bool {
    let thought = if has_begun { thought } else { thought.trim_start() };
    if thought.is_empty() {
        return false;
    }
    told.push(Piece::Thought(thought.to_owned()));
    true
}

/// The length of the end that may become the closing tag, in bytes.
fn partial_tag(text: &str) -> usize {
    (1..CLOSE.len()).rev().find(|length| text.ends_with(&CLOSE[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, size: usize) -> (String, String) {
        let mut think = Think::default();
        let letters: Vec<char> = text.chars().collect();
        let mut told = Vec::new();
        for piece in letters.chunks(size) {
            told.extend(think.push(piece.iter().collect()));
        }
        told.extend(think.end());
        let (mut thoughts, mut rest) = (String::new(), String::new());
        for piece in told {
            match piece {
                Piece::Text(piece) => rest.push_str(&piece),
                Piece::Thought(piece) => thoughts.push_str(&piece),
            }
        }
        (thoughts, rest)
    }

    #[test]
    fn leading_thoughts_are_told_apart_wherever_they_are_cut() {
        for (text, thoughts, rest) in [
            ("<think>7 or 8? 7.</think>\n{\"a\": 7}", "7 or 8? 7.", "{\"a\": 7}"),
            ("\n<think>\n a </ b \n</think>\n\nYes ", "a </ b", "Yes "),
            ("<think></think>Yes", "", "Yes"),
            ("<think>for ever", "for ever", ""),
            ("<thinking about it", "", "<thinking about it"),
            ("Say <think>x</think>", "", "Say <think>x</think>"),
            ("  <thi", "", "  <thi"),
            ("", "", ""),
        ] {
            for size in 1..=text.len().max(1) {
                assert_eq!(read(text, size), (thoughts.into(), rest.into()), "{text:?} in {size}");
            }
        }
        assert_eq!(Think::split("Yes"), None);
        assert_eq!(Think::split("<think>a</think> b"), Some(("a".into(), "b".into())));
    }
}
