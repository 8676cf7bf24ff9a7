//! The commands of the prompt, which begin with `/`.

use std::fmt::Write as _;
use stepwright_core::sent::SendMode;

/// The largest edit distance at which a similar command is suggested.
const DIFFERENCE_MAX: usize = 2;

/// A command of the prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PromptCommand {
    Help,
    Exit,
    /// Shows the session, or switches to this one.
    Session(Option<String>),
    New,
    State,
    History,
    Last,
    Metrics,
    Cost,
    /// Begins the last run again at this step, or from its beginning.
    Fork(Option<String>),
    Details(bool),
    Events(bool),
    /// Uses this model for all agents.
    Model(String),
    Retry,
    Answer,
    /// Sets when an agent gets what is typed while it works.
    Send(SendMode),
}

/// The name, the argument and the description of each command.
const COMMANDS: [(&str, &str, &str); 16] = [
    ("help", "", "list the commands"),
    ("exit", "", "quit, like Ctrl-D and `exit`"),
    ("session", "[ID]", "show the session, or switch to another one"),
    ("new", "", "start a new session"),
    ("history", "", "show the questions and answers of this session"),
    ("state", "", "show the session state as JSON"),
    ("metrics", "", "show the usage of the session"),
    ("cost", "", "show what the last answer and the session cost"),
    ("last", "", "show the last answer again"),
    ("retry", "", "ask the last question again"),
    ("fork", "[STEP]", "a new run that goes on from the last one at a step"),
    ("answer", "", "answer the pending requests of the last run"),
    ("send", "MODE", "when an agent gets what you type while it works"),
    ("model", "MODEL", "use another model for all agents"),
    ("details", "on|off", "show every step, or only answers"),
    ("events", "on|off", "show every event on a line"),
];

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, ..)| *name)
}

/// Returns the text of `/help`.
pub(super) fn help(exit_on: &[String]) -> String {
    let mut help = String::new();
    for (name, takes, does) in COMMANDS {
        let usage = format!("/{name} {takes}");
        let _ = writeln!(help, "  {usage:<16} {does}");
    }
    help.push_str(
        "\n  A backslash at the end of a line, or Alt-Enter, starts another line.\n  \
         Enter while an answer is written sends the line to the agent at work.\n  \
         Esc or Ctrl-C stops an answer, and Ctrl-C clears the line.\n  \
         A text that starts with `/` needs `//`.\n",
    );
    if !exit_on.is_empty() {
        let _ = writeln!(help, "  These words quit: {}.", exit_on.join(", "));
    }
    help
}

/// Parses a command. Returns `None` for a line that is for the workflow, and an error for a line
/// that looks like a command but is not valid.
pub(super) fn parse(line: &str) -> Option<Result<PromptCommand, String>> {
    let rest = line.trim().strip_prefix('/')?;
    let (name, argument) = match rest.split_once(char::is_whitespace) {
        Some((name, argument)) => (name, Some(argument.trim()).filter(|text| !text.is_empty())),
        None => (rest, None),
    };
    // A path, or a text escaped with `//`.
    if !name.chars().all(|c| c.is_ascii_alphabetic()) || name.is_empty() {
        return None;
    }
    Some(known(name, argument))
}

fn known(name: &str, argument: Option<&str>) -> Result<PromptCommand, String> {
    let command = match name {
        "help" => PromptCommand::Help,
        "exit" => PromptCommand::Exit,
        "session" => return Ok(PromptCommand::Session(argument.map(str::to_owned))),
        "new" => PromptCommand::New,
        "state" => PromptCommand::State,
        "history" => PromptCommand::History,
        "last" => PromptCommand::Last,
        "metrics" => PromptCommand::Metrics,
        "cost" => PromptCommand::Cost,
        "fork" => return Ok(PromptCommand::Fork(argument.map(str::to_owned))),
        "retry" => PromptCommand::Retry,
        "answer" => PromptCommand::Answer,
        "send" => return mode(argument).map(PromptCommand::Send),
        "model" => {
            let model = argument.map(|model| PromptCommand::Model(model.to_owned()));
            return model.ok_or_else(|| "write `/model PROVIDER:MODEL`".to_owned());
        }
        "details" => return switch(name, argument).map(PromptCommand::Details),
        "events" => return switch(name, argument).map(PromptCommand::Events),
        other => return Err(unknown(other)),
    };
    match argument {
        None => Ok(command),
        Some(_) => Err(format!("`/{name}` takes no argument")),
    }
}

fn switch(name: &str, argument: Option<&str>) -> Result<bool, String> {
    match argument {
        Some("on") => Ok(true),
        Some("off") => Ok(false),
        _ => Err(format!("write `/{name} on` or `/{name} off`")),
    }
}

fn mode(argument: Option<&str>) -> Result<SendMode, String> {
    let modes = SendMode::ALL.map(SendMode::as_str).join("`, `/send ");
    argument
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("write one of `/send {modes}`"))
}

fn unknown(name: &str) -> String {
    let near =
        names().map(|known| (strsim::damerau_levenshtein(&name.to_lowercase(), known), known));
    let near = near.filter(|(difference, known)| {
        *difference <= DIFFERENCE_MAX || known.starts_with(&name.to_lowercase())
    });
    match near.min() {
        Some((_, known)) => format!("there is no command `/{name}`; did you mean `/{known}`?"),
        None => format!("there is no command `/{name}`; `/help` lists the commands"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_texts() {
        let is_text = |line| parse(line).is_none();
        assert!(
            ["hi", "", "/etc/hosts, please", "//help", "/", "/ x", "1/2"].into_iter().all(is_text)
        );
        assert_eq!(parse(" /help "), Some(Ok(PromptCommand::Help)));
        assert_eq!(parse("/session a b"), Some(Ok(PromptCommand::Session(Some("a b".into())))));
        assert_eq!(parse("/fork"), Some(Ok(PromptCommand::Fork(None))));
        assert_eq!(parse("/fork a/b"), Some(Ok(PromptCommand::Fork(Some("a/b".into())))));
        assert_eq!(parse("/details off"), Some(Ok(PromptCommand::Details(false))));
        let wrong = |line| parse(line).unwrap().unwrap_err();
        assert_eq!(wrong("/hlep"), "there is no command `/hlep`; did you mean `/help`?");
        assert_eq!(wrong("/Sta"), "there is no command `/Sta`; did you mean `/state`?");
        assert!(wrong("/foobar").contains("`/help` lists"));
        assert_eq!(wrong("/details"), "write `/details on` or `/details off`");
        assert_eq!(wrong("/new x"), "`/new` takes no argument");
        let send = parse("/send follow_up");
        assert_eq!(send, Some(Ok(PromptCommand::Send(SendMode::FollowUp))));
        let modes = "`/send steer`, `/send follow_up`, `/send interrupt`";
        assert_eq!(wrong("/send now"), format!("write one of {modes}"));
    }

    #[test]
    fn help_lists_every_command() {
        for name in names() {
            assert!(help(&[]).contains(&format!("  /{name} ")), "{name}");
            assert!(!matches!(known(name, None), Err(why) if why.contains("no command")), "{name}");
        }
    }
}
