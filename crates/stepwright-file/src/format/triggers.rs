//! The schedules and webhooks that begin runs of the workflow.

use super::form::{Form, Mapping, key, words};
use super::reader::{Fields, Reader};
use super::{Computed, Expr, Word};
use crate::source::Span;
use crate::tree::{Node, Yaml};
use std::collections::HashSet;
use stepwright_core::Error;
use stepwright_triggers::{CatchUp, Overlap, Schedule, Signature, Timetable, Webhook};

/// The maximum number of schedules of a file, of its webhooks and of its notifications.
pub(super) const TRIGGERS_MAX: usize = 100;

/// The name of a schedule without one.
const SCHEDULE_NAME: &str = "schedule";

/// The name of a webhook without one.
const WEBHOOK_NAME: &str = "webhook";

const OVERLAP: [(&str, Overlap); 4] = [
    ("skip", Overlap::Skip),
    ("queue", Overlap::Queue),
    ("allow", Overlap::Allow),
    ("cancel", Overlap::Cancel),
];

const CATCH_UP: [(&str, CatchUp); 3] =
    [("none", CatchUp::None), ("latest", CatchUp::Latest), ("all", CatchUp::All)];

const SIGNATURE: [(&str, Signature); 3] =
    [("standard", Signature::Standard), ("github", Signature::GitHub), ("slack", Signature::Slack)];

/// The form of `on`.
pub(super) const ON: Form = Form::Mapping(&TRIGGERS);

static TRIGGERS: Mapping = Mapping {
    name: "on",
    what: "`on`",
    required: &[],
    members: &[
        key(
            "schedule",
            &Form::Either(&[ONE_SCHEDULE, Form::List(&ONE_SCHEDULE, 1, TRIGGERS_MAX)]),
            "The times at which runs begin. A list needs a `name` in each.",
        ),
        key(
            "webhook",
            &Form::Either(&[ONE_WEBHOOK, Form::List(&ONE_WEBHOOK, 1, TRIGGERS_MAX)]),
            "The requests of other services that begin runs. A list needs a `name` in each.",
        ),
    ],
};

const ONE_WEBHOOK: Form = Form::Mapping(&WEBHOOK);

static WEBHOOK: Mapping = Mapping {
    name: "webhook",
    what: "a webhook",
    required: &[],
    members: &[
        key("name", &Form::Text, "The name, which the ids of its runs contain."),
        key("secret", &Form::Text, "The name of the secret that requests are signed with."),
        key(
            "signature",
            &Form::Words(|| words(&SIGNATURE)),
            "The form of the signature. By default that of Standard Webhooks.",
        ),
        key("when", &Form::Expression, "Which requests begin a run. By default all."),
        key("id", &Form::Expression, "The id of a delivery. A second one of it begins no run."),
        key("input", &Form::Any, "The input of its runs. By default the body of the request."),
        key("session", &Form::Text, "The session that all its runs continue."),
        key("emit", &EMIT, "Each request is an event for waiting runs, and begins none."),
    ],
};

const EMIT: Form = Form::Either(&[Form::Text, Form::Mapping(&EVENT)]);

static EVENT: Mapping = Mapping {
    name: "webhook_event",
    what: "`emit`",
    required: &[&["event"]],
    members: &[
        key("event", &Form::Text, "The name of the event, as in `wait_for`."),
        key("key", &Form::Expression, "The key of the event, such as the number of an order."),
    ],
};

const ONE_SCHEDULE: Form = Form::Mapping(&SCHEDULE);

static SCHEDULE: Mapping = Mapping {
    name: "schedule",
    what: "a schedule",
    required: &[&["cron"], &["every"]],
    members: &[
        key("name", &Form::Text, "The name, which the ids of its runs contain."),
        key("cron", &Form::Text, "Minute, hour, day, month and weekday: `0 9 * * mon-fri`."),
        key("zone", &Form::Text, "The time zone of `cron`, such as `Europe/Berlin`."),
        key("every", &Form::Duration, "The time between two runs, counted from 1970 in UTC."),
        key("input", &Form::Any, "The input of its runs. In expressions, `input.at` is the time."),
        key("session", &Form::Text, "The session that all its runs continue."),
        key("jitter", &Form::Duration, "The longest delay by which runs are spread."),
        key(
            "overlap",
            &Form::Words(|| words(&OVERLAP)),
            "What happens while its last run is under way.",
        ),
        key(
            "catch_up",
            &Form::Words(|| words(&CATCH_UP)),
            "What happens to times at which no server was there.",
        ),
        key("catch_up_within", &Form::Duration, "How long ago such times may be."),
    ],
};

/// The schedules and webhooks of a file.
#[derive(Debug)]
pub(crate) struct Triggers {
    /// The place of its key in the file.
    pub(crate) span: Span,
    pub(crate) schedules: Vec<WrittenSchedule>,
    pub(crate) webhooks: Vec<WrittenWebhook>,
}

