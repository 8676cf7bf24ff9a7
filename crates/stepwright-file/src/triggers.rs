//! The triggers of a file, with inputs that are computed from what triggered.

use crate::definition::Definition;
use crate::format::{Computed, Expr};
use crate::reference::OwnedValues;
use crate::work::value_of;
use serde_json::Value;
use stepwright_core::{Content, Error, ErrorKind, StepInput};
use stepwright_triggers::{Schedule, Webhook};

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
                Some(input) => {
                    written.schedule.clone().input_from(move |firing| mapped(input.clone(), firing))
                }
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
                webhook = webhook.input_from(move |request| mapped(input.clone(), request));
            }
            if let Some(when) = written.when.clone() {
                webhook = webhook.only_if(move |request| judged(when.clone(), request));
            }
            if let Some(id) = written.id.clone() {
                webhook = webhook.delivery_id(move |request| named(id.clone(), request));
            }
            all.push(webhook);
        }
        all
    }
}

/// Decides if a request begins a run.
async fn judged(when: Expr, request: Value) -> Result<bool, Error> {
    match mapped(Computed::Expression(when), request).await?.to_value() {
        Value::Bool(holds) => Ok(holds),
        other => Err(refused(format!("`when` of a webhook must be true or false, not {other}"))),
    }
}

/// Computes the id of a delivery.
async fn named(id: Expr, request: Value) -> Result<String, Error> {
    match mapped(Computed::Expression(id), request).await?.to_value() {
        Value::String(name) if !name.is_empty() => Ok(name),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(refused(format!("`id` of a webhook must be a text or a number, not {other}"))),
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::Usage, what)
}

/// Computes an input from what triggered a run.
async fn mapped(input: Computed, triggered: Value) -> Result<Content, Error> {
    let values = OwnedValues::of(StepInput::of(triggered));
    value_of(&input, values).await.map(Content::from).map_err(|error| {
        let what = "an expression of the trigger cannot be computed";
        Error::new(ErrorKind::Usage, what).with_id(error.data.id()).with_source(error)
    })
}
