//! Splits a shell script into its commands and their words.
//!
//! The result is a flat list: which command contains or feeds another does not matter, because
//! each variable counts as a value. Constructs that evaluate variables as code are refused, and so
//! is all that shells read in different ways.

use super::known::Known;
use super::programs::{DYNAMIC, is_setting};
use crate::source::Span;

/// The maximum nesting depth of substitutions, and of code within code.
pub(super) const DEPTH_MAX: usize = 32;

/// Stands for the name of a fresh temporary file.
const FRESH_FILE: &str = "/folder/temporary";

/// The result of a check: the place and the reason of the first mistake.
pub(super) type Checked = Result<(), (Span, Wrong)>;

/// The reason why a command is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A value stands inside this construct, such as "double quotes".
    Inside(&'static str),
    /// The text has this construct, with which no value may stand in the text.
    Outside(&'static str),
    /// A program that is not known to treat values as data.
    Unlisted(String),
    /// A control block stands next to values.
    Block,
    /// A block of this name computes its output.
    Computed(&'static str),
    /// The value is the name of a program, or a part of it.
    Program,
    /// The value is code for the program of this name.
    Code(String),
    /// The program of this name runs its input.
    Input(String),
    /// The program of this name has options that run code.
    Option(String),
    /// Programs load or run code by the variable of this name.
    Setting(String),
    /// The program of this name evaluates names of variables.
    Evaluates(String),
    /// This construct evaluates variables.
    Construct(&'static str),
    /// The command writes the file of this name, and runs it.
    Written(String),
    /// The command writes a file, and the program of this name may run it.
    MayRun(String),
    /// Shells read this construct in different ways.
    Unclear(&'static str),
    TooIntricate,
}

/// A word, as the program sees it.
#[derive(Clone, Debug)]
pub(super) struct Word {
    /// The text without quotes, with [`DYNAMIC`] for each expansion.
    pub(super) text: String,
    pub(super) span: Span,
    pub(super) is_quoted: bool,
    /// `true` if an unquoted expansion can become several words.
    pub(super) splits: bool,
}

impl Word {
    pub(super) fn at(span: Span) -> Self {
        Self { text: String::new(), span, is_quoted: false, splits: false }
    }

    fn expansion(&mut self, in_quotes: bool) {
        self.text.push(DYNAMIC);
        self.splits |= !in_quotes;
    }

    pub(super) fn is_dynamic(&self) -> bool {
        self.text.contains(DYNAMIC)
    }
}

/// A simple command.
#[derive(Clone, Debug, Default)]
pub(super) struct Command {
    pub(super) words: Vec<Word>,
    /// The files that it writes.
    pub(super) targets: Vec<Word>,
    /// The files that it reads by redirections, as its input or as another descriptor.
    pub(super) sources: Vec<Word>,
    /// The file that is its input.
    pub(super) file: Option<Word>,
    /// The text of a heredoc or here-string that is its input.
    pub(super) here: Option<Word>,
    /// `true` if its input may be another one, as after `<&3`.
    pub(super) is_input_unclear: bool,
}

type Finding = (Span, Wrong);

/// Returns the commands of a script. `whole` is the place to report if the text has no place of its
/// own in the file, because quotes were removed from it.
pub(super) fn commands(text: &str, whole: Option<Span>) -> Result<Vec<Command>, Finding> {
    let mut lexer = Lexer::new(text, whole, 0);
    lexer.known = Known::of(text);
    lexer.list(End::Text)?;
    Ok(lexer.commands)
}

/// The end of a list of commands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Text,
    /// `)`, of a substitution.
    Bracket,
    Backtick,
}

struct Heredoc {
    end: String,
    is_literal: bool,
    strips_tabs: bool,
    /// `true` if it is the input, and no other descriptor.
    is_input: bool,
    /// The depth of the list with its command.
    depth: usize,
    /// The index of its command, when that is complete.
    command: Option<usize>,
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    whole: Option<Span>,
    /// `true` if the script may go to another folder.
    moves: bool,
    known: Known,
    depth: usize,
    command: Command,
    commands: Vec<Command>,
    heredocs: Vec<Heredoc>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str, whole: Option<Span>, depth: usize) -> Self {
        let (command, commands, heredocs) = (Command::default(), Vec::new(), Vec::new());
        let mut parts = text.split(|c: char| !c.is_ascii_alphabetic());
        let moves = parts.any(|part| matches!(part, "cd" | "pushd" | "popd"));
        let known = Known::default();
        Self { text, at: 0, whole, moves, known, depth, command, commands, heredocs }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn starts(&self, start: &str) -> bool {
        self.text[self.at..].starts_with(start)
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, start: &str) -> bool {
        let found = self.starts(start);
        if found {
            self.at += start.len();
        }
        found
    }

    /// Takes characters while the predicate holds.
    fn run(&mut self, holds: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let len = rest.find(|c| !holds(c)).unwrap_or(rest.len());
        self.at += len;
        &rest[..len]
    }

    fn span(&self, from: usize) -> Span {
        self.whole.unwrap_or(Span::new(from, self.at.saturating_sub(from).max(1)))
    }

    fn refuse<T>(&self, from: usize, wrong: Wrong) -> Result<T, Finding> {
        Err((self.span(from), wrong))
    }

    fn unclear<T>(&self, why: &'static str) -> Result<T, Finding> {
        self.refuse(self.at, Wrong::Unclear(why))
    }

    fn list(&mut self, end: End) -> Result<(), Finding> {
        if self.depth >= DEPTH_MAX {
            return self.refuse(self.at, Wrong::TooIntricate);
        }
        self.depth += 1;
        // A command inside a word does not belong to the command of the word.
        let outer = std::mem::take(&mut self.command);
        loop {
            let Some(c) = self.peek() else {
                if end != End::Text {
                    return self.unclear("a substitution that is not closed");
                }
                break;
            };
            match c {
                ' ' | '\t' => self.at += 1,
                '#' => {
                    if end == End::Backtick {
                        return self.unclear("a comment inside backticks");
                    }
                    self.run(|c| c != '\n');
                }
                '\\' if self.take("\\\n") => {}
                ')' if end == End::Bracket => break,
                '`' if end == End::Backtick => break,
                '<' | '>' if !self.is_substitution() => self.redirection(end, true)?,
                '(' => {
                    if self.starts("((") {
                        return self.refuse(self.at, Wrong::Construct("arithmetic"));
                    }
                    self.at += 1;
                    self.finish();
                    if end == End::Bracket {
                        self.list(End::Bracket)?;
                        self.at += 1;
                    }
                }
                '\n' => {
                    self.at += 1;
                    self.finish();
                    if end != End::Text && !self.heredocs.is_empty() {
                        return self.unclear("a line break in a substitution after `<<`");
                    }
                    self.heredocs()?;
                }
                ';' | '&' | '|' | ')' => {
                    self.at += 1;
                    self.finish();
                }
                _ => self.command_word(end)?,
            }
        }
        self.finish();
        if end == End::Text && !self.heredocs.is_empty() {
            return self.unclear("a heredoc that is not closed");
        }
        self.command = outer;
        self.depth -= 1;
        Ok(())
    }

    fn command_word(&mut self, end: End) -> Result<(), Finding> {
        let from = self.at;
        let word = self.word(end)?;
        let is_number = !word.is_quoted && word.text.bytes().all(|c| c.is_ascii_digit());
        if matches!(self.peek(), Some('<' | '>')) && !self.is_substitution() {
            if is_number && !word.text.is_empty() {
                let is_input = word.text.bytes().all(|c| c == b'0');
                return self.redirection(end, is_input);
            }
            if word.text.starts_with('{') && !word.is_quoted {
                return self.refuse(from, Wrong::Unclear("`{name}` before a redirection"));
            }
        }
        if end == End::Bracket && word.text == "case" && !word.is_quoted {
            return self.refuse(from, Wrong::Unclear("`case` inside `$(…)`"));
        }
        self.command.words.push(word);
        Ok(())
    }

    fn finish(&mut self) {
        let command = std::mem::take(&mut self.command);
        for heredoc in &mut self.heredocs {
            if heredoc.command.is_none() && heredoc.depth == self.depth {
                heredoc.command = Some(self.commands.len());
            }
        }
        let has_files = !command.targets.is_empty() || !command.sources.is_empty();
        if !command.words.is_empty() || has_files || !self.heredocs.is_empty() {
            self.commands.push(command);
        }
    }

    fn is_substitution(&self) -> bool {
        self.starts("<(") || self.starts(">(")
    }

    /// Reads a redirection. `is_input` is `true` if its descriptor is the one of the input, should
    /// the redirection read.
    fn redirection(&mut self, end: End, is_input: bool) -> Result<(), Finding> {
        let from = self.at;
        if is_input && self.starts("<") {
            // Of several redirections one counts, and a descriptor may hold anything.
            let has_other = self.command.file.is_some()
                || self.command.here.is_some()
                || self.heredocs.iter().any(|other| other.command.is_none() && other.is_input);
            self.command.is_input_unclear |= has_other || self.starts("<&") || self.starts("<>");
        }
        if self.take("<<<") {
            self.blanks();
            let word = self.word(end)?;
            if is_input {
                self.command.here = Some(word);
            }
            return Ok(());
        }
        if self.take("<<") {
            let strips_tabs = self.take("-");
            self.blanks();
            let quote = ["'", "\"", "\\"].into_iter().find(|quote| self.take(quote));
            let name = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_closed = quote.is_none_or(|quote| quote == "\\" || self.take(quote));
            let is_whole = self.peek().is_none_or(|c| " \t\n;&|)<>".contains(c));
            if name.is_empty() || !is_closed || !is_whole {
                return self.refuse(from, Wrong::Unclear("the end marker of this heredoc"));
            }
            if end != End::Text {
                return self.refuse(from, Wrong::Unclear("a heredoc inside a substitution"));
            }
            let is_literal = quote.is_some();
            let (end, depth) = (name.to_owned(), self.depth);
            let command = None;
            self.heredocs.push(Heredoc { end, is_literal, strips_tabs, is_input, depth, command });
            return Ok(());
        }
        let reads = self.take("<");
        let writes = self.take(">");
        let copies = self.take(">") && self.take("&") || self.take("&");
        self.take("|");
        self.blanks();
        let word = self.word(end)?;
        if writes {
            self.command.targets.push(word);
        } else if reads && !copies {
            self.command.sources.push(word.clone());
            if is_input {
                self.command.file = Some(word);
            }
        }
        Ok(())
    }

    fn blanks(&mut self) {
        while !self.run(|c| c == ' ' || c == '\t').is_empty() || self.take("\\\n") {}
    }

    /// Reads the heredocs that begin on this line.
    fn heredocs(&mut self) -> Result<(), Finding> {
        for heredoc in std::mem::take(&mut self.heredocs) {
            let (from, mut body) = (self.at, String::new());
            loop {
                if self.peek().is_none() {
                    return self.unclear("a heredoc that is not closed");
                }
                let line = self.run(|c| c != '\n');
                let line = if heredoc.strips_tabs { line.trim_start_matches('\t') } else { line };
                let is_end = line == heredoc.end;
                // Without the last line break the end marker still counts.
                self.take("\n");
                if is_end {
                    break;
                }
                if line.ends_with('\\') && !heredoc.is_literal {
                    return self.unclear("`\\` at the end of a line of a heredoc");
                }
                body.push_str(line);
                body.push('\n');
            }
            let mut word = Word::at(self.span(from));
            word.is_quoted = true;
            if heredoc.is_literal {
                word.text = body;
            } else {
                let mut inner = Lexer::new(&body, Some(word.span), self.depth);
                inner.moves |= self.moves;
                inner.known = self.known.clone();
                inner.quoted(&mut word, None)?;
                self.commands.append(&mut inner.commands);
            }
            let command = heredoc.command.filter(|_| heredoc.is_input);
            if let Some(command) = command.and_then(|at| self.commands.get_mut(at)) {
                command.here = Some(word);
            }
        }
        Ok(())
    }

    /// Reads a word. It is empty if there is none.
    fn word(&mut self, end: End) -> Result<Word, Finding> {
        let from = self.at;
        let mut word = Word::at(self.span(from));
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | ')' => break,
                '(' if word.text.ends_with('=') => {
                    return self.refuse(from, Wrong::Unclear("an array"));
                }
                '(' => break,
                '<' | '>' if self.text[self.at + 1..].starts_with('(') => {
                    self.at += 2;
                    self.list(End::Bracket)?;
                    self.at += 1;
                    word.text.push(DYNAMIC);
                }
                '<' | '>' => break,
                '`' if end == End::Backtick => break,
                '`' => self.backticks(&mut word, false)?,
                '$' => self.dollar(&mut word, false)?,
                '\'' | '"' => {
                    let open = self.at;
                    self.at += 1;
                    word.is_quoted = true;
                    if c == '"' {
                        self.quoted(&mut word, Some('"'))?;
                    } else {
                        word.text.push_str(self.run(|c| c != '\''));
                    }
                    if self.bump().is_none() {
                        return self.refuse(from, Wrong::Unclear("quotes that are not closed"));
                    }
                    if !self.heredocs.is_empty() && self.text[open..self.at].contains('\n') {
                        return self.unclear("a line break in quotes after `<<`");
                    }
                }
                '\\' if end == End::Backtick => return self.unclear("`\\` inside backticks"),
                '\\' if self.take("\\\n") => {}
                '\\' => {
                    self.at += 1;
                    word.is_quoted = true;
                    word.text.extend(self.bump());
                }
                c => {
                    self.at += c.len_utf8();
                    word.text.push(c);
                }
            }
        }
        word.span = self.span(from);
        Ok(word)
    }

    /// Reads double-quoted text up to its end, or the text of a heredoc.
    fn quoted(&mut self, word: &mut Word, end: Option<char>) -> Result<(), Finding> {
        while let Some(c) = self.peek() {
            match c {
                c if Some(c) == end => break,
                '$' => self.dollar(word, true)?,
                '`' => self.backticks(word, true)?,
                '\\' if self.take("\\\n") => {}
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some(c) if "$`\\".contains(c) || Some(c) == end => {
                            self.at += 1;
                            word.text.push(c);
                        }
                        _ => word.text.push('\\'),
                    }
                }
                c => {
                    self.at += c.len_utf8();
                    word.text.push(c);
                }
            }
        }
        Ok(())
    }

    fn backticks(&mut self, word: &mut Word, in_quotes: bool) -> Result<(), Finding> {
        let from = self.at;
        self.at += 1;
        self.list(End::Backtick)?;
        if in_quotes && self.text[from..self.at].contains('"') {
            return self.refuse(from, Wrong::Unclear("quotes inside backticks inside quotes"));
        }
        self.at += 1;
        word.expansion(in_quotes);
        Ok(())
    }

    fn dollar(&mut self, word: &mut Word, in_quotes: bool) -> Result<(), Finding> {
        let from = self.at;
        self.at += 1;
        if let Some(text) = self.text[self.at..].strip_prefix("((")
            && let Some(len) = self.known.arithmetic(text)
        {
            self.at += "((".len() + len;
            word.expansion(in_quotes);
            return Ok(());
        }
        if self.starts("((") || self.starts("[") {
            return self.refuse(from, Wrong::Construct("arithmetic"));
        }
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.list(End::Bracket)?;
                self.at += 1;
                word.expansion(in_quotes);
            }
            Some('{') => {
                self.at += 1;
                self.parameter(from)?;
                let name = &self.text[from + 2..self.at - 1];
                if in_quotes && self.known.is_file(name) {
                    word.text.push_str(FRESH_FILE);
                } else {
                    word.expansion(in_quotes);
                }
            }
            // `$'…'` of bash is `$` and single quotes for other shells.
            Some('\'') if !in_quotes => {
                self.at += 1;
                let text = self.run(|c| c != '\'').replace("\\n", "\n").replace("\\t", "\t");
                if text.contains('\\') || self.bump().is_none() {
                    return self.refuse(from, Wrong::Unclear("`\\` inside `$'…'`"));
                }
                word.is_quoted = true;
                word.text.push_str(&text);
            }
            // These are numbers.
            Some('#' | '?' | '$' | '!') => {
                self.at += 1;
                word.text.push('0');
            }
            Some('@' | '*' | '-' | '0'..='9') => {
                self.at += 1;
                word.expansion(in_quotes);
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                let name = self.run(|c| c.is_ascii_alphanumeric() || c == '_');
                if in_quotes && self.is_folder(name) {
                    word.text.push_str("/folder");
                } else if in_quotes && self.known.is_file(name) {
                    word.text.push_str(FRESH_FILE);
                } else {
                    word.expansion(in_quotes);
                }
            }
            // `$"…"` is a translated text.
            Some('"') if !in_quotes => {}
            _ => word.text.push('$'),
        }
        Ok(())
    }

    /// Returns `true` for variables that hold folders which no value has named. Values cannot set
    /// them, but `cd` can.
    fn is_folder(&self, name: &str) -> bool {
        name == "HOME" || name == "PWD" && !self.moves
    }

    /// Reads `${…}` after its opening brace.
    fn parameter(&mut self, from: usize) -> Result<(), Finding> {
        if self.depth >= DEPTH_MAX {
            return self.refuse(from, Wrong::TooIntricate);
        }
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.starts("#") && self.text[self.at + 1..].starts_with(|c| is_name(c) || c == '@') {
            self.at += 1;
        }
        if self.starts("!") {
            return self.refuse(from, Wrong::Construct("`${!…}`"));
        }
        let name = self.run(is_name);
        if name.is_empty() && self.bump().is_none_or(|c| !"@*#?$-".contains(c)) {
            return self.refuse(from, Wrong::Unclear("this `${…}`"));
        }
        if self.take("[") {
            let index = self.run(|c| c.is_ascii_digit() || c == '@' || c == '*');
            if index.is_empty() || !self.take("]") {
                return self.refuse(from, Wrong::Construct("the index of an array"));
            }
        }
        match self.bump() {
            Some('}') => return Ok(()),
            Some(':') if !self.starts("=") => {
                if !matches!(self.peek(), Some('-' | '+' | '?')) {
                    self.run(|c| c.is_ascii_digit() || matches!(c, ' ' | ':' | '-'));
                    return match self.bump() {
                        Some('}') => Ok(()),
                        _ => self.refuse(from, Wrong::Construct("`${…:…}`")),
                    };
                }
            }
            Some(':' | '=') if is_setting(name) => {
                return self.refuse(from, Wrong::Setting(name.to_owned()));
            }
            Some(':' | '-' | '=' | '+' | '?' | '#' | '%' | '/' | '^' | ',') => {}
            Some('@') if self.take("Q}") => return Ok(()),
            Some('@') => return self.refuse(from, Wrong::Construct("`${…@…}`")),
            _ => return self.refuse(from, Wrong::Unclear("this `${…}`")),
        }
        self.depth += 1;
        let mut word = Word::at(self.span(from));
        loop {
            match self.peek() {
                Some('}') => break,
                Some('$') => self.dollar(&mut word, true)?,
                None | Some('\'' | '"' | '`' | '\\' | '{') => {
                    return self.refuse(from, Wrong::Unclear("quotes inside `${…}`"));
                }
                Some(c) => self.at += c.len_utf8(),
            }
        }
        self.at += 1;
        self.depth -= 1;
        Ok(())
    }
}
