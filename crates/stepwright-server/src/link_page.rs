//! The page of a link: the question with a form. It needs no script, and loads nothing.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Number, Value};
use std::fmt::Write as _;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

/// The name of the field with the decision.
const DECISION: &str = "decision";

/// The name of the field with the reason of a rejection.
const FEEDBACK: &str = "feedback";

/// The name of the field with a value as JSON, where there are no fields of a form.
const VALUE: &str = "value";

/// The name of the fields with routes.
const CHOICE: &str = "choice";

/// The beginning of the names of the fields of a form.
const FIELD: &str = "field.";

/// The page sends its own form, and no more. Frames would hide what a person clicks on.
const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// Writes a page.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\
         <meta name=\"robots\" content=\"noindex\"><title>{title}</title></head>\n\
         <body><main><h1>{title}</h1>\n{body}</main></body></html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // With `no-referrer` a browser would not say that the form is one of this server.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, text).into_response()
}

/// Writes a page with one sentence.
pub(crate) fn note(status: StatusCode, title: &str, text: &str) -> Response {
    page(status, title, &format!("<p>{}</p>\n", escaped(text)))
}

/// Writes the page of a question, perhaps with the mistake in the last answer.
pub(crate) fn question(asked: &Requirement, to: &str, mistake: Option<&str>) -> Response {
    let mut body = String::new();
    if let Some(mistake) = mistake {
        let _ = writeln!(body, "<p role=\"alert\"><strong>{}</strong></p>", escaped(mistake));
    }
    if let Some(shown) = shown(asked) {
        let _ = writeln!(body, "<pre>{}</pre>", escaped(&shown));
    }
    let _ = writeln!(body, "<p>Step <code>{}</code></p>", escaped(&asked.path.to_string()));
    body.push_str("<form method=\"post\">\n");
    fields(asked, &mut body);
    for decision in decisions(asked) {
        if decision == "reject" {
            let _ = writeln!(
                body,
                "<p><label>Reason for a rejection<br>\
                 <textarea name=\"{FEEDBACK}\" rows=\"3\"></textarea></label></p>"
            );
        }
        let title = titled(decision);
        let _ = writeln!(body, "<button name=\"{DECISION}\" value=\"{decision}\">{title}</button>");
    }
    let _ = writeln!(body, "</form>\n<p>You answer as {}.</p>", escaped(to));
    let status = if mistake.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let title = if asked.message.is_empty() { "A run waits for you" } else { &*asked.message };
    page(status, title, &body)
}

/// Returns the decisions of a page. What holds for longer, or changes content, needs a key.
fn decisions(asked: &Requirement) -> impl Iterator<Item = &'static str> {
    let all = asked.answers().iter().copied();
    all.filter(|word| !matches!(*word, "always" | "edit"))
}

