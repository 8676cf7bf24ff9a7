//! The state of the shell at each character of a command: the open quotes, and the current word of
//! the current program.
//!
//! It follows POSIX, and also bash where they differ, because `sh` can be either. If a command has
//! two readings, both are followed.

use super::programs::{DYNAMIC, Danger, danger, runs_input};
use super::words::{Commands, Heredoc, Next, WORD_BYTES_MAX};
use crate::source::Span;

/// The maximum nesting depth of quotes and substitutions.
const DEPTH_MAX: usize = 32;

/// The mistake of an expression at its place in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The expression is inside this construct, such as "double quotes".
    Inside(&'static str),
    /// The expression directly follows this character.
    Behind(char),
    Danger(Danger),
    /// The program of this name runs its input as code, and the input contains the expression.
    Input(String),
    TooDeep,
}

/// A mistake and its place.
pub(super) type Finding = (Span, Wrong);

/// One reading of a command up to a character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    frames: Vec<Frame>,
    /// `true` if the next character is literal.
    escaped: bool,
    /// `true` if the last character was an unescaped `$`.
    dollar: bool,
    /// The name of an incomplete variable, and its start.
    variable: Option<(String, usize)>,
    /// The heredocs whose texts begin on the next line.
    heredocs: Vec<Heredoc>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Frame {
    Commands(Commands),
    Single,
    /// `$'…'`, in which a backslash escapes.
    AnsiC,
    Double,
    Backticks,
    Comment,
    /// `${…}`
    Parameter,
    /// `$((…))`, with the number of open brackets.
    Arithmetic(usize),
    /// `$[…]`, with the number of open brackets.
    OldArithmetic(usize),
    /// The text of a heredoc, with the current line.
    Heredoc(Heredoc, String),
}

/// The mistakes found in a command.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    /// The program that runs the input of the whole command as code.
    pub(super) runs_input: Option<String>,
}

impl Findings {
    pub(super) fn add(&mut self, span: Span, wrong: Wrong) {
        if !self.list.iter().any(|(at, _)| *at == span) {
            self.list.push((span, wrong));
        }
    }
}

impl State {
    pub(super) fn new() -> Self {
        let whole = Commands { is_fresh: true, ..Commands::default() };
        Self {
            frames: vec![Frame::Commands(whole)],
            escaped: false,
            dollar: false,
            variable: None,
            heredocs: Vec::new(),
        }
    }

