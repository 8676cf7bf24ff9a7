//! Answers from the command line and from files.

use crate::args::Continue;
use crate::input_text;
use serde_json::{Map, Value};
use stepwright::{Content, Error, ErrorId};
use stepwright_core::json::JsonError;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Requirement};

/// Answers to questions. The key is the id of a question or the path of its step.
pub(crate) type Answers = Vec<(String, Answer)>;

/// Filled-in forms by the key of their question.
type Forms = Vec<(String, Map<String, Value>)>;

/// Reads the answers to the pending requests `open` from the command line.
pub(crate) fn given(arguments: &Continue, open: &[Requirement]) -> Result<Answers, Error> {
    if let Some(path) = &arguments.answers {
        let (text, shown) = input_text::read_file(path)?;
        return of_json(&text, &shown);
    }
    let mut answers = Answers::new();
    let mut say = |key: &str, answer| answers.push((key.to_owned(), answer));
    for key in &arguments.approve {
        say(key, Answer::Approve);
    }
    for key in &arguments.always {
        say(key, Answer::Always);
    }
    for key in &arguments.retry {
        say(key, Answer::Retry);
    }
    for key in &arguments.skip {
        say(key, Answer::Skip);
    }
    for text in &arguments.reject {
        let (key, why) = split(text, '=', open);
        let feedback = why.filter(|why| !why.is_empty()).map(Into::into);
        say(key, Answer::Reject { feedback });
    }
    for text in &arguments.edit {
        let (key, content) = pair("--edit", "ID=CONTENT", text, open)?;
        say(key, Answer::Edit { content: edited(find(open, key), content)? });
    }
    for text in &arguments.submit {
        let (key, json) = pair("--submit", "ID=JSON", text, open)?;
        let schema = find(open, key).and_then(schema_of);
        say(key, Answer::Submit { value: value("--submit", key, json, schema)? });
    }
    for text in &arguments.done {
        let (key, output) = split(text, '=', open);
        if let Some(asked) = find(open, key)
            && !matches!(asked.kind, RequirementKind::Interrupted { .. })
        {
            let what = format!("`--done {text}`: `{key}` does not ask whether it was done");
            let words = asked.answers().join(", ");
            let error = Error::usage(what).with_id(ErrorId::ANSWER_UNFIT);
            return Err(error.with_hint(format!("it can be answered with {words}")));
        }
        say(key, Answer::submit(output.unwrap_or_default()));
    }
    for text in &arguments.select {
        let (key, choices) = pair("--select", "ID=CHOICE,…", text, open)?;
        let choices = choices.split(',').map(str::trim).filter(|choice| !choice.is_empty());
        say(key, Answer::select(choices));
    }
    for (key, form) in forms(&arguments.set, open)? {
        say(&key, Answer::submit(form));
    }
    Ok(answers)
}

/// Parses answers such as `{"publish!confirm": {"decision": "approve"}}`.
fn of_json(text: &str, shown: &str) -> Result<Answers, Error> {
    let hint = "write an object: `{\"publish!confirm\": {\"decision\": \"approve\"}}`";
    let wrong = |why: String| {
        let error = Error::usage(format!("{shown} has no answers: {why}"));
        error.with_id(ErrorId::ANSWER_UNREADABLE).with_hint(hint)
    };
    let all: Map<String, Value> = stepwright_core::json::parse(text)
        .map_err(|error| error.to_string())
        .and_then(|all| serde_json::from_value(all).map_err(|error| error.to_string()))
        .map_err(wrong)?;
    if all.is_empty() {
        return Err(wrong("it is empty".to_owned()));
    }
    let answer = |(key, value): (String, Value)| {
        let answer = serde_json::from_value(value);
        answer.map(|answer| (key.clone(), answer)).map_err(|e| wrong(format!("`{key}`: {e}")))
    };
    all.into_iter().map(answer).collect()
}

/// Collects the fields of each form.
fn forms(fields: &[String], open: &[Requirement]) -> Result<Forms, Error> {
    let mut forms = Forms::new();
    for text in fields {
        let wrong = || {
            Error::usage(format!("`--set {text}` does not say which field is what"))
                .with_id(ErrorId::ANSWER_UNREADABLE)
                .with_hint("write it as `--set ID.FIELD=VALUE`")
        };
        let (key, rest) = match split(text, '.', open) {
            (key, Some(rest)) if names(open, key) => (key, rest),
            _ => text
                .split_once('=')
                .and_then(|(name, _)| name.rsplit_once('.'))
                .map(|(key, _)| (key, &text[key.len() + 1..]))
                .ok_or_else(wrong)?,
        };
        let (field, said) = rest.split_once('=').ok_or_else(wrong)?;
        let schema = find(open, key).and_then(schema_of).and_then(|s| s["properties"].get(field));
        let said = value("--set", &format!("{key}.{field}"), said, schema)?;
        match forms.iter_mut().find(|(name, _)| name == key) {
            Some((_, form)) => {
                form.insert(field.to_owned(), said);
            }
            None => forms.push((key.to_owned(), Map::from_iter([(field.to_owned(), said)]))),
        }
    }
    Ok(forms)
}

/// Finds the question with this id, or the only question of the step at this path or with this
/// name.
pub(crate) fn find<'a>(open: &'a [Requirement], key: &str) -> Option<&'a Requirement> {
    let only = |is_here: &dyn Fn(&Requirement) -> bool| {
        let mut here = open.iter().filter(|asked| is_here(asked));
        here.next().filter(|_| here.next().is_none())
    };
    open.iter()
        .find(|asked| *asked.id == *key)
        .or_else(|| only(&|asked| asked.path.as_str() == key))
        // A question of a tool call also counts as a question of its step.
        .or_else(|| only(&|asked| asked.path.step().as_str() == key))
        .or_else(|| only(&|asked| asked.path.step().name() == key))
}