fn titled(decision: &str) -> String {
    let mut letters = decision.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Returns the thing that the question is about.
fn shown(asked: &Requirement) -> Option<String> {
    let json = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    match &asked.kind {
        RequirementKind::Confirmation { input } if !input.is_empty() => Some(input.to_string()),
        RequirementKind::OutputReview { output, .. } => Some(output.content.to_string()),
        RequirementKind::IterationReview { content, .. } => Some(content.to_string()),
        RequirementKind::ToolConfirmation { tool } => {
            Some(json(&serde_json::to_value(tool).unwrap_or_default()))
        }
        RequirementKind::ExternalExecution { arguments, .. } => Some(json(arguments)),
        _ => None,
    }
}

/// Returns the schema of the value to submit.
fn schema(asked: &Requirement) -> Option<&Value> {
    match &asked.kind {
        RequirementKind::UserInput { schema } => Some(schema),
        RequirementKind::Wait { schema } => schema.as_deref(),
        _ => None,
    }
}

/// Returns the properties of a form, if each of them fits into one field.
fn properties(asked: &Requirement) -> Option<&Map<String, Value>> {
    schema(asked)?.get("properties")?.as_object().filter(|all| !all.is_empty())
}

fn fields(asked: &Requirement, body: &mut String) {
    if let RequirementKind::RouteSelection { choices, multiple } = &asked.kind {
        let kind = if *multiple { "checkbox" } else { "radio" };
        for choice in choices.iter() {
            let choice = escaped(choice);
            let _ = writeln!(
                body,
                "<p><label><input type=\"{kind}\" name=\"{CHOICE}\" value=\"{choice}\"> \
                 {choice}</label></p>"
            );
        }
    }
    if !asked.answers().contains(&"submit") {
        return;
    }
    let Some(properties) = properties(asked) else {
        let _ = writeln!(
            body,
            "<p><label>Value, as JSON<br><textarea name=\"{VALUE}\" rows=\"5\"></textarea>\
             </label></p>"
        );
        return;
    };
    for (name, property) in properties {
        let label = property.get("title").and_then(Value::as_str).unwrap_or(name);
        let (name, label) = (escaped(name), escaped(label));
        let input = if let Some(options) = property.get("enum").and_then(Value::as_array) {
            let options = options.iter().map(|option| {
                let text = option.as_str().map_or_else(|| option.to_string(), str::to_owned);
                format!("<option>{}</option>", escaped(&text))
            });
            let options: String = options.collect();
            format!("<select name=\"{FIELD}{name}\"><option></option>{options}</select>")
        } else if property["type"] == "boolean" {
            format!("<input type=\"checkbox\" name=\"{FIELD}{name}\" value=\"true\">")
        } else {
            format!("<input name=\"{FIELD}{name}\">")
        };
        let _ = writeln!(body, "<p><label>{label}<br>{input}</label></p>");
    }
}

/// Reads the answer in a form. Returns the mistake if there is none.
pub(crate) fn answer(asked: &Requirement, form: &[u8]) -> Result<Answer, String> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
    let all = |name: &str| -> Vec<&str> {
        let named = pairs.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).collect()
    };
    let decision = all(DECISION).first().copied().unwrap_or_default();
    if !decisions(asked).any(|known| known == decision) {
        return Err("Choose one of the buttons.".to_owned());
    }
    let answer = match decision {
        "approve" => Answer::Approve,
        "retry" => Answer::Retry,
        "skip" => Answer::Skip,
        "select" => Answer::select(all(CHOICE)),
        "submit" => Answer::submit(match properties(asked) {
            Some(properties) => object(properties, all),
            None => value(all(VALUE).first().copied().unwrap_or_default())?,
        }),
        _ => match all(FEEDBACK).first().map(|text| text.trim()) {
            Some(text) if !text.is_empty() => Answer::reject(text),
            _ => Answer::Reject { feedback: None },
        },
    };
    asked.check(&answer).map(|()| answer)
}

/// Reads the fields of a form. An empty field is absent.
fn object<'f>(properties: &Map<String, Value>, all: impl Fn(&str) -> Vec<&'f str>) -> Value {
    let mut object = Map::new();
    for (name, property) in properties {
        let given = all(&format!("{FIELD}{name}")).first().copied().unwrap_or_default();
        let is = |kind: &str| property["type"] == kind;
        if is("boolean") {
            object.insert(name.clone(), (given == "true").into());
        } else if !given.is_empty() {
            object.insert(name.clone(), typed(property, given));
        }
    }
    Value::Object(object)
}

/// Returns the text of a field as a value of its type, or as the text, which the check then names.
fn typed(property: &Value, given: &str) -> Value {
    let options = property.get("enum").and_then(Value::as_array).into_iter().flatten();
    let mut options = options.filter(|option| !option.is_string());
    // A number or a truth value among the options has the text that the page shows for it.
    if let Some(option) = options.find(|option| is_shown_as(option, given)) {
        return option.clone();
    }
    let number = || given.parse::<Number>().map(Value::Number).ok();
    let read = match property["type"].as_str() {
        Some("integer" | "number") => number(),
        Some("object" | "array") => value(given).ok(),
        _ => None,
    };
    read.unwrap_or_else(|| given.into())
}

fn is_shown_as(option: &Value, text: &str) -> bool {
    let shown = option.to_string();
    shown == text
}

fn value(text: &str) -> Result<Value, String> {
    stepwright_core::json::parse(text).map_err(|error| format!("The value is no JSON: {error}"))
}

/// Escapes a text for HTML.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter => safe.push(letter),
        }
    }
    safe
}
