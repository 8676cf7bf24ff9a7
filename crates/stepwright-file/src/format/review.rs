//! Human review in workflow files.

use super::Kind;
use super::reader::{Fields, Reader};
use crate::source::Span;
use crate::suggest::{did_you_mean, listed};
use crate::tree::{Key, Node, Yaml};
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::plan::{ErrorPolicy, RETRIES_MAX};
use stepwright_core::review::UserInput;
use stepwright_core::{HumanReview, OnReject, OnTimeout, form};

pub(super) const ON_REJECT: [(&str, OnReject); 5] = [
    ("skip", OnReject::Skip),
    ("cancel", OnReject::Cancel),
    ("fail", OnReject::Fail),
    ("else", OnReject::Else),
    ("retry", OnReject::Retry),
];

/// The values of `on_timeout` that are words.
pub(super) const ON_TIMEOUT: [(&str, OnTimeout); 3] =
    [("approve", OnTimeout::Approve), ("reject", OnTimeout::Reject), ("fail", OnTimeout::Fail)];

/// A human review, with the places of its settings.
pub(super) struct Asked {
    review: HumanReview,
    /// The places of the whole review and of each setting.
    places: Vec<(String, Span)>,
    /// `true` if a part of it could not be read, which has been reported.
    unreadable: bool,
}

impl Asked {
    pub(super) fn review(&self) -> &HumanReview {
        &self.review
    }

    fn place(&self, setting: &str) -> Span {
        let whole = self.places.first();
        let own = self.places.iter().find(|(name, _)| name == setting);
        own.or(whole).map(|(_, span)| *span).unwrap_or_default()
    }
}

