//! Effects, as rules judge them.

use crate::fingerprint::hex;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// The longest text of an effect in a question or an event, in bytes. The whole text is judged.
const SHOWN_BYTES_MAX: usize = 2000;

/// The length of [`Effect::digest`]: 64 bits, too many to find another effect of the same digest.
const DIGEST_CHARS: usize = 16;

/// An effect on the world that a run is about to have: a command, a file, a page, a tool, a model.
///
/// ```
/// use stepwright_core::permission::{CommandLine, Effect};
/// let effect = Effect::command("shell", CommandLine::of_words(["git", "push"]));
/// assert_eq!(effect.to_string(), "shell: git push");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says something of its own")]
pub struct Effect {
    names: Vec<Arc<str>>,
    subject: Subject,
    is_model: bool,
    /// The part after the name as people read it, if they must not read all of it.
    shown: Option<Arc<str>>,
    /// `true` if a person is asked about it where no permissions hold.
    is_asked: bool,
    /// `true` if people are shown more of it than rules see.
    is_unremembered: bool,
    /// `true` if its path is in a folder that is made for the run, and removed with it.
    is_of_run: bool,
}

/// The part of an effect that the pattern of a rule is compared with.
///
/// ```
/// use stepwright_core::permission::{Effect, Subject};
/// let effect = Effect::path("write_file", "out/report.md");
/// assert!(matches!(effect.subject(), Subject::Path(path) if path.shown == "out/report.md"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subject {
    /// A text without a structure of its own, such as the arguments of a tool as JSON, or the name
    /// of a model.
    Text(String),
    /// Commands.
    Commands(CommandLine),
    /// A file, or a pattern of files.
    Path(PathForms),
    /// An address that is fetched.
    Address(Address),
}

/// The commands that one command line consists of.
///
/// ```
/// use stepwright_core::permission::{CommandLine, EffectWord};
/// // `git add . && git push "$1"`
/// let mut line = CommandLine::of_words(["git", "add", "."]);
/// line.commands.push(vec!["git".into(), "push".into(), EffectWord::Unknown]);
/// line.shown = "git add . && git push \"$1\"".into();
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The command line as people read it.
    pub shown: String,
    /// The words of each command.
    pub commands: Vec<Vec<EffectWord>>,
    /// The words of commands that arguments contain, as in `sh -c 'rm -rf x'`. Only rules that deny
    /// or ask look at them.
    pub inside: Vec<Vec<EffectWord>>,
    /// `true` if the line cannot be split into commands for certain. Only a rule without a pattern
    /// allows it.
    pub is_unclear: bool,
}

/// A word of a command.
///
/// ```
/// use stepwright_core::permission::EffectWord;
/// // `rm -- "$1"`: the last word is known only when the command runs.
/// let words: Vec<EffectWord> = vec!["rm".into(), "--".into(), EffectWord::Unknown];
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EffectWord {
    /// This text.
    Text(String),
    /// One word that is not known.
    Unknown,
    /// Any number of words that are not known.
    Several,
}

impl From<&str> for EffectWord {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl CommandLine {
    /// Creates the command line of one program with its arguments.
    pub fn of_words<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        let words: Vec<String> = words.into_iter().map(Into::into).collect();
        let shown = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        let commands = vec![words.into_iter().map(EffectWord::Text).collect()];
        Self { shown, commands, ..Self::default() }
    }
}

/// The forms of one path. A path through a link has two: as it is written, and the file that it
/// leads to.
///
/// ```
/// use stepwright_core::permission::{Effect, PathForm, PathForms, Permissions, Verdict};
/// let form = |relative: &str, absolute: &str| PathForm {
///     relative: Some(relative.into()), absolute: Some(absolute.into()),
/// };
/// let link = PathForms {
///     shown: "out/latest".into(),
///     forms: vec![form("out/latest", "/srv/out/latest"), form("keys/a", "/srv/keys/a")],
///     ..PathForms::default()
/// };
/// let permissions = Permissions::default().allow("write_file: out/**")?;
/// let judged = permissions.judge(&Effect::file("write_file", link));
/// assert_eq!(judged.verdict, Verdict::Ask);
/// # Ok::<(), stepwright_core::permission::RuleError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathForms {
    /// The path as people read it.
    pub shown: String,
    /// The forms. A rule that allows the path matches each of them.
    pub forms: Vec<PathForm>,
    /// Forms relative to the directories around the base directory of the step, such as the one
    /// that its workspace is in. Only rules that deny or ask look at them.
    pub around: Vec<PathForm>,
    /// `true` if this is a pattern of files, such as `docs/**/*.md`.
    pub is_pattern: bool,
}

