//! The requests that the server sends to other services about runs of the workflow.

use super::form::{Form, Mapping, key, words};
use super::reader::{Fields, Reader};
use super::triggers::{TRIGGERS_MAX, whole};
use super::{Computed, Text, Word};
use crate::source::Span;
use crate::system::check_address;
use crate::template::Flavour;
use crate::tree::{Node, Yaml};
use std::time::Duration;
use stepwright_triggers::{Notification, RunEvent};

/// The name of a notification without one.
const NAME: &str = "notification";

/// An address that is right, to check the other settings with.
const SOME_ADDRESS: &str = "https://example.org/";

const EVENTS: [(&str, RunEvent); 4] = [
    ("paused", RunEvent::Paused),
    ("completed", RunEvent::Completed),
    ("failed", RunEvent::Failed),
    ("cancelled", RunEvent::Cancelled),
];

/// The form of `notify`.
pub(super) const NOTIFY: Form =
    Form::Either(&[ONE_NOTIFICATION, Form::List(&ONE_NOTIFICATION, 1, TRIGGERS_MAX)]);

const ONE_NOTIFICATION: Form = Form::Mapping(&NOTIFICATION);

static NOTIFICATION: Mapping = Mapping {
    name: "notification",
    what: "a notification",
    required: &[&["to"]],
    members: &[
        key("name", &Form::Text, "The name, by which lists show it. A list needs one in each."),
        key("to", &Form::Text, "The address that requests are sent to. It can be a secret."),
        key(
            "events",
            &Form::List(&Form::Words(|| words(&EVENTS)), 1, EVENTS.len()),
            "What is sent. By default all of them.",
        ),
        key("secret", &Form::Text, "The name of the secret that requests are signed with."),
        key("json", &Form::Any, "The body. By default that of Standard Webhooks."),
        key("link_for", &Form::Text, "The person who can answer a pause by a link in the body."),
        key("timeout", &Form::Duration, "The time in which the receiver must answer."),
    ],
};

/// The notifications of a file.
#[derive(Debug)]
pub(crate) struct Notify {
    /// The place of its key in the file.
    pub(crate) span: Span,
    pub(crate) all: Vec<WrittenNotification>,
}

/// A notification.
#[derive(Debug)]
pub(crate) struct WrittenNotification {
    pub(crate) name: Word,
    pub(crate) to: Text,
    pub(crate) events: Option<Vec<RunEvent>>,
    /// The name of its secret.
    pub(crate) secret: Option<Word>,
    pub(crate) json: Option<Computed>,
    pub(crate) link_for: Option<Word>,
    pub(crate) timeout: Option<Duration>,
}

impl Reader<'_> {
    /// Parses `notify: …`.
    pub(super) fn notify(&mut self, node: &Node, span: Span) -> Notify {
        let all = self.several(node, ["notify", NAME], Self::notification, |it| &it.name.text);
        Notify { span, all }
    }

    fn notification(&mut self, node: &Node, is_one_of_many: bool) -> Option<WrittenNotification> {
        let mut fields = Fields::of(self, node, "a notification")?;
        let name = self.trigger_name(&mut fields, node, NAME, is_one_of_many);
        let to = fields.need(self, "to", "write where it is sent: `to: https://example.org/hook`");
        let to = to.and_then(|(_, node)| self.receiver(node));
        let events = fields.take("events").map(|(_, node)| self.run_events(node));
        let secret = fields.word(self, "secret");
        let json = fields.take("json").map(|(_, node)| self.computed(node));
        let link_for = fields.word(self, "link_for");
        let place = fields.value_place("timeout");
        let timeout = fields.duration(self, "timeout").zip(place);
        fields.finish(self);
        self.check_secret(secret.as_ref());
        let name = name?;
        let checked = self.accepted(Notification::new(&name.text, SOME_ADDRESS), name.span)?;
        if let Some((timeout, place)) = timeout {
            let _checked = self.accepted(checked.timeout(timeout), place)?;
        }
        if let Some(person) = link_for.as_ref().filter(|person| person.text.trim().is_empty()) {
            let mistake = self.mistake(person.span, "`link_for` names no person");
            self.push(mistake.help("write who answers: `link_for: anna@example.org`"));
        }
        let (events, json) = (whole(events)?, whole(json)?);
        let timeout = timeout.map(|(timeout, _)| timeout);
        Some(WrittenNotification { name, to: to?, events, secret, json, link_for, timeout })
    }

    /// Parses an address, which is checked here if it is constant.
    fn receiver(&mut self, node: &Node) -> Option<Text> {
        let to = self.template(node, "to", Flavour::Plain)?;
        if !to.has_expressions()
            && let Err(error) = check_address(to.template.text())
        {
            let error = error.data;
            let mistake = self.mistake(node.span, error.message);
            let help = "an address begins with `https://` or `http://`: `https://example.org/hook`";
            self.push(mistake.help(error.hint.unwrap_or_else(|| help.to_owned())));
            return None;
        }
        Some(to)
    }

    fn run_events(&mut self, node: &Node) -> Option<Vec<RunEvent>> {
        let Yaml::List(list) = &node.value else {
            self.wrong_type(node, "`events` is a list, such as `[paused, failed]`");
            return None;
        };
        if list.is_empty() {
            let mistake = self.mistake(node.span, "`events` is empty, so that nothing is sent");
            self.push(mistake.help("write what is sent, such as `[paused, failed]`"));
            return None;
        }
        list.iter().map(|one| self.one_of(one, "events", &EVENTS)).collect()
    }
}