/// Returns `true` if a question has this key.
fn names(open: &[Requirement], key: &str) -> bool {
    let is_named = |asked: &Requirement| {
        let step = asked.path.step();
        *asked.id == *key
            || asked.path.as_str() == key
            || step.as_str() == key
            || step.name() == key
    };
    open.iter().any(is_named)
}

/// Splits the key of a question from the text after the mark. A step's name may contain the mark,
/// as `a=b` does, so the pending requests determine where the key ends.
fn split<'a>(text: &'a str, mark: char, open: &[Requirement]) -> (&'a str, Option<&'a str>) {
    let ends = |key: &str| {
        let rest = text.strip_prefix(key)?;
        (rest.is_empty() || rest.starts_with(mark)).then_some(key.len())
    };
    let known = open.iter().flat_map(|asked| {
        let step = asked.path.step();
        [ends(&asked.id), ends(asked.path.as_str()), ends(step.as_str()), ends(step.name())]
    });
    match known.flatten().max() {
        Some(end) => (&text[..end], text[end..].strip_prefix(mark)),
        None => match text.split_once(mark) {
            Some((key, rest)) => (key, Some(rest)),
            None => (text, None),
        },
    }
}

fn pair<'a>(
    option: &str,
    form: &str,
    text: &'a str,
    open: &[Requirement],
) -> Result<(&'a str, &'a str), Error> {
    let (key, rest) = split(text, '=', open);
    let rest = rest.ok_or_else(|| {
        Error::usage(format!("`{option} {text}` has no value"))
            .with_id(ErrorId::ANSWER_UNREADABLE)
            .with_hint(format!("write it as `{option} {form}`"))
    })?;
    Ok((key, rest))
}

/// Returns the JSON Schema of the answer.
fn schema_of(asked: &Requirement) -> Option<&Value> {
    match &asked.kind {
        RequirementKind::UserInput { schema } => Some(schema),
        RequirementKind::Wait { schema } => schema.as_deref(),
        _ => None,
    }
}

/// Parses a typed value as the schema demands: as JSON, or as text where the schema allows text.
fn value(option: &str, key: &str, text: &str, schema: Option<&Value>) -> Result<Value, Error> {
    let kind = schema.map(|schema| &schema["type"]);
    let has = |wanted: &str| match kind {
        Some(Value::String(one)) => one == wanted,
        Some(Value::Array(several)) => several.iter().any(|one| one == wanted),
        _ => true,
    };
    if kind.is_some_and(|kind| kind == "string") {
        return Ok(text.into());
    }
    match stepwright_core::json::parse(text) {
        Ok(value) => Ok(value),
        Err(JsonError::Syntax(_)) if has("string") => Ok(text.into()),
        Err(error) => Err(Error::usage(format!("`{option}`: `{key}` is not JSON: {error}"))
            .with_id(ErrorId::ANSWER_UNREADABLE)),
    }
}

/// Parses the edited content: as JSON if the reviewed content is JSON, and as text otherwise.
fn edited(asked: Option<&Requirement>, text: &str) -> Result<Content, Error> {
    let is_json = match asked.map(|asked| &asked.kind) {
        Some(RequirementKind::ToolConfirmation { .. }) => true,
        Some(RequirementKind::OutputReview { output, .. }) => {
            matches!(output.content, Content::Json(_)) && !output.content.is_empty()
        }
        Some(RequirementKind::IterationReview { content, .. }) => {
            matches!(content, Content::Json(_)) && !content.is_empty()
        }
        _ => false,
    };
    if !is_json {
        return Ok(text.into());
    }
    let value = stepwright_core::json::parse(text).map_err(|error| {
        Error::usage(format!("`--edit {text}` is not JSON, and JSON is looked at: {error}"))
            .with_id(ErrorId::ANSWER_UNREADABLE)
    })?;
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn form(id: &str, path: &str) -> Requirement {
        let schema = json!({"type": "object", "properties": {
            "tone": {"type": "string"}, "words": {"type": "integer"},
        }});
        Requirement {
            id: id.into(),
            path: path.into(),
            kind: RequirementKind::UserInput { schema: schema.into() },
            message: "".into(),
            due: None,
            on_timeout: stepwright_core::OnTimeout::default(),
        }
    }

    #[test]
    fn what_is_open_decides_where_a_name_ends() {
        let open = [form("a=b!input", "a=b"), form("v1.2!input", "v1.2")];
        assert_eq!(split("a=b=no", '=', &open), ("a=b", Some("no")));
        assert_eq!(split("a=b!input", '=', &open), ("a=b!input", None));
        assert_eq!(split("c=d=e", '=', &open), ("c", Some("d=e")));
        let fields = ["v1.2.tone=3", "v1.2.words=3", "x.y.z=1"].map(str::to_owned);
        let forms = forms(&fields, &open).unwrap();
        let Value::Object(filled) = json!({"tone": "3", "words": 3}) else { unreachable!() };
        assert_eq!(forms[0], ("v1.2".to_owned(), filled));
        assert_eq!(forms[1].0, "x.y");
    }

    #[test]
    fn a_name_twice_in_an_answer_is_refused() {
        let twice = r#"{"to": "ada", "to": "eve"}"#;
        let error = value("--submit", "a", twice, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "`--submit`: `a` is not JSON: an object has `to` twice at line 1 column 15"
        );
        let all = r#"{"a": {"decision": "approve"}, "a": {"decision": "reject"}}"#;
        let error = of_json(all, "`answers.json`").unwrap_err().to_string();
        assert!(error.contains("an object has `a` twice"), "{error}");
    }
}