/// One form of a path.
///
/// ```
/// use stepwright_core::permission::PathForm;
/// // A file outside of the base directory.
/// let form = PathForm { relative: None, absolute: Some("/etc/hosts".into()) };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathForm {
    /// The path relative to the base directory. `None` if it is outside of that directory.
    pub relative: Option<String>,
    /// The absolute path, if it is known.
    pub absolute: Option<String>,
}

/// The parts of an address, as the client that fetches it has parsed them.
///
/// ```
/// use stepwright_core::permission::Address;
/// let address = Address {
///     method: "GET".into(),
///     scheme: "https".into(),
///     host: "api.example.com".into(),
///     port: 443,
///     path: "/v1/items".into(),
///     query: Some("page=2".into()),
/// };
/// assert_eq!(address.to_string(), "GET https://api.example.com/v1/items?page=2");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The method in capitals.
    pub method: String,
    /// The scheme: `http` or `https`.
    pub scheme: String,
    /// The host in lower case.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, with its percent-encoding.
    pub path: String,
    /// The query.
    pub query: Option<String>,
}

impl Effect {
    fn new(name: impl Into<Arc<str>>, subject: Subject) -> Self {
        let names = vec![name.into()];
        Self {
            names,
            subject,
            is_model: false,
            shown: None,
            is_asked: false,
            is_unremembered: false,
            is_of_run: false,
        }
    }

    /// Creates the call of a tool whose arguments rules do not look at.
    pub fn tool(name: impl Into<Arc<str>>) -> Self {
        Self::new(name, Subject::Text(String::new()))
    }

    /// Creates the call of a tool. Rules compare their pattern with the arguments as compact JSON.
    ///
    /// ```
    /// use stepwright_core::permission::{Effect, Permissions, Verdict};
    /// let permissions = Permissions::default().allow(r#"charge: *"currency":"EUR"*"#)?;
    /// let charge = Effect::call("charge", &serde_json::json!({"amount": 5, "currency": "EUR"}));
    /// assert_eq!(permissions.judge(&charge).verdict, Verdict::Allow);
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn call(name: impl Into<Arc<str>>, arguments: &serde_json::Value) -> Self {
        Self::new(name, Subject::Text(arguments.to_string()))
    }

    /// Creates commands.
    pub fn command(name: impl Into<Arc<str>>, line: CommandLine) -> Self {
        Self::new(name, Subject::Commands(line))
    }

    /// Creates the use of a file at this path, relative to the base directory.
    pub fn path(name: impl Into<Arc<str>>, relative: &str) -> Self {
        let forms = vec![PathForm { relative: Some(relative.to_owned()), absolute: None }];
        Self::file(name, PathForms { shown: relative.to_owned(), forms, ..PathForms::default() })
    }

    /// Creates the use of a file.
    pub fn file(name: impl Into<Arc<str>>, forms: PathForms) -> Self {
        Self::new(name, Subject::Path(forms))
    }

    /// Creates a request to an address.
    pub fn http(address: Address) -> Self {
        Self::new("http", Subject::Address(address))
    }

    /// Creates a request to a model. It is allowed unless a rule says otherwise.
    ///
    /// ```
    /// use stepwright_core::permission::{Effect, Permissions, Verdict};
    /// let permissions = Permissions::default().deny("model: openai:*")?;
    /// let verdict = |model| permissions.judge(&Effect::model(model)).verdict;
    /// assert_eq!(verdict("openai:gpt-5"), Verdict::Deny);
    /// assert_eq!(verdict("ollama:qwen3"), Verdict::Allow);
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn model(model: &str) -> Self {
        Self { is_model: true, ..Self::new("model", Subject::Text(model.to_owned())) }
    }