    /// Handles an expression at this place.
    pub(super) fn expression(&mut self, span: Span, tainted: &[String], found: &mut Findings) {
        self.end_variable(tainted, found);
        let inside = self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Backticks => Some("backticks"),
            Frame::Comment => Some("a comment"),
            Frame::Parameter => Some("`${…}`"),
            Frame::Arithmetic(_) => Some("`((…))`"),
            Frame::OldArithmetic(_) => Some("`$[…]`"),
            Frame::Heredoc(..) => Some("a heredoc"),
            _ => None,
        });
        let inside = inside.or(match self.frames.last() {
            Some(Frame::Single | Frame::AnsiC) => Some("single quotes"),
            Some(Frame::Double) => Some("double quotes"),
            Some(Frame::Commands(commands)) => match commands.next {
                Next::Heredoc(_) => Some("a heredoc"),
                _ if commands.in_test => Some("`[[ … ]]`"),
                _ => None,
            },
            _ => None,
        });
        let danger = self.danger();
        let wrong = match inside {
            // Without the quotes it would still be code.
            Some("single quotes" | "double quotes") if matches!(danger, Some(Danger::Code(_))) => {
                danger.map(Wrong::Danger)
            }
            Some(inside) => Some(Wrong::Inside(inside)),
            None if self.escaped => Some(Wrong::Behind('\\')),
            None if self.dollar => Some(Wrong::Behind('$')),
            None => danger.map(Wrong::Danger),
        };
        if let Some(wrong) = wrong {
            found.add(span, wrong);
        }
        (self.escaped, self.dollar) = (false, false);
        self.put(span);
        if let Some(Frame::Commands(commands)) = self.frames.last_mut() {
            // The value gets its own quotes.
            commands.is_quoted = true;
        }
        if let Some(Frame::Heredoc(_, line)) = self.frames.last_mut() {
            line.push(DYNAMIC);
        }
    }

    /// Handles a value that the shell inserts here from an expression, through a variable or the
    /// output of a command. The shell does not parse its text as a part of the command, but a
    /// program may run it as code.
    fn taint(&mut self, span: Span, found: &mut Findings) {
        if let Some(Frame::Heredoc(heredoc, _)) = self.frames.last() {
            if let Some(name) = &heredoc.runner {
                found.add(span, Wrong::Input(name.clone()));
            }
            return;
        }
        let inside = self.frames.iter().find_map(|frame| match frame {
            Frame::Arithmetic(_) => Some("`((…))`"),
            Frame::OldArithmetic(_) => Some("`$[…]`"),
            _ => None,
        });
        if let Some(inside) = inside {
            found.add(span, Wrong::Inside(inside));
        } else if let Some(danger) = self.danger() {
            found.add(span, Wrong::Danger(danger));
        }
        self.put(span);
    }

    fn danger(&self) -> Option<Danger> {
        let commands = self.commands()?;
        match commands.next {
            Next::Word => danger(&commands.words, commands.word.as_deref().unwrap_or_default()),
            _ => None,
        }
    }

    /// Records that a part of an expression is here.
    fn put(&mut self, span: Span) {
        let Some(commands) = self.commands_mut() else { return };
        commands.is_fresh = false;
        commands.operator = None;
        commands.dynamic = Some(span);
        if commands.next == Next::Input {
            commands.input = Some(span);
        }
        commands.push(DYNAMIC);
    }

    fn commands(&self) -> Option<&Commands> {
        self.frames.iter().rev().find_map(|frame| match frame {
            Frame::Commands(commands) => Some(commands),
            _ => None,
        })
    }

    fn commands_mut(&mut self) -> Option<&mut Commands> {
        self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Commands(commands) => Some(commands),
            _ => None,
        })
    }

    fn enter(&mut self, frame: Frame, at: usize, found: &mut Findings) {
        if self.frames.len() >= DEPTH_MAX {
            found.add(Span::new(at, 1), Wrong::TooDeep);
            return;
        }
        self.frames.push(frame);
    }

    /// Reads a character. Returns a second reading of it, if there is one.
    pub(super) fn character(
        &mut self,
        at: usize,
        c: char,
        tainted: &[String],
        found: &mut Findings,
    ) -> Option<Self> {
        if let Some((name, _)) = &mut self.variable {
            let goes_on = match name.chars().next() {
                None => c.is_ascii_alphanumeric() || "_@*#?!-".contains(c),
                Some(first) if first.is_ascii_alphabetic() || first == '_' => {
                    c.is_ascii_alphanumeric() || c == '_'
                }
                // `${10}`
                Some(first) if first.is_ascii_digit() => c.is_ascii_digit(),
                Some(_) => false,
            };
            if goes_on && name.len() < WORD_BYTES_MAX {
                name.push(c);
                return None;
            }
            self.end_variable(tainted, found);
        }
        if std::mem::take(&mut self.dollar) {
            match c {
                // The end of a heredoc is found line by line, so brackets in it open nothing.
                '(' if matches!(self.frames.last(), Some(Frame::Heredoc(..))) => {}
                '{' if matches!(self.frames.last(), Some(Frame::Heredoc(..))) => {
                    self.variable = Some((String::new(), at));
                    return None;
                }
                '(' => {
                    let inner =
                        Commands { in_brackets: true, is_fresh: true, ..Commands::default() };
                    self.begin_word();
                    self.enter(Frame::Commands(inner), at, found);
                    return None;
                }
                '{' => {
                    self.begin_word();
                    self.enter(Frame::Parameter, at, found);
                    self.variable = Some((String::new(), at));
                    return None;
                }
                '\'' if matches!(self.frames.last(), Some(Frame::Commands(_))) => {
                    // In bash this opens a quote with escapes, in other shells a literal dollar and
                    // a quote.
                    let mut other = self.clone();
                    other.enter(Frame::Single, at, found);
                    self.enter(Frame::AnsiC, at, found);
                    return Some(other);
                }
                '[' if !matches!(self.frames.last(), Some(Frame::Heredoc(..))) => {
                    // In bash this is arithmetic, in other shells text.
                    let mut other = self.clone();
                    other.keep(c);
                    self.enter(Frame::OldArithmetic(1), at, found);
                    return Some(other);
                }
                c if c.is_ascii_alphanumeric() || "_@*".contains(c) => {
                    self.variable = Some((c.to_string(), at));
                    return None;
                }
                _ => {}
            }
        }
        match self.frames.last_mut() {
            Some(Frame::Commands(_)) => return self.command(at, c, found),
            Some(Frame::Single) if c == '\'' => {
                self.frames.pop();
            }
            Some(Frame::Single) => self.keep(c),
            Some(Frame::Comment) if c == '\n' => {
                self.frames.pop();
                return self.command(at, c, found);
            }
            Some(Frame::Comment) => {}
            Some(Frame::Heredoc(heredoc, line)) => {
                if c == '\n' {
                    if std::mem::take(&mut self.escaped) && !heredoc.is_quoted {
                        // In some shells the next line continues this one, and so cannot be the
                        // end.
                        let mut other = self.clone();
                        other.character(at, c, tainted, found);
                        if let Some(Frame::Heredoc(_, line)) = self.frames.last_mut() {
                            line.push(DYNAMIC);
                        }
                        return Some(other);
                    }
                    let text = if heredoc.strips_tabs {
                        line.trim_start_matches('\t')
                    } else {
                        line.as_str()
                    };
                    if text == heredoc.end {
                        self.frames.pop();
                        self.begin_heredoc();
                    } else {
                        line.clear();
                    }
                } else {
                    if line.len() < WORD_BYTES_MAX {
                        line.push(c);
                    }
                    // The shell expands variables in a heredoc unless its end marker is quoted.
                    self.dollar = c == '$' && !self.escaped;
                    self.escaped = c == '\\' && !self.escaped;
                }
            }
            Some(_) if self.escaped => {
                self.escaped = false;
                self.keep(c);
            }
            Some(_) if c == '\\' => self.escaped = true,
            Some(Frame::AnsiC) if c == '\'' => {
                self.frames.pop();
            }
            Some(Frame::AnsiC) => self.keep(c),
            Some(Frame::Double) => match c {
                '"' => {
                    self.frames.pop();
                }
                '$' => self.dollar = true,
                '`' => self.enter(Frame::Backticks, at, found),
                c => self.keep(c),
            },
            Some(Frame::Backticks) => match c {
                '`' => {
                    self.frames.pop();
                    self.keep(DYNAMIC);
                }
                '$' => self.dollar = true,
                _ => {}
            },
            Some(Frame::Parameter) => match c {
                '}' => {
                    self.frames.pop();
                    self.keep(DYNAMIC);
                }
                '"' => self.enter(Frame::Double, at, found),
                '\'' => {
                    // Inside double quotes, shells and operators differ.
                    let in_double = self.frames.contains(&Frame::Double);
                    let other = in_double.then(|| self.clone());
                    self.enter(Frame::Single, at, found);
                    return other;
                }
                '$' => self.dollar = true,
                '`' => self.enter(Frame::Backticks, at, found),
                _ => {}
            },
            Some(Frame::Arithmetic(open)) => match c {
                '(' => *open += 1,
                ')' => {
                    *open -= 1;
                    if *open == 0 {
                        self.frames.pop();
                        self.keep(DYNAMIC);
                    }
                }
                '$' => self.dollar = true,
                _ => {}
            },
            Some(Frame::OldArithmetic(open)) => match c {
                '[' => *open += 1,
                ']' => {
                    *open -= 1;
                    if *open == 0 {
                        self.frames.pop();
                        self.keep(DYNAMIC);
                    }
                }
                '$' => self.dollar = true,
                _ => {}
            },
            None => {}
        }
        None
    }

    /// Handles the end of the command.
    pub(super) fn end(&mut self, tainted: &[String], found: &mut Findings) {
        self.end_variable(tainted, found);
        while let Some(frame) = self.frames.last_mut() {
            if let Frame::Commands(commands) = frame {
                if let Some(heredoc) = commands.end_word() {
                    self.heredocs.push(heredoc);
                    continue;
                }
                commands.end_command(found);
            }
            self.frames.pop();
        }
    }

    fn command(&mut self, at: usize, c: char, found: &mut Findings) -> Option<Self> {
        let Some(Frame::Commands(commands)) = self.frames.last_mut() else { return None };
        let was_fresh = std::mem::take(&mut commands.is_fresh);
        if std::mem::take(&mut self.escaped) {
            // An escaped line break disappears.
            if c != '\n' {
                commands.is_quoted = true;
                commands.operator = None;
                commands.push(c);
            }
            return None;
        }
        let operator = commands.operator.take();
        match c {
            '\\' => self.escaped = true,
            '\'' | '"' => {
                commands.begin_word();
                commands.is_quoted = true;
                let quote = if c == '"' { Frame::Double } else { Frame::Single };
                self.enter(quote, at, found);
            }
            '`' => {
                commands.begin_word();
                self.enter(Frame::Backticks, at, found);
            }
            '$' => {
                commands.begin_word();
                self.dollar = true;
            }
            '#' if commands.word.is_none() => self.enter(Frame::Comment, at, found),
            '&' if matches!(operator, Some('<' | '>')) => commands.next = Next::Target,
            '&' if operator == Some('|') => {}
            '>' | '|' if operator == Some('>') => {}
            '<' if operator == Some('<') => {
                // `<<<` takes a word as the input.
                commands.next = match commands.next {
                    Next::Heredoc(_) => Next::Input,
                    _ => Next::Heredoc(false),
                };
                commands.operator = Some('<');
            }
            '-' if operator == Some('<') && matches!(commands.next, Next::Heredoc(_)) => {
                commands.next = Next::Heredoc(true);
            }
            '>' if operator == Some('<') => commands.next = Next::Target,
            '(' if matches!(operator, Some('<' | '>')) => {
                // `<(…)` is replaced by the name of a file.
                commands.next = Next::Word;
                commands.begin_word();
                let inner = Commands { in_brackets: true, is_fresh: true, ..Commands::default() };
                self.enter(Frame::Commands(inner), at, found);
            }
            '<' | '>' => {
                let is_number = |word: &str| word.chars().all(|c| c.is_ascii_digit());
                if commands.word.as_deref().is_some_and(is_number) {
                    commands.word = None;
                }
                self.end_word();
                let Some(Frame::Commands(commands)) = self.frames.last_mut() else { return None };
                commands.next = if c == '<' { Next::Input } else { Next::Target };
                commands.has_own_input |= c == '<';
                commands.operator = Some(c);
            }
            '\n' => {
                self.end_word();
                self.end_command(found);
                self.begin_heredoc();
            }
            ';' | '&' | '|' => {
                self.end_word();
                let Some(Frame::Commands(commands)) = self.frames.last_mut() else { return None };
                commands.end_command(found);
                commands.after_pipe = c == '|' && operator != Some('|');
                commands.input = commands.dynamic.filter(|_| commands.after_pipe);
                commands.has_own_input = commands.after_pipe;
                commands.operator = Some(c);
            }
            '(' if was_fresh && commands.in_brackets => {
                // `$((` begins arithmetic, not a command.
                self.frames.pop();
                self.enter(Frame::Arithmetic(2), at, found);
            }
            '(' => {
                let begins = commands.words.is_empty() && commands.word.is_none();
                self.end_word();
                let Some(Frame::Commands(commands)) = self.frames.last_mut() else { return None };
                let (input, has_own_input) = (commands.input, commands.has_own_input);
                let inner = Commands {
                    in_brackets: true,
                    is_group: true,
                    is_fresh: begins,
                    input,
                    has_own_input,
                    ..Commands::default()
                };
                self.enter(Frame::Commands(inner), at, found);
            }
            ')' => {
                self.end_word();
                self.end_command(found);
                self.close(found);
            }
            ' ' | '\t' => self.end_word(),
            c => commands.push(c),
        }
        None
    }

    /// Handles a closing bracket: of a substitution, of a group, or of a pattern of `case`.
    fn close(&mut self, found: &mut Findings) {
        let Some(Frame::Commands(commands)) = self.frames.last() else { return };
        if !commands.in_brackets || commands.cases > 0 {
            return;
        }
        let (dynamic, is_group) = (commands.dynamic, commands.is_group);
        self.frames.pop();
        match dynamic {
            // After a group, or the brackets of a function, a command may follow.
            dynamic if is_group => {
                if let Some(Frame::Commands(commands)) = self.frames.last_mut() {
                    commands.words.clear();
                    commands.dynamic = dynamic.or(commands.dynamic);
                }
            }
            // The output of the substitution contains an expression.
            Some(span) => self.taint(span, found),
            None => self.keep(DYNAMIC),
        }
    }

    fn end_word(&mut self) {
        if let Some(Frame::Commands(commands)) = self.frames.last_mut()
            && let Some(heredoc) = commands.end_word()
        {
            self.heredocs.push(heredoc);
        }
    }

    fn end_command(&mut self, found: &mut Findings) {
        if let Some(Frame::Commands(commands)) = self.frames.last_mut() {
            if let Some(heredoc) = self.heredocs.last_mut() {
                heredoc.runner = runs_input(&commands.words);
            }
            commands.end_command(found);
        }
    }

    fn begin_heredoc(&mut self) {
        if !self.heredocs.is_empty() {
            let heredoc = self.heredocs.remove(0);
            self.frames.push(Frame::Heredoc(heredoc, String::new()));
        }
    }

    fn begin_word(&mut self) {
        if let Some(Frame::Commands(commands)) = self.frames.last_mut() {
            commands.begin_word();
        }
    }

    /// Adds a character to the current word, in any quotes.
    fn keep(&mut self, c: char) {
        if !matches!(self.frames.last(), Some(Frame::Heredoc(..)))
            && let Some(commands) = self.commands_mut()
        {
            commands.push(c);
        }
    }

    fn end_variable(&mut self, tainted: &[String], found: &mut Findings) {
        let Some((name, at)) = self.variable.take() else { return };
        let is_tainted = match name.as_str() {
            "@" | "*" => {
                tainted.iter().any(|other| other.starts_with(|c: char| c.is_ascii_digit()))
            }
            name => tainted.iter().any(|other| other == name),
        };
        if is_tainted {
            self.taint(Span::new(at, name.len()), found);
        } else if matches!(self.frames.last(), Some(Frame::Commands(_) | Frame::Double)) {
            self.keep(DYNAMIC);
        }
    }
}
