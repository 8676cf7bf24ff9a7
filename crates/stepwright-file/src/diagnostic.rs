//! The mistakes in a file, for people and programs.

use crate::excerpt;
pub use crate::excerpt::ReportStyle;
use crate::source::{Source, Span};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use serde::Serialize;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use stepwright_core::report::label;
use stepwright_core::{ErrorId, Report};

/// The maximum number of mistakes that are reported. Fix these first if there are more.
pub const MISTAKES_MAX: usize = 50;

/// The maximum number of mistakes that are collected, so that a file full of mistakes is quick.
const FOUND_MAX: usize = 500;

/// A mistake, with its place and a hint.
///
/// ```
/// use stepwright_file::{Definition, Diagnostic, Options};
/// let text = "format: 1\nname: Greeting\nsteps:\n  - {name: greet, template: '{{ imput }}'}\n";
/// let mistakes = Definition::parse(text, "greeting.yaml", &Options::default()).unwrap_err();
/// let first: &Diagnostic = mistakes.iter().next().unwrap();
/// // The place to underline in an editor.
/// assert_eq!((first.line, first.column, first.length), (4, 33, 5));
/// assert_eq!(first.code, stepwright_core::ErrorId::NAME_UNKNOWN);
/// assert_eq!(first.message, "there is no `imput`");
/// assert_eq!(first.help.as_deref(), Some("did you mean `input`?"));
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Diagnostic {
    /// The id of the kind of mistake.
    pub code: ErrorId,
    /// The weight of the mistake.
    #[serde(skip_serializing_if = "Severity::is_error")]
    pub severity: Severity,
    /// The message: a fragment without a full stop.
    pub message: String,
    /// The file.
    pub file: String,
    /// The line, from 1. 0 if the mistake is about the file itself.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The length, in characters.
    pub length: usize,
    /// The label at that place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// The hint at what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Related places.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    #[serde(skip)]
    place: Option<(Arc<Source>, Span)>,
    #[serde(skip)]
    places: Vec<Span>,
    /// The start and the length of its text among the parts of a file.
    #[serde(skip)]
    part: (usize, usize),
    /// The text that corrects the mistake in place of its own, if that is certain.
    #[serde(skip)]
    correction: Option<String>,
}

/// The weight of a mistake.
///
/// ```
/// use stepwright_file::{Definition, Options, Severity};
/// let text = "
/// format: 1
/// name: Greeting
/// model: offline
/// agents: {writer: {instructions: Write.}}
/// steps:
///   - {name: greet, template: 'Hello {{ input }}!'}
/// ";
/// let definition = Definition::parse(text, "greeting.yaml", &Options::default())?;
/// let warning = definition.warnings().iter().next().unwrap();
/// assert_eq!(warning.severity, Severity::Warning);
/// assert_eq!(warning.message, "no step uses the agent `writer`");
/// # Ok::<(), stepwright_file::Diagnostics>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Severity {
    /// The file is refused.
    #[default]
    Error,
    /// The file can run, but a part of it may be a mistake.
    Warning,
}

impl Severity {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_error(&self) -> bool {
        *self == Self::Error
    }
}

/// A place in the same file that is related to a mistake.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Related {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The label at that place.
    pub label: String,
}

impl Diagnostic {
    /// Creates a mistake. [`Diagnostics::finish`] computes its line and column if it is reported.
    pub(crate) fn new(
        code: ErrorId,
        source: &Arc<Source>,
        span: Span,
        message: impl Into<String>,
    ) -> Self {
        let (start, source) = source.part(span).unwrap_or((0, source));
        let span = Span::new(span.start - start, span.len);
        let place = Some((source.clone(), span));
        let part = (start, source.text.len());
        Self { place, part, ..Self::of_file(code, source.name.as_str(), message) }
    }