    /// Adds a name under which rules may name this effect too.
    ///
    /// ```
    /// use stepwright_core::permission::{Effect, Permissions, Verdict};
    /// let effect = Effect::path("read_files", "docs/a.md").also("read_file");
    /// let permissions = Permissions::default().allow("read_file: docs/**")?;
    /// assert_eq!(permissions.judge(&effect).verdict, Verdict::Allow);
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    #[must_use]
    pub fn also(mut self, name: impl Into<Arc<str>>) -> Self {
        let name = name.into();
        if !self.names.contains(&name) {
            self.names.push(name);
        }
        self
    }

    /// Sets the part after the name that people read, and events keep. For effects with a secret.
    /// Rules judge the whole effect. No rule is remembered for it, because that would hold the
    /// secret.
    ///
    /// ```
    /// use stepwright_core::permission::Effect;
    /// let effect = Effect::path("write_file", "keys/hunter2").shown_as("keys/[redacted]");
    /// assert_eq!(effect.to_string(), "write_file: keys/[redacted]");
    /// assert_eq!(effect.rule(), None);
    /// ```
    #[must_use]
    pub fn shown_as(mut self, detail: impl Into<Arc<str>>) -> Self {
        self.shown = Some(detail.into());
        self
    }

    /// Makes it an effect that a person is asked about where no permissions hold. Otherwise such
    /// effects are allowed. For questions that another program has, which it would put to a person
    /// itself.
    ///
    /// ```
    /// use stepwright_core::permission::{CommandLine, Effect};
    /// let question = Effect::command("shell", CommandLine::of_words(["make"])).asked();
    /// assert!(question.is_asked());
    /// ```
    #[must_use]
    pub fn asked(mut self) -> Self {
        self.is_asked = true;
        self
    }

    /// Makes it an effect for which no rule is remembered. For one with parts that rules do not
    /// see, such as the input of a command: the rule would allow it with any others.
    ///
    /// ```
    /// use stepwright_core::permission::{CommandLine, Effect};
    /// let mut line = CommandLine::of_words(["sh", "-s"]);
    /// line.shown.push_str(" <<< 'make test'");
    /// assert_eq!(Effect::command("shell", line).unremembered().rule(), None);
    /// ```
    #[must_use]
    pub fn unremembered(mut self) -> Self {
        self.is_unremembered = true;
        self
    }

    /// Makes its rule hold for the run alone, if it is the use of a file. For steps that work in a
    /// folder which is made for the run: elsewhere, the same relative path names another file. The
    /// gate does this for steps in such a [workspace](crate::StepContext::in_workspace_of_run).
    ///
    /// ```
    /// use stepwright_core::permission::{Effect, PathForm, PathForms};
    /// let form = PathForm { relative: Some("a.md".into()), absolute: Some("/tmp/x/a.md".into()) };
    /// let forms = PathForms { forms: vec![form], ..PathForms::default() };
    /// let effect = Effect::file("write_file", forms);
    /// assert_eq!(effect.rule().unwrap(), "write_file: a.md");
    /// let effect = effect.of_run();
    /// assert_eq!(effect.rule().unwrap(), "write_file: /tmp/x/a.md");
    /// assert!(effect.is_of_run());
    /// ```
    #[must_use]
    pub fn of_run(mut self) -> Self {
        self.is_of_run = matches!(self.subject, Subject::Path(_));
        self
    }

    /// Returns `true` if its rule holds for the run alone.
    pub fn is_of_run(&self) -> bool {
        self.is_of_run
    }

