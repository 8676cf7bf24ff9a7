//! Programs that run code from their arguments, with the arguments that are code.

use crate::functions::is_run;

/// Stands for an expression in a word, or for the text that the shell inserts there.
pub(super) const DYNAMIC: char = '\u{e000}';

/// The danger of an expression at a place in a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Danger {
    /// The expression is the name of a program, or a part of it.
    Program,
    /// The expression is code for the program of this name.
    Code(String),
    /// The expression is the value of this variable, which programs run as code.
    Variable(String),
}

/// A program that runs another program: its names, its options that take an argument, and the
/// number of its arguments before the other program.
struct Wrapper(&'static [&'static str], &'static [&'static str], usize);

const WRAPPERS: [Wrapper; 17] = [
    Wrapper(&["command", "builtin", "nohup", "setsid", "unbuffer", "busybox", "toybox"], &[], 0),
    Wrapper(&["exec"], &["-a"], 0),
    Wrapper(&["env"], &["-u", "--unset", "-C", "--chdir"], 0),
    Wrapper(
        &["sudo", "doas"],
        &["-u", "-g", "-h", "-p", "-C", "-D", "-R", "-T", "-U", "-r", "-t", "--user", "--group"],
        0,
    ),
    Wrapper(&["nice"], &["-n", "--adjustment"], 0),
    Wrapper(&["ionice"], &["-c", "-n", "-p", "--class", "--classdata"], 0),
    Wrapper(&["stdbuf"], &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    Wrapper(&["time"], &["-f", "-o", "--format", "--output"], 0),
    Wrapper(&["timeout"], &["-s", "-k", "--signal", "--kill-after"], 1),
    Wrapper(&["flock"], &["-w", "-E", "--timeout", "--conflict-exit-code"], 1),
    Wrapper(&["chroot", "chrt", "taskset", "faketime"], &[], 1),
    Wrapper(
        &["xargs", "gxargs"],
        &[
            "-a",
            "-d",
            "-E",
            "-I",
            "-L",
            "-n",
            "-P",
            "-s",
            "--arg-file",
            "--delimiter",
            "--max-args",
            "--max-procs",
            "--replace",
            "--max-lines",
            "--max-chars",
        ],
        0,
    ),
    Wrapper(&["strace", "ltrace"], &["-e", "-o", "-p", "-s", "-u", "-E", "-P"], 0),
    Wrapper(&["unshare", "nsenter"], &["-t", "-S", "-G", "--target", "--setuid", "--setgid"], 0),
    Wrapper(&["systemd-run"], &["-p", "-u", "-M", "-t", "--unit", "--property", "--slice"], 0),
    Wrapper(&["caffeinate"], &["-t", "-w"], 0),
    Wrapper(&["xvfb-run", "dbus-run-session", "firejail", "proxychains", "entr"], &[], 0),
];

/// A program that runs code.
#[expect(clippy::struct_excessive_bools, reason = "a row of a table")]
struct Interpreter {
    names: &'static [&'static str],
    /// The options whose argument is code.
    code: &'static [&'static str],
    /// The options that take other arguments, with the number of these.
    other: &'static [(&'static str, usize)],
    /// `true` if its first argument is code, or a file with code.
    first: bool,
    /// `true` if it runs its input unless it is given code.
    input: bool,
    /// `true` if single-letter options can be combined: `-ec` is `-e -c`.
    letters: bool,
    /// `true` if options may follow its first argument, which is the name of a user.
    names_user: bool,
}

