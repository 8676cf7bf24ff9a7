//! `shell`: a command.

use super::{BYTES_DEFAULT, BYTES_MAX, TIMEOUT_DEFAULT, all_rendered, played, rendered};
use crate::command;
use crate::effects;
use crate::expression::Mistake;
use crate::format::form::{Form, Mapping, key, words};
use crate::format::reader::{BuiltinKind, Fields, Reader};
use crate::format::{Builtin, Referring, Text};
use crate::reference::OwnedValues;
use crate::source::Span;
use crate::system::{Granted, acts, is_setting, is_variable, shell};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    BoxFuture, Content, ErrorId, OnInterrupted, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const KIND: BuiltinKind = BuiltinKind {
    key: "shell",
    read,
    effects: effects::SHELL,
    without: &[],
    form: &Form::Either(&[Form::Text, Form::Mapping(&SETTINGS)]),
    about: "A command. Gives what it writes to stdout.",
};

static SETTINGS: Mapping = Mapping {
    name: "shell",
    what: "`shell`",
    required: &[&["command"], &["argv"]],
    members: &[
        key("command", &Form::Text, "The command line."),
        key("args", &TEXTS, "The arguments of the command line: `$1` and so on."),
        key("argv", &TEXTS, "A program with its arguments, without a shell."),
        key("env", &Form::Names(&Form::Text), "The environment variables."),
        key("stdin", &Form::Text, "The text that it reads."),
        key("timeout", &Form::Duration, "The maximum time. Default: 30s."),
        key("max_bytes", &Form::Whole(1, BYTES_MAX), "The maximum size of its output."),
        key(
            "result",
            &Form::Words(|| words(&RESULTS)),
            "What it writes to stdout, or stdout, \
            stderr and the exit code, whatever that is.",
        ),
    ],
};

const TEXTS: Form = Form::List(&Form::Text, 0, usize::MAX);

#[derive(Debug)]
struct Shell {
    program: Program,
    /// The environment variables.
    env: Vec<(String, Text)>,
    stdin: Option<Text>,
    timeout: Duration,
    max_bytes: u64,
    /// `true` to return the streams and the exit code, whatever that is.
    is_full: bool,
}

/// The values of `result`.
const RESULTS: [(&str, bool); 2] = [("stdout", false), ("full", true)];

/// The program of a command.
#[derive(Debug)]
enum Program {
    /// A command line for the shell, with its arguments.
    Line { command: Text, args: Vec<Text> },
    /// A program and its arguments, without a shell.
    Argv(Vec<Text>),
}

fn read(reader: &mut Reader<'_>, key: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    reader.commands_allowed(key.span, "runs a command");
    let (mut timeout, mut max_bytes, mut stdin) = (TIMEOUT_DEFAULT, BYTES_DEFAULT, None);
    let (mut env, mut is_full) = (Vec::new(), false);
    let program = if let Yaml::Text(_) = value.value {
        let command = reader.template(value, "shell", Flavour::Shell)?;
        Program::Line { command, args: Vec::new() }
    } else {
        let mut fields = Fields::of(reader, value, "`shell`")?;
        let program = reader.program(value, &mut fields);
        env = fields.take("env").map(|(_, node)| reader.variables(node)).unwrap_or_default();
        stdin = fields.template(reader, "stdin", Flavour::Plain);
        timeout = fields.duration(reader, "timeout").unwrap_or(timeout);
        max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX)).unwrap_or(max_bytes);
        is_full = fields.choice(reader, "result", &RESULTS).unwrap_or_default();
        fields.finish(reader);
        program?
    };
    let shell = Shell { program, env, stdin, timeout, max_bytes, is_full };
    reader.check_command(&shell);
    Some(Arc::new(shell))
}

