//! Reads HTML as a sequence of tags and texts.

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};
use std::cell::RefCell;

/// A tag or text of a page.
pub(crate) enum HtmlPiece<'a> {
    Open(&'a Tag),
    Close(&'a Tag),
    Text(&'a str),
}

/// Reads a page as browsers do, even if it is malformed. Entities are decoded; scripts, styles and
/// comments are skipped.
pub(crate) fn read(page: &str, see: impl FnMut(HtmlPiece<'_>)) {
    let sink = Sink { see: RefCell::new(see), hidden: RefCell::new(false) };
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    // The tokenizer stops at the end of a script so that a browser could run it; feed it again.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
}

/// Returns the text of a piece of HTML, without its markup.
pub(crate) fn text(html: &str) -> String {
    let mut text = String::new();
    read(html, |piece| match piece {
        HtmlPiece::Text(more) => text.push_str(more),
        HtmlPiece::Open(tag) if &*tag.name == "br" => text.push(' '),
        HtmlPiece::Open(_) | HtmlPiece::Close(_) => {}
    });
    tidy(&text)
}

/// Collapses whitespace into single spaces.
pub(crate) fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the value of an attribute.
pub(crate) fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|found| &*found.value)
}

struct Sink<F> {
    see: RefCell<F>,
    /// `true` inside an element whose text is not displayed.
    hidden: RefCell<bool>,
}

impl<F: FnMut(HtmlPiece<'_>)> TokenSink for Sink<F> {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        let see = &mut *self.see.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                see(HtmlPiece::Open(&tag));
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
                see(HtmlPiece::Close(&tag));
            }
            Token::CharacterTokens(text) if !*self.hidden.borrow() => see(HtmlPiece::Text(&text)),
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