const INTERPRETERS: [Interpreter; 10] = [
    Interpreter {
        names: &[
            "sh", "bash", "rbash", "dash", "ash", "ksh", "mksh", "pdksh", "zsh", "yash", "posh",
            "fish", "csh", "tcsh", "nu", "xonsh", "elvish",
        ],
        code: &["-c", "--command"],
        other: &[("-o", 1), ("-O", 1), ("+o", 1), ("+O", 1), ("--rcfile", 1), ("--init-file", 1)],
        first: true,
        input: true,
        letters: true,
        names_user: false,
    },
    Interpreter {
        names: &["su", "runuser", "script", "newgrp", "sg"],
        code: &["-c", "--command", "--session-command"],
        other: &[("-s", 1), ("-g", 1), ("-G", 1), ("-u", 1), ("--shell", 1)],
        first: true,
        input: true,
        letters: true,
        names_user: true,
    },
    Interpreter {
        names: &["pwsh", "powershell", "cmd"],
        code: &[
            "-c",
            "-command",
            "-Command",
            "-EncodedCommand",
            "-e",
            "-ec",
            "/c",
            "/C",
            "/k",
            "/K",
        ],
        other: &[("-ExecutionPolicy", 1)],
        first: true,
        input: true,
        letters: false,
        names_user: false,
    },
    Interpreter {
        names: &[
            "python",
            "pypy",
            "perl",
            "ruby",
            "lua",
            "luajit",
            "tclsh",
            "wish",
            "Rscript",
            "R",
            "julia",
            "ghc",
            "runghc",
            "groovy",
            "guile",
            "osascript",
            "php",
            "elixir",
            "raku",
            "racket",
            "sbcl",
            "clojure",
            "scala",
            "kotlin",
            "swift",
            "jshell",
            "ipython",
            "expect",
        ],
        code: &[
            "-c",
            "-e",
            "-E",
            "-r",
            "-m",
            "-M",
            "--eval",
            "--print",
            "--execute",
            "-ne",
            "-pe",
            "-lne",
            "-ane",
            "-lane",
            "-i.bak",
        ],
        other: &[("-W", 1), ("-X", 1), ("-I", 1), ("-l", 1)],
        first: true,
        input: true,
        letters: true,
        names_user: false,
    },
    Interpreter {
        names: &["node", "nodejs", "deno", "bun", "ts-node", "tsx"],
        code: &["-e", "-p", "-pe", "-r", "--eval", "--print", "--require", "--import", "eval"],
        other: &[],
        first: true,
        input: true,
        letters: false,
        names_user: false,
    },
    Interpreter {
        names: &["awk", "gawk", "mawk", "nawk", "original-awk"],
        code: &[
            "-e",
            "--source",
            "-f",
            "--file",
            "-i",
            "--include",
            "-E",
            "--exec",
            "-l",
            "--load",
        ],
        other: &[("-v", 1), ("-F", 1), ("--assign", 1), ("--field-separator", 1)],
        first: true,
        input: false,
        letters: false,
        names_user: false,
    },
    Interpreter {
        names: &["sed", "gsed"],
        code: &["-e", "--expression", "-f", "--file", "-ne", "-Ee", "-re", "-nE"],
        other: &[],
        first: true,
        input: false,
        letters: true,
        names_user: false,
    },
    Interpreter {
        names: &["jq", "gojq", "yq", "xq"],
        code: &["-f", "--from-file", "-L"],
        other: &[
            ("--arg", 2),
            ("--argjson", 2),
            ("--slurpfile", 2),
            ("--rawfile", 2),
            ("--indent", 1),
        ],
        first: true,
        input: false,
        letters: false,
        names_user: false,
    },
    Interpreter {
        names: &["psql", "mysql", "mariadb", "sqlite3", "sqlcmd", "duckdb", "mongosh", "redis-cli"],
        code: &["-c", "-e", "-f", "-cmd", "--command", "--execute", "--file", "--eval", "-init"],
        other: &[("-v", 1), ("--variable", 1), ("-h", 1), ("-p", 1), ("-U", 1), ("-d", 1)],
        first: true,
        input: true,
        letters: false,
        names_user: false,
    },
    Interpreter {
        names: &[
            "gdb", "lldb", "vi", "vim", "nvim", "view", "ex", "ed", "emacs", "dc", "bc", "gnuplot",
            "octave", "m4",
        ],
        code: &["-c", "-e", "-ex", "-eval", "--eval", "--execute", "-x", "-s", "-S", "--cmd"],
        other: &[],
        first: true,
        input: true,
        letters: false,
        names_user: false,
    },
];

/// The programs and builtins that may run any of their arguments as code.
const ALL: [&str; 39] = [
    "eval",
    "source",
    ".",
    "trap",
    "alias",
    "let",
    "declare",
    "typeset",
    "unset",
    "read",
    "mapfile",
    "readarray",
    "getopts",
    "shopt",
    "enable",
    "hash",
    "bind",
    "complete",
    "compgen",
    "fc",
    "export",
    "readonly",
    "local",
    "set",
    "coproc",
    "ssh",
    "rsh",
    "mosh",
    "watch",
    "parallel",
    "make",
    "gmake",
    "ninja",
    "at",
    "batch",
    "crontab",
    "screen",
    "tmux",
    "wsl",
];

/// Those of [`ALL`] that run their input.
const ALL_WITH_INPUT: [&str; 6] = ["ssh", "rsh", "at", "batch", "crontab", "parallel"];

/// Options of other programs whose argument is run as code.
const CODE_OPTIONS: [&str; 19] = [
    "--exec",
    "--eval",
    "--command",
    "--rsh",
    "--to-command",
    "--use-compress-program",
    "--filter",
    "--checkpoint-action",
    "--rsync-path",
    "--open-files-in-pager",
    "--upload-pack",
    "--receive-pack",
    "--exec-batch",
    "--ssh-command",
    "--preview",
    "--pre",
    "--info-script",
    "--new-volume-script",
    "--config-env",
];