    /// Creates a mistake without a place in a text.
    pub(crate) fn of_file(
        code: ErrorId,
        file: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            file: file.into(),
            line: 0,
            column: 0,
            length: 0,
            label: String::new(),
            help: None,
            related: Vec::new(),
            place: None,
            places: Vec::new(),
            part: (0, usize::MAX),
            correction: None,
        }
    }

    /// Returns the line of its place, from 1, if it has one.
    pub(crate) fn start_line(&self) -> Option<usize> {
        self.place.as_ref().map(|(source, span)| source.position(span.start).0)
    }

    fn start(&self) -> usize {
        self.place.as_ref().map_or(0, |(_, span)| span.start)
    }

    fn find_lines(&mut self) {
        if let Some((source, span)) = &self.place {
            (self.line, self.column) = source.position(span.start);
            self.length = source.chars(*span);
            for (related, span) in self.related.iter_mut().zip(&self.places) {
                (related.line, related.column) = source.position(span.start);
            }
        }
    }

    /// Turns the mistake into a warning.
    pub(crate) fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    fn label_of_code(&self) -> String {
        let label = label(self.code);
        match self.severity {
            Severity::Error => label,
            Severity::Warning => label.replacen("error", "warning", 1),
        }
    }

    /// Returns the report of a mistake on a line that is too long for the style.
    fn narrow(&self, style: ReportStyle) -> Option<String> {
        let (source, span) = self.place.as_ref().filter(|(source, _)| source.is_shown)?;
        let related = self.related.iter().map(|related| (related.line, related.label.as_str()));
        let related: Vec<_> = related.collect();
        let excerpt = excerpt::of(source, *span, (&self.label, style), &related)?;
        let labelled = |label: &str, color: &str, text: &str| {
            let wrapped = excerpt::wrapped(&format!("{label} {text}"), style.width);
            wrapped.replacen(label, &style.paint(color, label), 1)
        };
        let color = match self.severity {
            Severity::Error => "31",
            Severity::Warning => "33",
        };
        let mut text = labelled(&self.label_of_code(), color, &self.message);
        text.extend(["\n", &excerpt]);
        if let Some(help) = &self.help {
            text.extend([&labelled("help:", "36", help), "\n"]);
        }
        Some(text)
    }

    /// Notes the text that corrects the mistake at its place.
    pub(crate) fn corrected(mut self, text: Option<String>) -> Self {
        self.correction = text;
        self
    }

    /// Returns the place of a correction in a file, and its text. Texts of several lines stay as
    /// they are.
    pub(crate) fn edit(&self, file: &str) -> Option<(Span, String)> {
        let (source, span) = self.place.as_ref().filter(|_| self.file == file)?;
        let is_plain = span.len > 0 && !source.slice(*span).contains('\n');
        self.correction.clone().filter(|_| is_plain).map(|text| (*span, text))
    }

    /// Replaces the id by a more exact one.
    pub(crate) fn coded(mut self, code: ErrorId) -> Self {
        self.code = code;
        self
    }

    pub(crate) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    pub(crate) fn also(mut self, span: Span, label: impl Into<String>) -> Self {
        // A place in another file cannot stand in this excerpt.
        let (start, len) = self.part;
        let at = span.start.checked_sub(start).filter(|at| *at <= len);
        let Some(span) = at.map(|at| Span::new(at, span.len)) else { return self };
        self.related.push(Related { line: 0, column: 0, label: label.into() });
        self.places.push(span);
        self
    }
}

impl fmt::Display for Diagnostic {
    /// Formats the mistake on one line as compilers do: `file:line:column: message`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// The mistakes in a file or the warnings about it, in the order of the text. At most
/// [`MISTAKES_MAX`].
///
/// ```
/// use stepwright_file::{Definition, Options};
/// let text = "format: 1\nname: Two\nsteps:\n  - {name: a, template: '{{ x }}', retriess: 1}\n";
/// let mistakes = Definition::parse(text, "two.yaml", &Options::default()).unwrap_err();
/// assert_eq!(mistakes.len(), 2);
/// for mistake in &mistakes {
///     println!("{mistake}");
/// }
/// // With excerpts for people, and as JSON for programs.
/// assert!(mistakes.to_string().contains("two.yaml:4"));
/// assert_eq!(serde_json::to_value(&mistakes).unwrap()[1]["line"], 4);
/// ```
#[derive(Clone, Default, Serialize)]
#[serde(transparent)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    #[serde(skip)]
    left_out: usize,
    /// The warnings, until the end of the check.
    #[serde(skip)]
    warnings: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Returns the mistakes, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.list.iter()
    }

    /// Returns the number of mistakes.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns `true` if there are no mistakes. The error of a reader is never empty.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the number of mistakes that were left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Formats all mistakes with excerpts from the file, for people.
    pub fn report(&self, style: ReportStyle) -> String {
        let theme = match (style.unicode, style.color) {
            (true, true) => GraphicalTheme::unicode(),
            (true, false) => GraphicalTheme::unicode_nocolor(),
            (false, true) => GraphicalTheme {
                characters: miette::ThemeCharacters::ascii(),
                ..Default::default()
            },
            (false, false) => GraphicalTheme::none(),
        };
        let mut text = String::new();
        for (at, diagnostic) in self.list.iter().enumerate() {
            if at > 0 {
                text.push('\n');
            }
            // The renderer writes a sign before the message. The label of an error takes its place.
            let mut theme = theme.clone();
            theme.characters.error = diagnostic.label_of_code();
            let handler = GraphicalReportHandler::new_themed(theme)
                .with_width(style.width)
                .with_links(false)
                .with_context_lines(1)
                .without_cause_chain();
            if let Some(narrow) = diagnostic.narrow(style) {
                text.push_str(&narrow);
                continue;
            }
            let mut rendered = String::new();
            let shown = Shown::of(diagnostic);
            if handler.render_report(&mut rendered, &shown).is_err() {
                rendered = Report::new(diagnostic.code, diagnostic.to_string()).to_string();
            }
            text.push_str(&dedented(&rendered));
        }
        let mut report = text;
        if self.left_out > 0 {
            let _ = write!(report, "\nand {} more\n", self.left_out);
        }
        report
    }

    /// Returns `true` if further mistakes are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= FOUND_MAX
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        // A file that is used twice is checked twice, but its mistakes are reported once.
        let key = |d: &Diagnostic| (d.start(), d.file.clone(), d.message.clone());
        let start = diagnostic.start();
        let mut near = self.list.iter().filter(|other| other.start() == start);
        if !near.any(|other| key(other) == key(&diagnostic)) {
            self.list.push(diagnostic);
        }
    }

    pub(crate) fn warn(&mut self, warning: Diagnostic) {
        if self.warnings.len() < FOUND_MAX {
            self.warnings.push(warning);
        }
    }

    /// Returns the warnings if there are no mistakes. Sorts both by file, in the order of their
    /// first mistakes, and by place, and keeps the first [`MISTAKES_MAX`].
    pub(crate) fn finish(mut self) -> Result<Self, Self> {
        let warnings = std::mem::take(&mut self.warnings);
        if self.list.is_empty() {
            return Ok(Self { list: warnings, ..Self::default() }.sorted());
        }
        Err(self.sorted())
    }

    fn sorted(mut self) -> Self {
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &self.list {
            if !files.contains(&diagnostic.file) {
                files.push(diagnostic.file.clone());
            }
        }
        self.list.sort_by_key(|d| (files.iter().position(|file| *file == d.file), d.start()));
        self.left_out += self.list.len().saturating_sub(MISTAKES_MAX);
        self.list.truncate(MISTAKES_MAX);
        self.list.iter_mut().for_each(Diagnostic::find_lines);
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { list: vec![diagnostic], ..Self::default() }
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report(ReportStyle::default()))
    }
}