    /// Returns `true` if a person is asked about it where no permissions hold.
    pub fn is_asked(&self) -> bool {
        self.is_asked
    }

    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// Returns all names under which rules may name it.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the part that patterns are compared with.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Returns the rule that allows exactly this effect, to be shown and remembered. For an address
    /// it is the whole host, and for a tool all of its calls.
    ///
    /// ```
    /// use stepwright_core::permission::{CommandLine, Effect, Permissions, Verdict};
    /// let effect = Effect::command("shell", CommandLine::of_words(["echo", "a b", "*"]));
    /// assert_eq!(effect.rule().unwrap(), "shell: echo 'a b' '*'");
    /// let remembered = Permissions::default().allow(&effect.rule().unwrap())?;
    /// assert_eq!(remembered.judge(&effect).verdict, Verdict::Allow);
    /// # Ok::<(), stepwright_core::permission::RuleError>(())
    /// ```
    pub fn rule(&self) -> Option<String> {
        if self.shown.is_some() || self.is_unremembered {
            return None;
        }
        let name = self.name();
        match &self.subject {
            Subject::Text(text) if self.is_model => Some(format!("{name}: {text}")),
            Subject::Text(_) => Some(name.to_owned()),
            Subject::Commands(line) => {
                let [command] = line.commands.as_slice() else { return None };
                if line.is_unclear {
                    return None;
                }
                let words: Option<Vec<String>> = command.iter().map(exact).collect();
                Some(format!("{name}: {}", words?.join(" ")))
            }
            Subject::Path(forms) => {
                let [form] = forms.forms.as_slice() else { return None };
                // The relative path names another file where the step has no workspace.
                let is_own = forms.around.is_empty() && !self.is_of_run;
                let relative = form.relative.as_ref().filter(|_| is_own);
                let form = relative.or(form.absolute.as_ref())?;
                let is_plain = !form.contains('*') && !forms.is_pattern;
                is_plain.then(|| format!("{name}: {form}"))
            }
            Subject::Address(address) => {
                let Address { method, .. } = address;
                Some(format!("{name}: {method} {}/*", address.origin()))
            }
        }
    }

    /// Returns a hash of the whole effect, in hexadecimal. The answer to a question about one
    /// effect does not count for another.
    ///
    /// ```
    /// use stepwright_core::permission::Effect;
    /// assert_ne!(Effect::tool("charge").digest(), Effect::tool("refund").digest());
    /// ```
    pub fn digest(&self) -> String {
        let Self { names, subject, is_model, shown, .. } = self;
        // The form that pending requests in journals have.
        let whole = format!(
            "Effect {{ names: {names:?}, subject: {subject:?}, is_model: {is_model:?}, shown: \
             {shown:?} }}"
        );
        let mut digest = hex(&Sha256::digest(whole));
        digest.truncate(DIGEST_CHARS);
        digest
    }

    /// Returns the whole part after the name, for people.
    pub(crate) fn whole_detail(&self) -> String {
        match &self.subject {
            _ if self.shown.is_some() => self.shown.as_deref().unwrap_or_default().to_owned(),
            Subject::Text(text) => text.clone(),
            Subject::Commands(line) => line.shown.clone(),
            Subject::Path(forms) => forms.shown.clone(),
            Subject::Address(address) => address.to_string(),
        }
    }

    /// Returns the part after the name, for people. A long one is cut.
    pub fn detail(&self) -> String {
        let mut text = self.whole_detail();
        if text.len() > SHOWN_BYTES_MAX {
            let rest = text.split_off(text.floor_char_boundary(SHOWN_BYTES_MAX)).len();
            let _ = write!(text, "… ({rest} more bytes)");
        }
        text
    }

    pub(super) fn is_allowed_by_default(&self) -> bool {
        self.is_model
    }

    /// Returns `true` if it has words that are not known, behind which any command may hide.
    pub(super) fn hides_words(&self) -> bool {
        let Subject::Commands(line) = &self.subject else { return false };
        let is_hidden = |command: &Vec<EffectWord>| {
            !matches!(command.first(), None | Some(EffectWord::Text(_)))
        };
        line.is_unclear || line.commands.iter().chain(&line.inside).any(is_hidden)
    }
}

impl std::fmt::Display for Effect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let detail = self.detail();
        match detail.as_str() {
            "" => f.write_str(self.name()),
            detail => write!(f, "{}: {detail}", self.name()),
        }
    }
}

/// Returns the word of a pattern that matches only this word. `None` if it is not known.
fn exact(word: &EffectWord) -> Option<String> {
    match word {
        EffectWord::Text(text) => Some(quoted(text)),
        EffectWord::Unknown | EffectWord::Several => None,
    }
}

/// Quotes a word unless it is plain.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=@%+,~".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\"'\"'"))
}