/// Returns the danger of an expression in a command after `words`, behind the `prefix` of its own
/// word.
pub(super) fn danger(words: &[String], prefix: &str) -> Option<Danger> {
    let Some((first, rest)) = words.split_first() else { return of_program(prefix) };
    if is_assignment(first) {
        return danger(rest, prefix);
    }
    if first.contains(DYNAMIC) {
        // A shell variable names the program, so it can be any program.
        let is_code = rest.last().is_some_and(|option| matches!(option.as_str(), "-c" | "-e"));
        return is_code.then(|| Danger::Code("the program".into()));
    }
    let name = base(first);
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.0.contains(&name)) {
        return of_wrapper(wrapper, name, rest, prefix);
    }
    if let Some(interpreter) = interpreter(name) {
        return interpreter.takes(rest, prefix).then(|| Danger::Code(name.to_owned()));
    }
    if ALL.contains(&name) {
        return of_builtin(name, rest, prefix);
    }
    if matches!(name, "find" | "gfind" | "fd")
        && let Some(at) = rest.iter().rposition(|word| is_find_exec(word))
    {
        return danger(&rest[at + 1..], prefix);
    }
    let option = rest.last().map(String::as_str).unwrap_or_default();
    let variable_test = matches!(name, "test" | "[" | "printf") && option == "-v";
    let (own, attached) = prefix.split_once('=').unwrap_or((prefix, ""));
    let is_code = CODE_OPTIONS.contains(&option)
        || prefix.contains('=') && CODE_OPTIONS.contains(&own)
        || name == "git" && option == "-c"
        || attached.starts_with("exec=");
    if variable_test || is_code {
        return Some(Danger::Code(name.to_owned()));
    }
    // For unknown programs, look for an interpreter with code among the arguments.
    for (at, word) in rest.iter().enumerate() {
        let Some(found) = interpreter(base(word)) else { continue };
        let after = &rest[at + 1..];
        let is_run = after.first().map_or(prefix, String::as_str);
        if found.is_code(is_run) && found.takes(after, prefix) {
            return Some(Danger::Code(base(word).to_owned()));
        }
    }
    None
}

/// Returns the name of the program that runs the input of a command as code, if there is one.
pub(super) fn runs_input(words: &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    if is_assignment(first) {
        return runs_input(rest);
    }
    let name = base(first);
    if let Some(wrapper) = WRAPPERS.iter().find(|wrapper| wrapper.0.contains(&name)) {
        let run = rest.get(wrapper.skipped(rest).0..).unwrap_or_default();
        let program = run.first().map(|word| base(word)).unwrap_or_default();
        // The input of `xargs` becomes arguments or parts of them.
        if matches!(name, "xargs" | "gxargs")
            && let Some(interpreter) = interpreter(program)
            && interpreter.runs_argument(&run[1..])
        {
            return Some(program.to_owned());
        }
        return runs_input(run);
    }
    if ALL_WITH_INPUT.contains(&name) {
        return Some(name.to_owned());
    }
    let interpreter = interpreter(name).filter(|interpreter| interpreter.input)?;
    interpreter.runs_input(rest).then(|| name.to_owned())
}

fn of_program(prefix: &str) -> Option<Danger> {
    match assigned(prefix) {
        Some(name) if is_run(name) => Some(Danger::Variable(name.to_owned())),
        Some(_) => None,
        None => Some(Danger::Program),
    }
}

fn of_wrapper(wrapper: &Wrapper, name: &str, rest: &[String], prefix: &str) -> Option<Danger> {
    let is_split = |word: &str| name == "env" && (word == "-S" || word.starts_with("--split"));
    if rest.iter().any(|word| is_split(word)) || is_split(prefix) || prefix.starts_with("-S") {
        return Some(Danger::Code(name.to_owned()));
    }
    // `command -v` only looks up a program.
    if name == "command" && rest.first().is_some_and(|word| word == "-v" || word == "-V") {
        return None;
    }
    let (skipped, is_argument) = wrapper.skipped(rest);
    match rest.get(skipped..) {
        Some(words) if !words.is_empty() => danger(words, prefix),
        _ if is_argument => None,
        _ => of_program(prefix),
    }
}

impl Wrapper {
    /// Returns the number of words before the program, and whether the next word would be an
    /// argument before it.
    fn skipped(&self, words: &[String]) -> (usize, bool) {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            if word == "--" {
                at += 1;
                break;
            } else if self.1.contains(&word.as_str()) {
                at += 2;
            } else if word.starts_with('-') && word.len() > 1 || is_assignment(word) {
                at += 1;
            } else {
                break;
            }
        }
        if at > words.len() {
            return (words.len(), true);
        }
        let program = at + self.2;
        (program.min(words.len()), program > words.len())
    }
}

