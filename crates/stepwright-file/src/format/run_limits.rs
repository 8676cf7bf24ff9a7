//! Limits of the runs of a workflow.

use super::Expr;
use super::reader::{Fields, Reader};
use crate::source::Span;
use crate::tree::Node;
use std::time::Duration;
use stepwright_engine::{OnBusy, WhenFull};

pub(super) const THEN: [(&str, WhenFull); 3] = [
    ("queue", WhenFull::Queue),
    ("skip", WhenFull::Skip),
    ("cancel_running", WhenFull::CancelRunning),
];

pub(super) const ON_BUSY: [(&str, OnBusy); 4] = [
    ("queue", OnBusy::Queue),
    ("steer", OnBusy::Steer),
    ("interrupt", OnBusy::Interrupt),
    ("reject", OnBusy::Reject),
];

/// The number of runs at once.
#[derive(Clone, Debug)]
pub(crate) struct RunsAtOnce {
    pub(crate) key: Option<Expr>,
    pub(crate) max: u32,
    pub(crate) then: WhenFull,
    /// The place of its key in the file.
    pub(crate) span: Span,
}

/// The time within which a run with the same key does not begin again.
#[derive(Clone, Debug)]
pub(crate) struct OnceWithin {
    pub(crate) key: Option<Expr>,
    pub(crate) within: Duration,
    /// The place of its key in the file.
    pub(crate) span: Span,
}

/// The behaviour of a run while another one of its session is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WhenBusy {
    pub(crate) then: OnBusy,
    /// The place of its key in the file.
    pub(crate) span: Span,
}

impl Reader<'_> {
    /// Parses `on_busy: steer`.
    pub(super) fn on_busy(&mut self, fields: &mut Fields<'_>) -> Option<WhenBusy> {
        let span = fields.place("on_busy");
        let then = fields.choice(self, "on_busy", &ON_BUSY);
        Some(WhenBusy { then: then?, span: span? })
    }

    /// Parses `concurrency: {key: "= input.customer", max: 2, then: queue}`.
    pub(super) fn runs_at_once(&mut self, node: &Node, span: Span) -> Option<RunsAtOnce> {
        let mut fields = Fields::of(self, node, "`concurrency`")?;
        let key = fields.take("key").map(|(_, node)| self.expression(node, "key"));
        let asked = fields.has("max");
        let max = fields.number(self, "max", (1, u64::from(u32::MAX)));
        let then = fields.choice(self, "then", &THEN);
        fields.finish(self);
        if max.is_none() && !asked {
            let mistake = self.mistake(node.span, "`concurrency` needs `max`");
            let help = "write how many runs go on at once: `concurrency: {max: 2}`";
            self.push(mistake.help(help));
        }
        let max = u32::try_from(max?).unwrap_or(u32::MAX);
        let key = match key {
            Some(key) => Some(key?),
            None => None,
        };
        Some(RunsAtOnce { key, max, then: then.unwrap_or_default(), span })
    }

    /// Parses `dedupe: {key: "= input.order", within: 1h}`.
    pub(super) fn dedupe(&mut self, node: &Node, span: Span) -> Option<OnceWithin> {
        let mut fields = Fields::of(self, node, "`dedupe`")?;
        let key = fields.take("key").map(|(_, node)| self.expression(node, "key"));
        let help = "write for how long a run with the same key is not begun again: `within: 1h`";
        let within = fields.need(self, "within", help);
        let within = within.and_then(|(_, node)| self.duration(node, "within"));
        fields.finish(self);
        let key = match key {
            Some(key) => Some(key?),
            None => None,
        };
        Some(OnceWithin { key, within: within?, span })
    }
}
