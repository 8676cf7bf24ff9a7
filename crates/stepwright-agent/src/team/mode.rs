//! The modes of a team, and the rules that its leader follows.

use std::fmt;

/// The default number of rounds of a team.
pub const TEAM_ROUNDS: u32 = 10;

/// The highest number of rounds of a team. Each round carries the answers of all earlier ones.
pub const TEAM_ROUNDS_MAX: u32 = 100;

/// The largest number of members of a team. Each is a tool, and models choose badly among more.
pub const TEAM_MEMBERS_MAX: usize = 32;

/// The number of levels of teams within teams. Each level multiplies the requests.
pub const TEAM_DEPTH_MAX: usize = 8;

/// The way in which a team works.
///
/// ```
/// use stepwright_agent::TeamMode;
/// assert_eq!(TeamMode::default(), TeamMode::Coordinate);
/// assert_eq!("collaborate".parse(), Ok(TeamMode::Collaborate));
/// assert_eq!("broadcast".parse(), Ok(TeamMode::Collaborate), "the name that Agno has for it");
/// assert!("together".parse::<TeamMode>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TeamMode {
    /// The leader gives tasks to members, as often as it wants and to several at once, and writes
    /// the answer.
    #[default]
    Coordinate,
    /// The leader chooses a member, whose answer is the answer of the team.
    Route,
    /// All members get the message at once, and the leader writes one answer from theirs.
    Collaborate,
    /// The leader keeps a list of tasks with what each depends on, and gives them to members until
    /// all are done.
    Tasks,
}

impl TeamMode {
    /// The modes, with the names that files have for them.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("coordinate", Self::Coordinate),
        ("route", Self::Route),
        ("collaborate", Self::Collaborate),
        ("tasks", Self::Tasks),
    ];
}

impl fmt::Display for TeamMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, mode)| mode == self);
        f.write_str(name.map_or("coordinate", |(name, _)| name))
    }
}

impl std::str::FromStr for TeamMode {
    type Err = UnknownTeamMode;

    fn from_str(text: &str) -> Result<Self, UnknownTeamMode> {
        // The name that Agno has for it.
        let text = if text == "broadcast" { "collaborate" } else { text };
        let mode = Self::NAMES.iter().find(|(name, _)| *name == text);
        mode.map(|(_, mode)| *mode).ok_or_else(|| UnknownTeamMode(text.to_owned()))
    }
}

/// The error for a text that names no mode of teams.
///
/// ```
/// use stepwright_agent::{TeamMode, UnknownTeamMode};
/// let error: UnknownTeamMode = "relay".parse::<TeamMode>().unwrap_err();
/// assert_eq!(error.to_string(), "a team has no mode `relay`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTeamMode(String);

impl fmt::Display for UnknownTeamMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a team has no mode `{}`", self.0)
    }
}

impl std::error::Error for UnknownTeamMode {}

/// The rules of a team, which the turn of its leader follows.
#[derive(Clone, Debug)]
pub(crate) struct TeamRules {
    pub(crate) mode: TeamMode,
    /// The members, by the names of their tools.
    pub(crate) members: Vec<String>,
    /// The tools whose answer ends the turn as its output, instead of going back to the model.
    pub(crate) direct: Vec<String>,
    /// Those whose answer is JSON.
    pub(crate) structured: Vec<String>,
    pub(crate) rounds: u32,
    /// `true` if members see what other members have answered in this run.
    pub(crate) shares_interactions: bool,
    /// `true` if members see the history of the session that the leader sees.
    pub(crate) shares_history: bool,
    /// `true` if members get the message of the team as it is, in place of a task of the leader.
    pub(crate) passes_input: bool,
}

impl TeamRules {
    pub(crate) fn is_member(&self, tool: &str) -> bool {
        self.members.iter().any(|member| member == tool)
    }
}