impl fmt::Debug for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `fn main() -> Result<(), Diagnostics>` and `unwrap` print this.
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostics> for stepwright_core::Error {
    fn from(mistakes: Diagnostics) -> Self {
        let kind = stepwright_core::ErrorKind::Definition;
        let lines: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let code = match mistakes.list.as_slice() {
            [only] => only.code,
            _ => ErrorId::FILE_INVALID,
        };
        let error = Self::new(kind, lines.join("\n")).with_id(code);
        match mistakes.iter().find_map(|d| d.help.clone()) {
            Some(help) if mistakes.len() == 1 => error.with_hint(help),
            _ => error,
        }
    }
}

/// Removes the indentation of the message and of the help, and the spaces at the ends of lines.
fn dedented(rendered: &str) -> String {
    const INDENT: &str = "  ";
    let mut text = String::new();
    for (at, line) in rendered.lines().enumerate() {
        let line = line.trim_end();
        // The renderer may color the indentation as well.
        let end =
            if line.starts_with('\u{1b}') { line.find('m').map_or(0, |at| at + 1) } else { 0 };
        let (color, rest) = line.split_at(end);
        let is_labelled = at == 0 || rest.starts_with("  help: ");
        let rest = if is_labelled { rest.strip_prefix(INDENT).unwrap_or(rest) } else { rest };
        text.extend([color, rest, "\n"]);
    }
    text
}

/// A mistake as the renderer needs it.
#[derive(Debug)]
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<NamedSource<String>>,
}

impl<'a> Shown<'a> {
    fn of(diagnostic: &'a Diagnostic) -> Self {
        let fits = |source: &Source| diagnostic.places.iter().all(|at| source.fits_excerpt(*at));
        let source = diagnostic
            .place
            .as_ref()
            .filter(|(source, at)| source.is_shown && source.fits_excerpt(*at) && fits(source))
            .map(|(source, _)| NamedSource::new(&source.name, source.text.clone()));
        Self { diagnostic, source }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without an excerpt, the message must contain the place.
        match self.source {
            None => self.diagnostic.fmt(f),
            Some(_) => f.write_str(&self.diagnostic.message),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.source.as_ref()?;
        let (_, span) = self.diagnostic.place.as_ref()?;
        let text = Some(self.diagnostic.label.clone()).filter(|label| !label.is_empty());
        let main = LabeledSpan::new_primary_with_span(text, (span.start, span.len));
        let related = self.diagnostic.related.iter().zip(&self.diagnostic.places);
        let related =
            related.map(|(r, span)| LabeledSpan::new(Some(r.label.clone()), span.start, span.len));
        Some(Box::new(std::iter::once(main).chain(related)))
    }
}