/// Handles builtins that are safe in one form.
fn of_builtin(name: &str, rest: &[String], prefix: &str) -> Option<Danger> {
    match name {
        "export" | "readonly" | "local" if !rest.iter().any(|word| word.starts_with('-')) => {
            match assigned(prefix) {
                Some(variable) if is_run(variable) => Some(Danger::Variable(variable.to_owned())),
                Some(_) => None,
                None => Some(Danger::Code(name.to_owned())),
            }
        }
        "set" if rest.first().is_some_and(|word| word == "--") => None,
        _ => Some(Danger::Code(name.to_owned())),
    }
}

fn interpreter(name: &str) -> Option<&'static Interpreter> {
    // Versions belong to the name, as in `python3.12` and `ruby-3.3`.
    let plain = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    let known = |name: &str| INTERPRETERS.iter().find(|known| known.names.contains(&name));
    known(name).or_else(|| known(plain))
}

impl Interpreter {
    fn is_code(&self, option: &str) -> bool {
        self.code.contains(&option) || self.letters && self.is_letters(option)
    }

    /// Returns `true` for combined options of which the last takes code, such as `-lc`.
    fn is_letters(&self, option: &str) -> bool {
        let Some(letters) = option.strip_prefix('-') else { return false };
        let last = letters.chars().last().unwrap_or_default();
        letters.len() > 1
            && letters.chars().all(|c| c.is_ascii_alphanumeric())
            && self.code.iter().any(|code| code.len() == 2 && code.ends_with(last))
    }

    fn other(&self, option: &str) -> Option<usize> {
        self.other.iter().find(|(name, _)| *name == option).map(|(_, count)| *count)
    }

    /// Returns `true` if a word after `words` would be code.
    fn takes(&self, words: &[String], prefix: &str) -> bool {
        let (mut at, mut has_code) = (0, false);
        while let Some(word) = words.get(at) {
            if self.is_code(word) {
                has_code = true;
                at += 2;
                if at > words.len() {
                    return true;
                }
            } else if let Some(count) = self.other(word) {
                at += 1 + count;
                if at > words.len() {
                    return false;
                }
            } else if word == "--" {
                at += 1;
            } else if word.starts_with(['-', '+']) && word.len() > 1
                || word.starts_with('/') && self.code.contains(&"/c")
            {
                has_code |= word == "-s" && self.letters;
                has_code |= self.code.iter().any(|code| is_attached(code, word));
                at += 1;
            } else if self.names_user {
                at += 1;
            } else {
                // This is the code or the file with it, and its arguments follow.
                return false;
            }
        }
        if self.code.iter().any(|code| is_attached(code, prefix)) {
            return true;
        }
        if self.other.iter().any(|(option, _)| is_attached(option, prefix)) {
            return false;
        }
        // An option that begins with text and ends with an expression can be any option.
        prefix.starts_with('-') || self.first && !has_code
    }

    /// Returns `true` if an argument after these words, or in place of `{}`, is code.
    fn runs_argument(&self, words: &[String]) -> bool {
        let place = |at: usize| words[at].contains("{}") && self.takes(&words[..at], "");
        self.takes(words, "") || (0..words.len()).any(place)
    }

    fn runs_input(&self, words: &[String]) -> bool {
        let (mut at, mut has_code, mut names) = (0, false, 0);
        while let Some(word) = words.get(at) {
            if word == "-s" && self.letters || word == "-" || word == "/dev/stdin" {
                return true;
            } else if self.is_code(word) {
                has_code = true;
                at += 2;
            } else if let Some(count) = self.other(word) {
                at += 1 + count;
            } else if word.starts_with(['-', '+']) {
                has_code |= self.code.iter().any(|code| is_attached(code, word));
                at += 1;
            } else {
                names += 1;
                at += 1;
            }
        }
        // The first argument of a database client is the database.
        let named = if self.names.contains(&"psql") { 2 } else { 1 };
        !has_code && names < named
    }
}

/// Returns `true` if a word is an option with its argument: `-e…` or `--eval=…`.
fn is_attached(option: &str, word: &str) -> bool {
    let Some(rest) = word.strip_prefix(option) else { return false };
    if option.starts_with("--") {
        rest.starts_with('=')
    } else {
        option.len() == 2 && (!rest.is_empty() || word == option)
    }
}

fn is_find_exec(word: &str) -> bool {
    matches!(word, "-exec" | "-execdir" | "-ok" | "-okdir" | "-x" | "-X")
}

/// Returns the variable that the beginning of a word assigns to.
fn assigned(prefix: &str) -> Option<&str> {
    let (name, _) = prefix.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    crate::functions::is_variable(name).then_some(name)
}

fn is_assignment(word: &str) -> bool {
    assigned(word).is_some()
}

/// Returns the name of a program without its folder.
fn base(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    if word == "." { word } else { name.strip_suffix(".exe").unwrap_or(name) }
}
