//! HTML as a row of tags and texts.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// One piece of a page, in its order.
pub(crate) enum Piece<'a> {
    Open(&'a Tag),
    Close(&'a Tag),
    Text(&'a str),
}

/// Reads a page as browsers do, broken or not: entities are what they stand for, and scripts,
/// styles and comments are left out.
pub(crate) fn read(page: &str, see: impl FnMut(Piece<'_>)) {
    let sink = Sink { see: RefCell::new(see), hidden: RefCell::new(false) };
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    // It stops at the end of a script, for whoever would run it.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
}

/// What a piece of HTML says, without what it looks like.
pub(crate) fn text(html: &str) -> String {
    let mut text = String::new();
    read(html, |piece| match piece {
        Piece::Text(more) => text.push_str(more),
        Piece::Open(tag) if &*tag.name == "br" => text.push(' '),
        Piece::Open(_) | Piece::Close(_) => {}
    });
    tidy(&text)
}

/// With one blank between words.
pub(crate) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an attribute says.
pub(crate) fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|found| &*found.value)
}

struct Sink<F> {
    see: RefCell<F>,
    /// Inside of what no reader sees.
    hidden: RefCell<bool>,
}

impl<F: FnMut(Piece<'_>)> TokenSink for Sink<F> {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let see = &mut *self.see.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                see(Piece::Open(&tag));
                let raw = match &*tag.name {
                    "script" => RawKind::ScriptData,
                    "style" | "iframe" | "xmp" => RawKind::Rawtext,
                    "title" | "textarea" => RawKind::Rcdata,
                    _ => return TokenSinkResult::Continue,
                };
                *self.hidden.borrow_mut() = true;
                return TokenSinkResult::RawData(raw);
            }
            Token::TagToken(tag) => {
                *self.hidden.borrow_mut() = false;
                see(Piece::Close(&tag));
            }
            Token::CharacterTokens(text) if !*self.hidden.borrow() => see(Piece::Text(&text)),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_a_reader_sees() {
        let cases = [
            ("Ants &amp; <b>bees</b>", "Ants & bees"),
            ("caf&eacute; &#x27;noir&#39;&nbsp;!", "café 'noir' !"),
            ("1 < 2 and\n  a<br/>b", "1 < 2 and a b"),
            ("<script>if (a < b) { '</b>' }</script>seen<style>p {}</style>", "seen"),
            ("an <b>open tag", "an open tag"),
            ("<a href='x>lost", ""),
        ];
        for (html, expected) in cases {
            assert_eq!(text(html), expected, "{html}");
        }
    }
}
