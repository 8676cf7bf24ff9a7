//! The page of results for browsers without JavaScript.

use crate::markup::{self, Piece, tidy};
use html5ever::tokenizer::Tag;
use reqwest::Url;
use serde::Serialize;

/// One result.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) snippet: String,
}

/// What a page says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Never empty.
    Results(Vec<Found>),
    Nothing,
    /// It wants to know whether this is a person.
    Challenge,
    /// It has no form that is known here.
    Unknown,
}

/// Reads a page. A page is only said to have no results if it says so itself.
pub(super) fn read(html: &str) -> Page {
    let mut reader = Reader::default();
    markup::read(html, |piece| reader.see(&piece));
    let mut results: Vec<Found> = Vec::new();
    for block in &reader.blocks {
        if let Some(found) = block.found()
            && results.iter().all(|other| other.url != found.url)
        {
            results.push(found);
        }
    }
    match () {
        () if reader.challenge => Page::Challenge,
        () if !results.is_empty() => Page::Results(results),
        () if reader.nothing || reader.blocks.iter().any(Block::says_nothing) => Page::Nothing,
        () => Page::Unknown,
    }
}

/// Whether it asks for a proof of being a person, in whatever page.
pub(super) fn is_challenge(html: &str) -> bool {
    ["anomaly-modal", "challenge-form", "/anomaly.js"].iter().any(|sign| html.contains(sign))
}

/// Where a link of a page leads in the end; `None` for what is no result: advertisements lead
/// through `y.js`.
fn target(href: &str) -> Option<Url> {
    let here = Url::parse("https://duckduckgo.com/").ok()?;
    let mut url = here.join(href.trim()).ok()?;
    let is_ours = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        host == "duckduckgo.com" || host.ends_with(".duckduckgo.com")
    };
    if is_ours(&url) && url.path() == "/l/" {
        let (_, to) = url.query_pairs().find(|(name, _)| name == "uddg")?;
        url = Url::parse(&to).ok()?;
    }
    if is_ours(&url) && url.path() == "/y.js" {
        return None;
    }
    ["http", "https"].contains(&url.scheme()).then_some(url)
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    taking: Option<Taking>,
    nothing: bool,
    challenge: bool,
}

/// What is between the beginnings of two results.
#[derive(Default)]
struct Block {
    is_advertisement: bool,
    href: Option<String>,
    title: String,
    snippet: String,
    /// Everything that it says.
    text: String,
}

/// Which text is read, and what ends it.
struct Taking {
    part: Part,
    until: String,
}

#[derive(Clone, Copy)]
enum Part {
    Title,
    Snippet,
}

impl Block {
    fn found(&self) -> Option<Found> {
        let url = target(self.href.as_deref()?).filter(|_| !self.is_advertisement)?;
        let title = tidy(&self.title);
        let snippet = tidy(&self.snippet);
        (!title.is_empty()).then(|| Found { title, url: url.into(), snippet })
    }

    fn says_nothing(&self) -> bool {
        let text = tidy(&self.text).to_lowercase();
        self.href.is_none() && text.starts_with("no results")
    }
}

impl Reader {
    fn see(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Open(tag) => self.open(tag),
            Piece::Close(tag) => {
                if self.taking.as_ref().is_some_and(|taking| *taking.until == *tag.name) {
                    self.taking = None;
                }
            }
            Piece::Text(text) => self.text(text),
        }
    }

    fn open(&mut self, tag: &Tag) {
        let classes: Vec<&str> =
            markup::attribute(tag, "class").unwrap_or_default().split_whitespace().collect();
        let has = |class: &str| classes.contains(&class);
        self.challenge |= classes.iter().any(|class| class.starts_with("anomaly-modal"))
            || markup::attribute(tag, "id") == Some("challenge-form");
        self.nothing |= has("no-results") || has("result--no-result");
        // Where a tag was never closed, what can only come after it ends it.
        if matches!(&*tag.name, "a" | "div" | "h2" | "form") {
            self.taking = None;
        }
        if has("result") {
            let is_advertisement = has("result--ad") || has("result--ad--small");
            self.blocks.push(Block { is_advertisement, ..Block::default() });
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let part = if has("result__a") {
            block.href = block.href.take().or(markup::attribute(tag, "href").map(Into::into));
            Part::Title
        } else if has("result__snippet") {
            Part::Snippet
        } else {
            if &*tag.name == "br" {
                self.text(" ");
            }
            return;
        };
        self.taking = Some(Taking { part, until: (*tag.name).to_owned() });
    }

    fn text(&mut self, text: &str) {
        let Some(block) = self.blocks.last_mut() else { return };
        block.text.push_str(text);
        match self.taking.as_ref().map(|taking| taking.part) {
            Some(Part::Title) => block.title.push_str(text),
            Some(Part::Snippet) => block.snippet.push_str(text),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_the_page_leads_them() {
        let cases = [
            (
                "//duckduckgo.com/l/?uddg=https%3A%2F%2Fa.example%2Fx%3Fy%3D1%26z%3D2&rut=0f",
                Some("https://a.example/x?y=1&z=2"),
            ),
            ("/l/?kh=-1&uddg=http%3A%2F%2Fa.example%2F", Some("http://a.example/")),
            ("https://a.example/caf%C3%A9", Some("https://a.example/caf%C3%A9")),
            ("https://duckduckgo.com/about", Some("https://duckduckgo.com/about")),
            ("https://duckduckgo.com/y.js?ad_domain=b.example&u3=https%3A%2F%2Fb.example", None),
            ("//duckduckgo.com/l/?uddg=https%3A%2F%2Fduckduckgo.com%2Fy.js%3Fad_domain%3Db", None),
            ("//duckduckgo.com/l/?rut=0f", None),
            ("javascript:alert(1)", None),
            ("mailto:a@b.example", None),
        ];
        for (href, expected) in cases {
            assert_eq!(target(href).as_ref().map(Url::as_str), expected, "{href}");
        }
    }
}
