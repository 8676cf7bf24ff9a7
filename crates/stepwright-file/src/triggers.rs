//! The triggers of a file, with inputs that are computed from what triggered, and its
//! notifications.

use crate::budget::{Budget, Unfinished};
use crate::definition::Definition;
use crate::format::{Computed, Expr, Text};
use crate::reference::OwnedValues;
use crate::work::value_of;
use serde_json::Value;
use stepwright_core::{Content, Error, ErrorKind, StepError, StepInput};
use stepwright_triggers::{Notification, Notifications, Schedule, Webhook};

impl Definition {
    /// Returns the schedules of the file. An agent of a file has none.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Digest
    /// on:
    ///   schedule: {name: morning, cron: 0 9 * * mon-fri, zone: Europe/Berlin}
    /// steps: [{name: greet, template: Good morning}]
    /// ";
    /// let digest = Definition::parse(text, "digest.yaml", &Options::default())?;
    /// let [morning] = &digest.schedules()[..] else { panic!() };
    /// assert_eq!(morning.name(), "morning");
    /// assert_eq!(morning.timetable().to_string(), "`0 9 * * mon-fri` in Europe/Berlin");
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn schedules(&self) -> Vec<Schedule> {
        let triggers = self.file.on.as_ref().filter(|_| self.only.is_none());
        let written = triggers.into_iter().flat_map(|triggers| &triggers.schedules);
        written
            .map(|written| match written.input.clone() {
                Some(input) => written.schedule.clone().input_from(move |firing| {
                    mapped("`input` of a schedule", input.clone(), firing)
                }),
                None => written.schedule.clone(),
            })
            .collect()
    }

    /// Returns the webhooks of the file. An agent of a file has none. A webhook whose secret has no
    /// value here is left out: the file cannot be built without it.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Review
    /// on:
    ///   webhook: {name: opened, when: '= input.body.action == \"opened\"'}
    /// steps: [{name: show, template: '{{ input.number }}'}]
    /// ";
    /// let review = Definition::parse(text, "review.yaml", &Options::default())?;
    /// assert_eq!(review.webhooks()[0].name(), "opened");
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    pub fn webhooks(&self) -> Vec<Webhook> {
        let triggers = self.file.on.as_ref().filter(|_| self.only.is_none());
        let mut all = Vec::new();
        for written in triggers.into_iter().flat_map(|triggers| &triggers.webhooks) {
            let mut webhook = written.webhook.clone();
            if let Some(secret) = &written.secret {
                let value = self.file.declared.secrets.get(&secret.text).and_then(Value::as_str);
                let Some(value) = value else { continue };
                webhook = webhook.signed(written.signature, value);
            }
            if let Some(input) = written.input.clone() {
                webhook = webhook.input_from(move |request| {
                    mapped("`input` of a webhook", input.clone(), request)
                });
            }
            if let Some(when) = written.when.clone() {
                webhook = webhook.only_if(move |request| judged(when.clone(), request));
            }
            if let Some(key) = written.key.clone() {
                webhook = webhook.event_key(move |request| {
                    let key = named(key.clone(), "key", request);
                    async move { key.await.map(Some) }
                });
            }
            if let Some(id) = written.id.clone() {
                webhook = webhook.delivery_id(move |request| named(id.clone(), "id", request));
            }
            all.push(webhook);
        }
        all
    }
}

impl Definition {
    /// Returns the notifications of the file, with the values of their secrets. An agent of a file
    /// has none. The workflow that the file builds has them already; a server sends them.
    ///
    /// ```
    /// use stepwright_file::{Definition, Options};
    /// let text = "
    /// format: 1
    /// name: Digest
    /// notify: {name: chat, to: https://chat.example.org/hooks/7, events: [paused, failed]}
    /// steps: [{name: greet, template: Good morning}]
    /// ";
    /// let digest = Definition::parse(text, "digest.yaml", &Options::default())?;
    /// assert_eq!(digest.notifications().unwrap().iter().next().unwrap().name(), "chat");
    /// # Ok::<(), stepwright_file::Diagnostics>(())
    /// ```
    ///
    /// # Errors
    /// If a secret has no value here, or if an address that is made of values is not valid.
    pub fn notifications(&self) -> Result<Notifications, Error> {
        let written = self.file.notify.as_ref().filter(|_| self.only.is_none());
        let mut all = Vec::new();
        for written in written.into_iter().flat_map(|notify| &notify.all) {
            let to = address(&written.to).map_err(|error| {
                let what = format!("`to` of notification `{}` cannot be made", written.name.text);
                Error::new(ErrorKind::Definition, what).with_source(error)
            })?;
            let mut notification = Notification::new(&written.name.text, &to)?;
            if let Some(secret) = &written.secret {
                let value = self.file.declared.secrets.get(&secret.text).and_then(Value::as_str);
                let value = value.ok_or_else(|| {
                    let what = format!("secret `{}` has no value", secret.text);
                    let hint = format!("set the environment variable `{}`", secret.text);
                    Error::new(ErrorKind::Definition, what).with_hint(hint)
                })?;
                notification = notification.signed(value);
            }
            if let Some(events) = &written.events {
                notification = notification.events(events.iter().copied());
            }
            if let Some(json) = written.json.clone() {
                notification =
                    notification.body_from(move |about| {
                        let json = json.clone();
                        async move {
                            Ok(mapped("`json` of a notification", json, about).await?.to_value())
                        }
                    });
            }
            if let Some(person) = &written.link_for {
                notification = notification.link_for(person.text.as_str());
            }
            if let Some(timeout) = written.timeout {
                notification = notification.timeout(timeout)?;
            }
            all.push(notification);
        }
        Ok(Notifications::new(all))
    }
}

/// Makes an address of constants.
fn address(to: &Text) -> Result<String, StepError> {
    let values = OwnedValues::of(StepInput::of(Value::Null));
    to.render(&values.values(), &Budget::whole(None)).map_err(|unfinished| match unfinished {
        Unfinished::Failed(error) => error,
        Unfinished::NotHere => StepError::terminal("it is too large"),
    })
}

/// Decides if a request begins a run.
async fn judged(when: Expr, request: Value) -> Result<bool, Error> {
    match mapped("`when` of a webhook", Computed::Expression(when), request).await?.to_value() {
        Value::Bool(holds) => Ok(holds),
        other => Err(refused(format!("`when` of a webhook must be true or false, not {other}"))),
    }
}

/// Computes the id of a delivery, or the key of an event.
async fn named(id: Expr, what: &str, request: Value) -> Result<String, Error> {
    let whole = format!("`{what}` of a webhook");
    match mapped(&whole, Computed::Expression(id), request).await?.to_value() {
        Value::String(name) if !name.is_empty() => Ok(name),
        Value::Number(number) => Ok(number.to_string()),
        other => {
            Err(refused(format!("`{what}` of a webhook must be a text or a number, not {other}")))
        }
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::Usage, what)
}

/// Computes the value of a key from what triggered a run, or from what a notification is about.
///
/// The message has the reason: over HTTP and in lists of deliveries, it is all that is shown.
async fn mapped(key: &str, input: Computed, triggered: Value) -> Result<Content, Error> {
    let values = OwnedValues::of(StepInput::of(triggered));
    value_of(&input, values).await.map(Content::from).map_err(|error| {
        let id = error.data.id();
        let what = format!("{key} cannot be computed: {}", error.data.message);
        let wrong = Error::new(ErrorKind::Usage, what).with_id(id);
        match error.data.hint.as_deref() {
            Some(hint) => wrong.with_hint(hint),
            None => wrong,
        }
    })
}