impl Builtin for Shell {
    fn referring(&self) -> Vec<Referring<'_>> {
        let (command, words) = match &self.program {
            Program::Line { command, args } => (Some(command), args),
            Program::Argv(words) => (None, words),
        };
        // Other processes can read the arguments of a command.
        let seen = command.into_iter().chain(words).map(Referring::from);
        let env = self.env.iter().map(|(_, value)| value);
        let unseen = env.chain(&self.stdin).map(Referring::from);
        seen.chain(unseen.map(Referring::taking_secrets)).collect()
    }

    fn details(&self) -> Option<String> {
        let text = match &self.program {
            Program::Line { command, .. } => command.template.text().to_owned(),
            Program::Argv(words) => {
                words.iter().map(|word| word.template.text()).collect::<Vec<_>>().join(" ")
            }
        };
        Some(text.trim().to_owned())
    }

    // A command has outside effects, and cannot recognise an earlier attempt.
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Ask
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        Box::pin(async move {
            let values = OwnedValues::of(input);
            let program = match &self.program {
                Program::Line { command, args } => shell::Program::Line(
                    rendered(values.clone(), command).await?,
                    all_rendered(&values, args).await?,
                ),
                Program::Argv(words) => shell::Program::Argv(all_rendered(&values, words).await?),
            };
            let mut env = Vec::with_capacity(self.env.len());
            for (name, value) in &self.env {
                env.push((name.clone(), rendered(values.clone(), value).await?));
            }
            let stdin = match &self.stdin {
                Some(stdin) => rendered(values, stdin).await?,
                None => String::new(),
            };
            let effect = acts::command(&program, &env, &stdin);
            let _running = cx.begin_effect(&effect).await?;
            if let Some(played) = played(&cx, "shell", || shown(&program, &env, &stdin)).await {
                return played;
            }
            let command = shell::Command {
                program,
                env,
                pass_env: granted.pass_env.clone(),
                stdin,
                dir: granted.folder.of_step(&cx)?.root()?,
                shown: Vec::new(),
                timeout: self.timeout,
                max_bytes: self.max_bytes,
                any_status: self.is_full,
                shortens: false,
                secrets: granted.secrets.clone(),
            };
            let done = shell::run(command, &cx).await?;
            if !self.is_full {
                return Ok(done.stdout.into());
            }
            let shell::Done { stdout, stderr, status } = done;
            let full = json!({"stdout": stdout, "stderr": stderr, "status": status});
            Ok(Content::from(full).into())
        })
    }
}

/// Returns a command as recordings have it.
fn shown(program: &shell::Program, env: &[(String, String)], stdin: &str) -> Value {
    let mut request = match program {
        shell::Program::Line(line, args) if args.is_empty() => json!({"command": line}),
        shell::Program::Line(line, args) => json!({"command": line, "args": args}),
        shell::Program::Argv(words) => json!({"argv": words}),
    };
    if !env.is_empty() {
        request["env"] = env.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    }
    if !stdin.is_empty() {
        request["stdin"] = json!(stdin);
    }
    request
}