/// A schedule.
#[derive(Debug)]
pub(crate) struct WrittenSchedule {
    pub(crate) schedule: Schedule,
    pub(crate) input: Option<Computed>,
}

/// A webhook.
#[derive(Debug)]
pub(crate) struct WrittenWebhook {
    pub(crate) webhook: Webhook,
    /// The name of its secret.
    pub(crate) secret: Option<Word>,
    pub(crate) signature: Signature,
    pub(crate) when: Option<Expr>,
    pub(crate) id: Option<Expr>,
    pub(crate) input: Option<Computed>,
    /// The key of the event that it sends.
    pub(crate) key: Option<Expr>,
}

impl Reader<'_> {
    /// Parses `on: {schedule: …, webhook: …}`.
    pub(super) fn triggers(&mut self, node: &Node, span: Span) -> Option<Triggers> {
        let mut fields = Fields::of(self, node, "`on`")?;
        let schedules = fields.take("schedule").map(|(_, node)| {
            self.several(node, ["schedule"; 2], Self::schedule, |it| it.schedule.name())
        });
        let webhooks = fields.take("webhook").map(|(_, node)| {
            self.several(node, ["webhook"; 2], Self::webhook, |it| it.webhook.name())
        });
        fields.finish(self);
        let schedules = schedules.unwrap_or_default();
        Some(Triggers { span, schedules, webhooks: webhooks.unwrap_or_default() })
    }

    /// Parses one trigger, or a list of them: the value of `key`, of which each is a `what`.
    pub(super) fn several<T>(
        &mut self,
        node: &Node,
        [key, what]: [&str; 2],
        one: fn(&mut Self, &Node, bool) -> Option<T>,
        name: fn(&T) -> &str,
    ) -> Vec<T> {
        let Yaml::List(list) = &node.value else {
            return one(self, node, false).into_iter().collect();
        };
        if list.is_empty() || list.len() > TRIGGERS_MAX {
            let message = format!("`{key}` is a list with from 1 to {TRIGGERS_MAX} of them");
            self.push(self.mistake(node.span, message));
            return Vec::new();
        }
        let mut names = HashSet::new();
        let mut all = Vec::new();
        for node in list {
            let Some(written) = one(self, node, list.len() > 1) else { continue };
            let name = name(&written);
            if names.insert(name.to_owned()) {
                all.push(written);
                continue;
            }
            let mistake = self.mistake(node.span, format!("two {what}s are called `{name}`"));
            self.push(mistake.help("give one of them another `name`"));
        }
        all
    }

    /// Takes the name of a trigger.
    pub(super) fn trigger_name(
        &mut self,
        fields: &mut Fields<'_>,
        node: &Node,
        default: &'static str,
        is_one_of_many: bool,
    ) -> Option<Word> {
        let word = fields.word(self, "name");
        if word.is_none() && !fields.was_there("name") && is_one_of_many {
            let mistake = self.mistake(node.span, format!("a {default} of several needs `name`"));
            self.push(mistake.help("write a short name, such as `name: morning`"));
            return None;
        }
        word.or_else(|| Some(Word { text: default.to_owned(), span: node.span }))
    }

    fn webhook(&mut self, node: &Node, is_one_of_many: bool) -> Option<WrittenWebhook> {
        let mut fields = Fields::of(self, node, "a webhook")?;
        let name = self.trigger_name(&mut fields, node, WEBHOOK_NAME, is_one_of_many);
        let secret = fields.word(self, "secret");
        let place = fields.value_place("signature");
        let signature = fields.choice(self, "signature", &SIGNATURE);
        let when = fields.take("when").map(|(_, node)| self.expression(node, "when"));
        let id = fields.take("id").map(|(_, node)| self.expression(node, "id"));
        let input = fields.take("input").map(|(_, node)| self.computed(node));
        let session = fields.word(self, "session");
        let emit = fields.take("emit").map(|(_, node)| self.emitted(node));
        fields.finish(self);
        if let (Some(session), Some(_)) = (&session, &emit) {
            let mistake = self.mistake(session.span, "`session` has no effect beside `emit`");
            self.push(mistake.help("an event begins no run: leave one of them out"));
        }
        if let (Some(place), None) = (place, &secret) {
            let mistake = self.mistake(place, "a signature needs `secret`");
            self.push(
                mistake.help("write the name of a secret of the file: `secret: HOOK_SECRET`"),
            );
        }
        self.check_secret(secret.as_ref());
        let name = name?;
        let mut webhook = self.accepted(Webhook::new(&name.text), name.span)?;
        if let Some(session) = session {
            webhook = self.accepted(webhook.session_id(&session.text), session.span)?;
        }
        let mut key = None;
        if let Some((event, its_key)) = whole(emit)? {
            webhook = self.accepted(webhook.emits(event.text.as_str()), event.span)?;
            key = its_key;
        }
        let signature = signature.unwrap_or_default();
        let (when, id, input) = (whole(when)?, whole(id)?, whole(input)?);
        Some(WrittenWebhook { webhook, secret, signature, when, id, input, key })
    }

    /// Parses `emit: order.paid` or `emit: {event: order.paid, key: …}`.
    fn emitted(&mut self, node: &Node) -> Option<(Word, Option<Expr>)> {
        if let Yaml::Map(_) = &node.value {
            let mut fields = Fields::of(self, node, "`emit`")?;
            let event = fields.word(self, "event");
            let key = fields.take("key").map(|(_, node)| self.expression(node, "key"));
            let needs_event = event.is_none() && !fields.was_there("event");
            fields.finish(self);
            if needs_event {
                let mistake = self.mistake(node.span, "`emit` needs `event`");
                self.push(mistake.help("write the name of the event: `emit: {event: order.paid}`"));
            }
            return Some((event?, whole(key)?));
        }
        self.word(node, "emit").map(|event| (event, None))
    }

    /// Reports a secret that the file does not declare.
    pub(super) fn check_secret(&mut self, secret: Option<&Word>) {
        if let Some(secret) = secret
            && !self.declared.secret_names.contains(&secret.text)
        {
            let message = format!("there is no secret `{}`", secret.text);
            let mistake = self.mistake(secret.span, message);
            self.push(mistake.help(format!("declare it: `secrets: [{}]`", secret.text)));
        }
    }

    fn schedule(&mut self, node: &Node, is_one_of_many: bool) -> Option<WrittenSchedule> {
        let mut fields = Fields::of(self, node, "a schedule")?;
        let name = self.trigger_name(&mut fields, node, SCHEDULE_NAME, is_one_of_many);
        let timetable = self.timetable(&mut fields, node);
        let input = fields.take("input").map(|(_, node)| self.computed(node));
        let session = fields.word(self, "session");
        let jitter = fields.value_place("jitter");
        let jitter = fields.duration(self, "jitter").zip(jitter);
        let overlap = fields.choice(self, "overlap", &OVERLAP);
        let catch_up = fields.choice(self, "catch_up", &CATCH_UP);
        let within = fields.value_place("catch_up_within");
        let within = fields.duration(self, "catch_up_within").zip(within);
        fields.finish(self);
        let name = name?;
        let mut schedule = self.accepted(Schedule::new(&name.text, timetable?), name.span)?;
        if let Some(session) = session {
            schedule = self.accepted(schedule.session_id(&session.text), session.span)?;
        }
        if let Some((jitter, place)) = jitter {
            schedule = self.accepted(schedule.jitter(jitter), place)?;
        }
        if let Some((within, place)) = within {
            schedule = self.accepted(schedule.catch_up_within(within), place)?;
        }
        schedule = schedule.overlap(overlap.unwrap_or_default());
        schedule = schedule.catch_up(catch_up.unwrap_or_default());
        Some(WrittenSchedule { schedule, input: whole(input)? })
    }

    fn timetable(&mut self, fields: &mut Fields<'_>, node: &Node) -> Option<Timetable> {
        let cron = fields.word(self, "cron");
        let zone = fields.word(self, "zone");
        let place = fields.value_place("every");
        let has_every = place.is_some();
        let every = fields.duration(self, "every");
        match (cron, place) {
            (Some(cron), None) => {
                let zone_name = zone.as_ref().map(|zone| zone.text.as_str());
                // A mistake of the zone is shown where the zone is.
                let zone_is_right = Timetable::cron("@daily", zone_name).is_ok();
                let place = zone.as_ref().filter(|_| !zone_is_right);
                let place = place.map_or(cron.span, |zone| zone.span);
                self.accepted(Timetable::cron(&cron.text, zone_name), place)
            }
            (None, Some(place)) => {
                if let Some(zone) = zone {
                    let mistake = self.mistake(zone.span, "`zone` belongs to `cron`");
                    self.push(mistake.help("leave it out: `every` is counted from 1970 in UTC"));
                }
                self.accepted(Timetable::every(every?), place)
            }
            (cron, _) => {
                let both = cron.is_some() && has_every;
                let which =
                    if both { "`cron` or `every`, and not both" } else { "`cron` or `every`" };
                // A text that is none was reported.
                if both || !fields.was_there("cron") {
                    let mistake = self.mistake(node.span, format!("a schedule has {which}"));
                    self.push(mistake.help("write `cron: 0 9 * * mon-fri`, or `every: 15m`"));
                }
                None
            }
        }
    }

    /// Returns what was made, or reports why it was refused.
    pub(super) fn accepted<T>(&mut self, made: Result<T, Error>, place: Span) -> Option<T> {
        made.map_err(|error| {
            let mistake = self.mistake(place, error.to_string());
            self.push(mistake.maybe_help(error.hint().map(str::to_owned)));
        })
        .ok()
    }
}

/// Returns `None` if a value that is there has mistakes.
#[expect(clippy::option_option, reason = "a key that is absent is no mistake")]
pub(super) fn whole<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        Some(None) => None,
        Some(read) => Some(read),
        None => Some(None),
    }
}
