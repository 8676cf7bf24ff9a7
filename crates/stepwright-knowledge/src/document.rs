//! Documents.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The largest document, in bytes. It is cut and embedded in memory.
pub const DOCUMENT_BYTES_MAX: usize = 50 * 1024 * 1024;

/// The form of a document, which decides where it is cut.
///
/// ```
/// use stepwright_knowledge::DocumentKind;
/// assert_eq!(DocumentKind::of_path("notes/returns.MD"), DocumentKind::Markdown);
/// assert_eq!(DocumentKind::of_path("notes"), DocumentKind::Text);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// Plain text, cut at paragraphs.
    #[default]
    Text,
    /// Markdown, cut at headings and paragraphs.
    Markdown,
    /// HTML, of which the text is read.
    Html,
    /// CSV with a row of names, cut between rows.
    Csv,
}

impl DocumentKind {
    /// Returns the kind that the ending of a path stands for. Other files are text.
    pub fn of_path(path: &str) -> Self {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
        match ending.as_str() {
            "md" | "markdown" => Self::Markdown,
            "html" | "htm" | "xhtml" => Self::Html,
            "csv" => Self::Csv,
            _ => Self::Text,
        }
    }

    /// Returns the name of the kind, such as `markdown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }
}

/// A document, with the name of its source, by which it is updated and removed.
///
/// ```
/// use stepwright_knowledge::{Document, DocumentKind};
/// let page = Document::new("help/returns.html", "<p>30 days.</p>", DocumentKind::Html);
/// assert_eq!(page.source, "help/returns.html");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The name of the source, such as a path or an address. Answers cite it.
    pub source: String,
    /// The text.
    pub text: String,
    /// The form of the text.
    pub kind: DocumentKind,
}

impl Document {
    /// Creates a document. A byte order mark in front of the text is left out.
    pub fn new(source: impl Into<String>, text: impl Into<String>, kind: DocumentKind) -> Self {
        let mut text = text.into();
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Self { source: source.into(), text, kind }
    }

    /// Creates a document of plain text.
    pub fn text(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(source, text, DocumentKind::Text)
    }

    /// Creates a document of Markdown.
    pub fn markdown(source: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(source, text, DocumentKind::Markdown)
    }

    /// Returns the hash of the content, which tells a changed document from an unchanged one.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.kind.as_str());
        hash.update([0]);
        hash.update(&self.text);
        let mut text = String::with_capacity(64);
        for byte in hash.finalize() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}
