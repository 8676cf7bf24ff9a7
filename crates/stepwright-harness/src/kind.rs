//! The kinds of coding agents.

use std::fmt;

/// A coding agent that a step can have.
///
/// ```
/// use stepwright_harness::HarnessKind;
/// assert_eq!(HarnessKind::named("codex"), Some(HarnessKind::Codex));
/// assert_eq!(HarnessKind::Codex.to_string(), "codex");
/// assert_eq!(HarnessKind::named("vim"), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HarnessKind {
    /// Claude Code, by the JSON streams of `claude -p`.
    ClaudeCode,
    /// Codex, by the JSON events of `codex exec`.
    Codex,
    /// opencode, by ACP.
    OpenCode,
    /// A program that speaks ACP over its standard input and output.
    Acp {
        /// The program.
        program: String,
        /// Its arguments.
        args: Vec<String>,
    },
}

impl HarnessKind {
    /// The names that files use.
    pub const NAMES: [&'static str; 3] = ["claude-code", "codex", "opencode"];

    /// Returns the kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "claude-code" => Self::ClaudeCode,
            "codex" => Self::Codex,
            "opencode" => Self::OpenCode,
            _ => return None,
        })
    }

    /// Returns its name, which stands in permissions and in the facts of runs. That of an ACP agent
    /// is the name of its program.
    pub fn name(&self) -> &str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
            Self::Acp { program, .. } => {
                let name = program.rsplit(['/', '\\']).next().unwrap_or(program);
                if name.is_empty() { "acp" } else { name }
            }
        }
    }

    /// Returns the program that is started.
    pub(crate) fn program(&self) -> &str {
        match self {
            Self::ClaudeCode => "claude",
            Self::Codex => "codex",
            Self::OpenCode => "opencode",
            Self::Acp { program, .. } => program,
        }
    }

    /// Returns the advice for a machine that does not have the program.
    pub(crate) fn install(&self) -> String {
        match self {
            Self::ClaudeCode => {
                "install it with `npm install -g @anthropic-ai/claude-code`, and run `claude` once \
                 to log in"
                    .to_owned()
            }
            Self::Codex => {
                "install it with `npm install -g @openai/codex`, and log in with `codex login`"
                    .to_owned()
            }
            Self::OpenCode => {
                "install it with `npm install -g opencode-ai`, and log in with `opencode auth \
                 login`"
                    .to_owned()
            }
            Self::Acp { program, .. } => {
                format!("install `{program}`, or name it with its path")
            }
        }
    }

    /// Returns the name of a model for prices and events, from the name that the agent has for it.
    pub(crate) fn model_id(&self, model: &str) -> String {
        match self {
            Self::ClaudeCode if !model.contains(':') => format!("anthropic:{model}"),
            Self::Codex if !model.contains(':') => format!("openai:{model}"),
            Self::OpenCode => model.replacen('/', ":", 1),
            _ => model.to_owned(),
        }
    }

    /// Returns `true` if it speaks ACP.
    pub(crate) fn is_acp(&self) -> bool {
        matches!(self, Self::OpenCode | Self::Acp { .. })
    }

    /// Returns `true` if it can ask for permissions. The others are held by a sandbox of their own.
    pub(crate) fn asks(&self) -> bool {
        !matches!(self, Self::Codex)
    }
}

impl fmt::Display for HarnessKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
