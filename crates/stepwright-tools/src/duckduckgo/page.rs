//! The results page for browsers without JavaScript.

use crate::markup::{self, HtmlPiece, tidy};
use html5ever::tokenizer::Tag;
use serde::Serialize;
use stepwright_http::reqwest::Url;

/// A search result.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct WebResult {
    pub(super) title: String,
    pub(super) url: String,
    pub(super) snippet: String,
}

/// The content of a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResultsPage {
    /// At least one result.
    Results(Vec<WebResult>),
    Nothing,
    /// A challenge for robots.
    Challenge,
    /// A page whose format is unknown.
    Unknown,
}

/// Parses a page. It counts as having no results only if it says so itself.
pub(super) fn read(html: &str) -> ResultsPage {
    let mut reader = PageReader::default();
    markup::read(html, |piece| reader.see(&piece));
    let mut results: Vec<WebResult> = Vec::new();
    for block in &reader.blocks {
        if let Some(found) = block.found()
            && results.iter().all(|other| other.url != found.url)
        {
            results.push(found);
        }
    }
    match () {
        () if reader.challenge => ResultsPage::Challenge,
        () if !results.is_empty() => ResultsPage::Results(results),
        () if reader.nothing || reader.blocks.iter().any(ResultBlock::says_nothing) => {
            ResultsPage::Nothing
        }
        () => ResultsPage::Unknown,
    }
}

/// Returns `true` if the page asks for proof that the client is human.
pub(super) fn is_challenge(html: &str) -> bool {
    ["anomaly-modal", "challenge-form", "/anomaly.js"].iter().any(|sign| html.contains(sign))
}

/// Resolves a link of the page. Returns `None` if it is not a result: advertisements lead through
/// `y.js`.
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
struct PageReader {
    blocks: Vec<ResultBlock>,
    taking: Option<OpenPart>,
    nothing: bool,
    challenge: bool,
}

/// The content between the starts of two results.
#[derive(Default)]
struct ResultBlock {
    is_advertisement: bool,
    href: Option<String>,
    title: String,
    snippet: String,
    /// The complete text.
    text: String,
}

/// The part of a result being read, and the tag that ends it.
struct OpenPart {
    part: ResultPart,
    until: String,
}

#[derive(Clone, Copy)]
enum ResultPart {
    Title,
    Snippet,
}

impl ResultBlock {
    fn found(&self) -> Option<WebResult> {
        let url = target(self.href.as_deref()?).filter(|_| !self.is_advertisement)?;
        let title = tidy(&self.title);
        let snippet = tidy(&self.snippet);
        (!title.is_empty()).then(|| WebResult { title, url: url.into(), snippet })
    }

    fn says_nothing(&self) -> bool {
        let text = tidy(&self.text).to_lowercase();
        self.href.is_none() && text.starts_with("no results")
    }
}

impl PageReader {
    fn see(&mut self, piece: &HtmlPiece<'_>) {
        match piece {
            HtmlPiece::Open(tag) => self.open(tag),
            HtmlPiece::Close(tag) => {
                if self.taking.as_ref().is_some_and(|taking| *taking.until == *tag.name) {
                    self.taking = None;
                }
            }
            HtmlPiece::Text(text) => self.text(text),
        }
    }

    fn open(&mut self, tag: &Tag) {
        let classes: Vec<&str> =
            markup::attribute(tag, "class").unwrap_or_default().split_whitespace().collect();
        let has = |class: &str| classes.contains(&class);
        self.challenge |= classes.iter().any(|class| class.starts_with("anomaly-modal"))
            || markup::attribute(tag, "id") == Some("challenge-form");
        self.nothing |= has("no-results") || has("result--no-result");
        // If a tag was never closed, an element that can only follow it ends it.
        if matches!(&*tag.name, "a" | "div" | "h2" | "form") {
            self.taking = None;
        }
        if has("result") {
            let is_advertisement = has("result--ad") || has("result--ad--small");
            self.blocks.push(ResultBlock { is_advertisement, ..ResultBlock::default() });
        }
        let Some(block) = self.blocks.last_mut() else { return };
        let part = if has("result__a") {
            block.href = block.href.take().or(markup::attribute(tag, "href").map(Into::into));
            ResultPart::Title
        } else if has("result__snippet") {
            ResultPart::Snippet
        } else {
            if &*tag.name == "br" {
                self.text(" ");
            }
            return;
        };
        self.taking = Some(OpenPart { part, until: (*tag.name).to_owned() });
    }

    fn text(&mut self, text: &str) {
        let Some(block) = self.blocks.last_mut() else { return };
        block.text.push_str(text);
        match self.taking.as_ref().map(|taking| taking.part) {
            Some(ResultPart::Title) => block.title.push_str(text),
            Some(ResultPart::Snippet) => block.snippet.push_str(text),
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