impl Reader<'_> {
    /// Parses the value of `human_review`.
    pub(super) fn review(&mut self, key: &Key, node: &Node) -> Option<Asked> {
        let mut fields = Fields::of(self, node, "`human_review`")?;
        let mut places = vec![("human_review".to_owned(), key.span)];
        if let Yaml::Map(map) = &node.value {
            places.extend(map.iter().map(|(key, _)| (key.name.clone(), key.span)));
        }
        let before = self.state.mistakes.len();
        let mut review = HumanReview::new();
        review.confirmation = self.question(&mut fields, "requires_confirmation", "Go on?");
        let form = fields.take("requires_user_input");
        review.user_input = form.and_then(|(_, node)| self.form(node));
        review.route_selection =
            self.question(&mut fields, "requires_route_selection", "Which way?");
        review.multiple_selections =
            fields.bool(self, "allow_multiple_selections").unwrap_or_default();
        review.output_review = self.question(&mut fields, "requires_output_review", "Is it good?");
        review.iteration_review =
            self.question(&mut fields, "requires_iteration_review", "Is it good enough?");
        review.on_reject = fields.choice(self, "on_reject", &ON_REJECT);
        let most = u64::from(RETRIES_MAX);
        let retries = fields.number(self, "max_retries", (0, most));
        review.max_retries = retries.and_then(|retries| u32::try_from(retries).ok());
        if let Some(timeout) = fields.duration(self, "timeout") {
            review = review.timeout(timeout);
        }
        let one_choice = review.route_selection.is_some();
        let on_timeout = fields.take("on_timeout");
        review.on_timeout = on_timeout.and_then(|(_, node)| self.on_timeout(node, one_choice));
        fields.finish(self);
        let unreadable = self.state.mistakes.len() > before;
        Some(Asked { review, places, unreadable })
    }

    /// Reports the mistakes of a review on a step of this kind, at their places.
    pub(super) fn checked_review(
        &mut self,
        asked: Asked,
        kind: &Kind,
        on_error: &ErrorPolicy,
    ) -> HumanReview {
        let wrong = asked.review.mistakes(&kind.reviewed(), on_error).into_iter();
        // A setting that could not be read may be the one that is missing.
        let is_sure = |setting: &str| {
            !asked.unreadable || !matches!(setting, "human_review" | "on_timeout" | "timeout")
        };
        for mistake in wrong.filter(|mistake| is_sure(mistake.setting)) {
            let mistake_here = self.mistake(asked.place(mistake.setting), mistake.what);
            let help = match (mistake.setting, asked.review.on_reject) {
                ("human_review", _) => {
                    "say what is asked with `requires_confirmation`, `requires_user_input`, \
                     `requires_route_selection`, `requires_output_review` or \
                     `requires_iteration_review`, or leave it out"
                }
                ("on_reject", Some(OnReject::Else)) => {
                    "`on_reject: else` is possible for an `if` that is confirmed; elsewhere write \
                     `skip`, `cancel` or `fail`"
                }
                _ => mistake.fix,
            };
            self.push(mistake_here.help(help));
        }
        asked.review
    }

    /// Takes a question for people: a text, or `true` for the default text.
    fn question(
        &mut self,
        fields: &mut Fields<'_>,
        name: &'static str,
        usual: &str,
    ) -> Option<Arc<str>> {
        let (_, node) = fields.take(name)?;
        match &node.value {
            Yaml::Bool(asked) => asked.then(|| usual.into()),
            Yaml::Text(_) => self.message(node, name),
            _ => {
                self.wrong_type(node, &format!("`{name}` is what people are asked, or true"));
                Some(usual.into())
            }
        }
    }

    fn message(&mut self, node: &Node, name: &str) -> Option<Arc<str>> {
        let word = self.word(node, name)?;
        let text = word.text.trim();
        let (message, help) = if text.is_empty() {
            (format!("`{name}` asks for nothing"), "write what people are asked".to_owned())
        } else if matches!(text, "yes" | "no" | "on" | "off") {
            let meant = matches!(text, "yes" | "on");
            let help = format!("YAML 1.2 reads `{text}` as a text: write `{meant}`");
            (format!("`{name}` is what people are asked, or true"), help)
        } else if text.contains("{{") || text.starts_with('=') {
            let help = "it is the same for every run; `requires_output_review` shows what a step \
                        gave";
            (format!("`{name}` is a text, and no template or expression"), help.to_owned())
        } else {
            return Some(text.into());
        };
        self.push(self.mistake(word.span, message).help(help));
        // Keep the question, so that the rest of the review is checked correctly.
        Some(text.into())
    }

    fn form(&mut self, node: &Node) -> Option<UserInput> {
        const HELP: &str =
            "say what is asked: `schema: {type: object, properties: {tone: {type: string}}}`";
        let mut fields = Fields::of(self, node, "`requires_user_input`")?;
        let message = fields.take("message").and_then(|(_, node)| self.message(node, "message"));
        let message = message.unwrap_or_else(|| "Please fill this in.".into());
        let schema = fields.need(self, "schema", HELP);
        fields.finish(self);
        let schema = schema.and_then(|(_, node)| {
            let schema = self.schema(node, "schema")?;
            self.check_form(node, &schema);
            Some(schema)
        });
        // An invalid schema has been reported, but check the rest too.
        Some(UserInput { message, schema: Arc::new(schema.unwrap_or_default()) })
    }

    /// Checks that a form can be filled in and that its schema is supported.
    fn check_form(&mut self, node: &Node, schema: &Value) {
        if schema["type"] != "object" {
            let place = node.at_pointer("/type").span;
            let mistake = self.mistake(place, "a form is an object");
            self.push(mistake.help("write `type: object`, and what is asked under `properties`"));
            return;
        }
        for pointer in form::passed_over(schema) {
            let keyword = pointer.rsplit('/').next().unwrap_or_default();
            let message = format!("forms are not checked for `{keyword}`");
            let place = node.at_pointer(&pointer).span;
            let known = form::CHECKED.map(|known| match known {
                "additionalProperties" => "additionalProperties: false",
                known => known,
            });
            let known = listed(&known);
            let help = format!("leave it out; what is checked is {known}");
            self.push(self.mistake(place, message).help(help));
        }
        let names = schema["properties"].as_object();
        let names: Vec<&str> = names.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            let mistake = self.mistake(node.span, "the form asks for nothing");
            self.push(mistake.help("list what is asked under `properties`"));
            return;
        }
        let required = schema["required"].as_array().into_iter().flatten().enumerate();
        for (at, name) in required.filter_map(|(at, name)| Some((at, name.as_str()?))) {
            if !names.contains(&name) {
                let place = node.at_pointer(&format!("/required/{at}")).span;
                let mistake = self.mistake(place, format!("the form does not ask for `{name}`"));
                self.push(mistake.maybe_help(did_you_mean(name, &names, "it asks for")));
            }
        }
    }

    /// Parses `approve`, `reject`, `fail` or `{default: …}`. A single choice needs no list.
    fn on_timeout(&mut self, node: &Node, one_choice: bool) -> Option<OnTimeout> {
        let Yaml::Map(_) = &node.value else {
            return self.one_of(node, "on_timeout", &ON_TIMEOUT);
        };
        let mut fields = Fields::of(self, node, "`on_timeout`")?;
        let default = fields.need(self, "default", "write `on_timeout: {default: …}`, or a word");
        fields.finish(self);
        let (_, node) = default?;
        let computed = self.computed(node)?;
        if let Some(expression) = computed.expressions().first() {
            let place = expression.written.place(Span::new(0, expression.expression.text().len()));
            let mistake = self.mistake(place, "a default answer is a value, and no expression");
            self.push(mistake.help("it is the same for every run"));
        }
        let value = match node.value.to_json() {
            Value::String(name) if one_choice => Value::from(vec![name]),
            value => value,
        };
        Some(OnTimeout::Default(Arc::new(value)))
    }
}