impl Reader<'_> {
    /// Reports a part of a file that runs commands, unless that is allowed.
    pub(crate) fn commands_allowed(&mut self, place: Span, label: &str) {
        // With permissions, each command is judged when it is about to run.
        let is_judged = self.options.permissions.is_some();
        if self.options.allow_shell || is_judged || self.options.only_checks {
            return;
        }
        let mistake = self
            .mistake(place, "this file runs commands, which is not allowed")
            .coded(ErrorId::SHELL_REFUSED);
        let help = "to run a file that you trust, allow it with `--allow-shell`; to allow some \
                    commands, use `--permissions FILE`";
        self.push(mistake.label(label).help(help));
    }

    /// Parses a shell command, or a program with its arguments.
    fn program(&mut self, value: &Node, fields: &mut Fields<'_>) -> Option<Program> {
        let args = fields.take("args");
        let argv = fields.take("argv");
        if let Some((key, node)) = argv {
            if fields.has("command") || args.is_some() {
                let message = "`argv` is the program with all its arguments";
                let help = "leave out `command` and `args`, or write them as `argv`";
                self.push(self.mistake(key.span, message).help(help));
                fields.take("command");
            }
            let words = self.templates(node, "argv")?;
            if words.is_empty() {
                let mistake = self.mistake(node.span, "`argv` has no program");
                self.push(mistake.help("list the program and its arguments: `argv: [wc, -w]`"));
                return None;
            }
            return Some(Program::Argv(words));
        }
        if !fields.has("command") {
            self.lacks(value, "shell", "command", "what to run: `command: wc -w`");
        }
        let command = fields.template(self, "command", Flavour::Shell);
        let args = args.map(|(_, node)| self.templates(node, "args").unwrap_or_default());
        Some(Program::Line { command: command?, args: args.unwrap_or_default() })
    }

    fn templates(&mut self, node: &Node, name: &str) -> Option<Vec<Text>> {
        let list = self.list(node, name)?;
        list.iter().map(|one| self.template(one, name, Flavour::Plain)).collect()
    }

    /// Parses environment variables.
    pub(crate) fn variables(&mut self, node: &Node) -> Vec<(String, Text)> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`env` maps names to texts");
            return Vec::new();
        };
        let mut variables = Vec::new();
        for (key, value) in map {
            if !is_variable(&key.name) {
                let message = format!("`{}` cannot name an environment variable", key.name);
                let help = "names are made of letters, digits and `_`: `env: {TEXT: …}`";
                self.push(self.mistake(key.span, message).help(help));
            } else if variables.iter().any(|(name, _)| *name == key.name) {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                self.push(mistake.label("again here"));
            } else if let Some(text) = self.template(value, &key.name, Flavour::Plain) {
                if is_setting(&key.name) && text.has_expressions() {
                    let name = &key.name;
                    let message =
                        format!("programs may run what `{name}` holds, or find code by it");
                    let mistake = self.mistake(value.span, message).label("an expression");
                    let help = "write its value out, or use a name of your own, such as \
                                `INPUT_TEXT`";
                    self.push(mistake.help(help));
                }
                variables.push((key.name.clone(), text));
            }
        }
        variables
    }

    /// Checks that values in a command cannot become code.
    fn check_command(&mut self, shell: &Shell) {
        let has_stdin = shell.stdin.as_ref().is_some_and(Text::has_expressions);
        let has_values = has_stdin || shell.env.iter().any(|(_, text)| text.has_expressions());
        self.note_paths(&shell.program, has_values);
        match &shell.program {
            Program::Line { command, args } => {
                let has_values = has_values || args.iter().any(Text::has_expressions);
                if cfg!(windows) {
                    self.check_windows(command, has_values || !args.is_empty());
                }
                let given = command::Given { args: args.len(), has_values };
                let mistake = command::check_line(command.template.text(), given);
                self.told(command, mistake.into_iter().collect());
            }
            Program::Argv(words) => {
                let texts: Vec<&str> = words.iter().map(|word| word.template.text()).collect();
                if let Some((at, mistake)) = command::check_argv(&texts, has_values) {
                    self.told(&words[at], vec![mistake]);
                }
            }
        }
    }

    /// Notes the files that a command writes and runs.
    fn note_paths(&mut self, program: &Program, has_values: bool) {
        let (paths, texts) = match program {
            Program::Line { command, args } => {
                let texts: Vec<&Text> = std::iter::once(command).chain(args).collect();
                (command::paths_of_line(command.template.text()), texts)
            }
            Program::Argv(words) => {
                let texts: Vec<&str> = words.iter().map(|word| word.template.text()).collect();
                (command::paths_of_words(&texts), words.iter().collect())
            }
        };
        let Some(place) = texts.first().map(|text| text.written.scalar) else { return };
        if has_values || texts.iter().any(|text| text.has_expressions()) {
            for path in paths.written {
                self.writes(path, place);
            }
        }
        for (path, span) in paths.run {
            let at = match program {
                Program::Line { command, .. } if span.len > 0 => command.written.place(span),
                _ => place,
            };
            self.runs(path, at);
        }
    }

    /// Refuses values in Windows commands. `cmd` replaces `%NAME%` before it splits the line, so no
    /// quoting is safe.
    fn check_windows(&mut self, command: &Text, has_values: bool) {
        if command.has_expressions() || has_values {
            let span = Span::new(0, command.template.text().len());
            let message = "on Windows a command takes no values";
            let help = "run the program without a shell: `argv: [program, \"{{ input }}\"]`";
            let mistake = Mistake { message: message.into(), span, help: Some(help.into()) };
            self.told(command, vec![mistake]);
        }
    }

    fn told(&mut self, text: &Text, mistakes: Vec<Mistake>) {
        let _ = self.parsed::<()>(Err(mistakes), &text.written);
    }
}
