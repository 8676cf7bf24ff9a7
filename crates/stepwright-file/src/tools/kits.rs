//! Toolkits without an effect: `calculator`, `clock`, `scratchpad` and `ask_user`.

use crate::effects;
use crate::format::form::{Form, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::Granted;
use stepwright_agent::AgentBuilder;
use stepwright_core::Error;
use stepwright_tools::{AskUser, Calculator, Clock, Scratchpad};

pub(super) const CALCULATOR: ToolKind = ToolKind {
    name: "calculator",
    shown: "`calculator`",
    read: calculator,
    effects: effects::NONE,
    settings: &[],
    needs: &[],
};

pub(super) const CLOCK: ToolKind = ToolKind {
    name: "clock",
    shown: "`clock`",
    read: clock,
    effects: effects::NONE,
    settings: &[key("zone", &Form::Text, "The time zone, such as `Europe/Berlin`.")],
    needs: &[],
};

pub(super) const SCRATCHPAD: ToolKind = ToolKind {
    name: "scratchpad",
    shown: "`scratchpad`",
    read: scratchpad,
    effects: effects::NONE,
    settings: &[],
    needs: &[],
};

pub(super) const ASK_USER: ToolKind = ToolKind {
    name: "ask_user",
    shown: "`ask_user`",
    read: ask_user,
    effects: effects::NONE,
    settings: &[key(
        "answer_within",
        &Form::Duration,
        "The maximum time that a person has to answer.",
    )],
    needs: &[],
};

type Read = Option<Box<dyn AgentTool>>;

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn calculator(_: &mut Reader<'_>, _: &Word, _: Option<&mut Fields<'_>>) -> Read {
    Some(Box::new(Calculator))
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn scratchpad(_: &mut Reader<'_>, _: &Word, _: Option<&mut Fields<'_>>) -> Read {
    Some(Box::new(Scratchpad))
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn clock(reader: &mut Reader<'_>, _: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    let zone = fields.and_then(|fields| fields.word(reader, "zone"));
    let clock = match zone {
        Some(zone) => {
            let clock = Clock::in_zone(&zone.text);
            reader.setting(&zone, clock.check().err());
            clock
        }
        None => Clock::new(),
    };
    Some(Box::new(clock))
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn ask_user(reader: &mut Reader<'_>, _: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    // Not the time of the call, which stands still while a person answers.
    let limit = fields.and_then(|fields| fields.duration(reader, "answer_within"));
    let kit = AskUser::new();
    Some(Box::new(limit.map_or_else(|| kit.clone(), |limit| kit.clone().timeout(limit))))
}

impl AgentTool for Calculator {
    fn known_as(&self) -> &'static [&'static str] {
        &["calculate"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(*self)
    }
}

impl AgentTool for Clock {
    fn known_as(&self) -> &'static [&'static str] {
        &["current_time", "add_time", "time_between"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}

impl AgentTool for Scratchpad {
    fn known_as(&self) -> &'static [&'static str] {
        &["write_note", "read_notes", "write_todos"]
    }

    // A note that is written again must be written: it may differ by then.
    fn only_reads(&self) -> bool {
        false
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(*self)
    }
}

impl AgentTool for AskUser {
    fn known_as(&self) -> &'static [&'static str] {
        &["ask_user"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}

impl Reader<'_> {
    /// Reports a mistake in a setting at its place.
    pub(super) fn setting(&mut self, word: &Word, wrong: Option<Error>) {
        if let Some(error) = wrong {
            let mistake = self.mistake(word.span, error.to_string());
            self.push(mistake.maybe_help(error.hint().map(ToOwned::to_owned)));
        }
    }
}
