//! The failures of templates in terms of their author. minijinja's own texts are about its inside.

use minijinja::{Error, ErrorKind};

/// Marks a message of this crate, which is shown as it is.
const OWN: char = '\u{1}';

/// Creates an error with a message of this crate.
pub(super) fn said(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("{OWN}{message}"))
}

/// Parts of minijinja's messages about values, and what they mean.
const FAILURES: [(&str, &str); 30] = [
    ("unable to calculate", "it has no result, or one that is too large"),
    ("range has too many", "`range` has more than 100 000 elements"),
    ("range with step of 0", "`range` needs a step other than 0"),
    ("recursion limit", "it calls itself too often"),
    ("keyword argument", "it has an argument with a name that is not known, or lacks one"),
    ("strings can only be multiplied", "a text can only be repeated a whole number of times"),
    ("can only be multiplied with", "a list can only be repeated a whole number of times"),
    ("can only sum numbers", "`sum` adds numbers only"),
    ("cannot calculate length", "only texts, lists and objects have a length"),
    ("cannot convert value into pair", "an object is expected"),
    ("to float", "the value is not a number"),
    ("to integer", "the value is not a whole number"),
    ("value to list", "the value is not a list"),
    ("absolute value", "the value is not a number"),
    ("overflow on abs", "the number is too large"),
    ("first item", "the value is not a text or a list"),
    ("last item", "the value is not a text or a list"),
    ("cannot join", "only lists and texts can be joined"),
    ("containment check", "`in` looks into a text, a list or an object"),
    ("cannot recurse", "`loop(…)` belongs into a `recursive` loop, and takes a list"),
    ("cannot reverse", "only texts and lists can be reversed"),
    ("round", "the number cannot be rounded"),
    ("step size of 0", "a slice needs a step other than 0"),
    ("cannot be sliced", "only texts and lists have slices"),
    ("count cannot be 0", "the count must be at least 1"),
    ("not iterable", "the value is not a list"),
    ("must be iterable", "the value is not a list"),
    ("not callable", "the value is not a function"),
    ("sequence of wrong length", "the number of names and of values is not the same"),
    ("not a string", "the value is not a text"),
];

/// Describes the failure of a template with its values.
pub(super) fn failure(error: &Error) -> String {
    let detail = error.detail().unwrap_or_default();
    if let Some(own) = detail.strip_prefix(OWN) {
        return own.to_owned();
    }
    if let Some(operands) = detail.strip_prefix("tried to use ")
        && let Some((sign, types)) = operands.split_once(" operator on unsupported types ")
        && let Some((left, right)) = types.split_once(" and ")
    {
        return format!("`{sign}` cannot be used on {} and {}", kind(left), kind(right));
    }
    if let Some((_, plain)) = FAILURES.iter().find(|(words, _)| detail.contains(words)) {
        return (*plain).to_owned();
    }
    match error.kind() {
        ErrorKind::TooManyArguments => "it has too many arguments",
        ErrorKind::MissingArgument => "an argument is missing",
        ErrorKind::UnknownFilter => "there is no such filter",
        ErrorKind::UnknownFunction => "there is no such function",
        ErrorKind::UnknownTest => "there is no such test",
        ErrorKind::UnknownMethod => "the value has no such function",
        ErrorKind::UndefinedError => "a value is missing",
        ErrorKind::BadSerialization | ErrorKind::CannotDeserialize => "the value is not JSON",
        ErrorKind::CannotUnpack => "the value is not a list of as many elements",
        ErrorKind::NonKey => "the value cannot be the key of an object",
        _ => "it cannot be used with these values",
    }
    .to_owned()
}

/// Returns the words for the type of a value that minijinja calls `name`.
pub(super) fn kind(name: &str) -> &str {
    match name {
        "undefined" | "none" => "nothing",
        "bool" => "true or false",
        "number" => "a number",
        "string" => "a text",
        "bytes" => "bytes",
        "sequence" | "iterator" | "iterable" | "tuple" => "a list",
        "map" => "an object",
        _ => "a value that has no parts",
    }
}

/// Describes a mistake in the syntax of a template.
pub(super) fn syntax(error: &Error) -> String {
    let detail = error.detail().unwrap_or_default();
    if let Some(own) = detail.strip_prefix(OWN) {
        return own.to_owned();
    }
    let named = |prefix: &str| detail.strip_prefix(prefix).map(|name| name.trim_matches('`'));
    if detail.contains("unexpected end of") || detail.contains("end of input") {
        return "it ends too early".to_owned();
    }
    if let Some(name) = named("unknown statement ") {
        return format!("there is no statement `{name}`");
    }
    if let Some(rest) = named("unexpected ") {
        let found = rest.split(", expected").next().unwrap_or(rest);
        return match found {
            "character" | "input after expression" => "a sign is not expected here".to_owned(),
            "input after end of variable block" => "a sign is not expected here".to_owned(),
            "end of block" | "end of variable block" => "the tag ends too early".to_owned(),
            found if found.starts_with('`') => format!("{found} is not expected here"),
            found => match token(found) {
                plain if plain == found => format!("`{found}` is not expected here"),
                plain => format!("{plain} is not expected here"),
            },
        };
    }
    if let Some(name) = named("cannot assign to reserved variable name ") {
        return format!("`{name}` cannot be set");
    }
    let known = [
        ("recursion limits", "it is nested too deep"),
        ("invalid integer", "a number is too large"),
        ("invalid float", "a number is not valid"),
        ("bad string escape", "a text has an escape that is not known"),
        ("non-keyword arg", "an argument without a name follows one with a name"),
        ("duplicate argument", "an argument is given twice"),
        ("can only assign", "only variables and members of a namespace can be set"),
        ("call block", "`{% call %}` needs a macro"),
        ("block", "blocks have no place here"),
        ("empty subscript", "`[]` needs an index or a key"),
        ("macro", "a macro is not expected here"),
        ("expected", "something else is expected here"),
    ];
    let known = known.iter().find(|(words, _)| detail.contains(words));
    known.map_or("it cannot be read", |(_, plain)| plain).to_owned()
}

/// Returns the sign or the word that the name of a token stands for.
fn token(name: &str) -> &str {
    match name {
        "identifier" => "a name",
        "string" => "a text",
        "integer" | "float" => "a number",
        other => other,
    }
}
