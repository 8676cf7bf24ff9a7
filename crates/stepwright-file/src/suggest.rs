//! Suggestions for misspelled words.

/// The maximum number of candidates that are compared, because comparisons take time.
const COMPARED_MAX: usize = 500;
/// The maximum number of candidates that are listed. A file has fewer keys at the top.
const LISTED_MAX: usize = 60;

/// Returns the candidate most similar to `word`, if one is similar enough.
pub(crate) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let like = |candidate: &str| {
        let candidate = candidate.to_lowercase();
        let alike = strsim::jaro_winkler(&wanted, &candidate);
        // A prefix such as `desc` for `description` is similar, even if much is missing.
        let prefix = wanted.len() >= 3 && candidate.starts_with(&wanted);
        // A part such as `all` for `wait_all` is similar too.
        let part = wanted.len() >= 3 && candidate.split('_').any(|part| part == wanted);
        match (prefix, part) {
            (true, _) => alike.max(0.9),
            (_, true) => alike.max(0.85),
            _ => alike,
        }
    };
    candidates
        .into_iter()
        .take(COMPARED_MAX)
        .map(|candidate| (like(candidate), candidate))
        .filter(|(alike, _)| *alike >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Returns "did you mean `x`?" or a list of the candidates. `None` if there are none.
pub(crate) fn did_you_mean(word: &str, candidates: &[&str], there_is: &str) -> Option<String> {
    match closest(word, candidates.iter().copied()) {
        Some(found) => Some(format!("did you mean `{found}`?")),
        None if candidates.is_empty() => None,
        None if candidates.len() > LISTED_MAX => {
            let first = listed(&candidates[..LISTED_MAX]);
            Some(format!("{there_is}: {first}, and {} more", candidates.len() - LISTED_MAX))
        }
        None => Some(format!("{there_is}: {}", listed(candidates))),
    }
}

/// Returns the word that a hint says was meant.
pub(crate) fn meant(hint: &str) -> Option<&str> {
    hint.strip_prefix("did you mean `")?.strip_suffix("`?")
}

/// Joins words as `a`, `b` and `c`, each in backticks.
pub(crate) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// The keys of other tools, and those that this format has for them.
const ELSEWHERE: [(&str, &str); 62] = [
    ("run", "shell"),
    ("command", "shell"),
    ("cmd", "shell"),
    ("script", "shell"),
    ("bash", "shell"),
    ("exec", "shell"),
    ("sh", "shell"),
    ("uses", "workflow"),
    ("include", "workflow"),
    ("import", "workflow"),
    ("call", "workflow"),
    ("subworkflow", "workflow"),
    ("for_each", "map"),
    ("foreach", "map"),
    ("for", "map"),
    ("with_items", "map"),
    ("each", "map"),
    ("matrix", "map"),
    ("while", "loop"),
    ("repeat", "loop"),
    ("until", "loop"),
    ("when", "if"),
    ("condition", "if"),
    ("unless", "if"),
    ("switch", "router"),
    ("case", "router"),
    ("route", "router"),
    ("sequence", "steps"),
    ("tasks", "steps"),
    ("jobs", "steps"),
    ("nodes", "steps"),
    ("stages", "steps"),
    ("pipeline", "steps"),
    ("fetch", "http"),
    ("request", "http"),
    ("curl", "http"),
    ("url", "http"),
    ("return", "stop"),
    ("exit", "stop"),
    ("end", "stop"),
    ("finish", "stop"),
    ("append", "append_file"),
    ("always", "finally"),
    ("ensure", "finally"),
    ("cleanup", "finally"),
    ("catch", "on_failure"),
    ("rescue", "on_failure"),
    ("except", "on_failure"),
    ("compensate", "undo"),
    ("rollback", "undo"),
    ("variables", "vars"),
    ("constants", "vars"),
    ("environment", "env"),
    ("text", "template"),
    ("llm", "agent"),
    ("wait", "sleep"),
    ("delay", "sleep"),
    ("version", "format"),
    ("id", "name"),
    ("title", "name"),
    ("retries", "retry"),
    ("continue_on_error", "on_error"),
];

/// Returns the key that this format has for one of another tool.
pub(crate) fn elsewhere(word: &str) -> Option<&'static str> {
    let word = word.replace('-', "_").to_lowercase();
    ELSEWHERE.iter().find(|(other, _)| *other == word).map(|(_, here)| *here)
}

/// The keys of other tools for which this format has another way.
const OTHER_WAYS: [(&[&str], &str); 9] = [
    (
        &["depends_on", "needs", "after", "requires", "dependencies"],
        "steps run in the order of the list; `parallel` runs branches at once",
    ),
    (
        &["when", "condition", "if"],
        "put the step into one of its own: `{name: …, if: \"= …\", then: [ … ]}`",
    ),
    (
        &["with_items", "for_each", "foreach", "loop", "matrix"],
        "put the step into a map: `{name: …, map: {over: \"= …\"}, do: [ … ]}`",
    ),
    (
        &["with", "inputs", "args", "params", "parameters", "arguments"],
        "a step works on what the step before gives: make its input in a `value` step; only a \
         `workflow` has a `with`",
    ),
    (&["register", "outputs", "output", "save_as"], "other steps use the output as `steps.NAME`"),
    (
        &["env"],
        "give variables to a command: `shell: {command: …, env: { … }}`; those that the file \
         reads are listed under `env` at the top",
    ),
    (
        &["model", "instructions", "tools"],
        "agents are declared under `agents:` at the top of the file",
    ),
    (
        &["approval", "approve", "confirm", "confirmation", "requires_confirmation"],
        "a person is asked with `human_review: {requires_confirmation: Publish it?}`",
    ),
    (&["next", "goto", "then_goto"], "use `if`, `router` or `loop` for another order"),
];

/// Returns advice about a key of another tool that a step does not have.
pub(crate) fn other_way(word: &str) -> Option<&'static str> {
    let word = word.replace('-', "_").to_lowercase();
    let found = OTHER_WAYS.iter().find(|(words, _)| words.contains(&word.as_str()));
    found.map(|(_, advice)| *advice)
}

/// Returns a reference to a step: `steps.name`, or `steps['a name']`.
pub(crate) fn step_reference(root: &str, name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if is_plain { format!("{root}.{name}") } else { format!("{root}['{name}']") }
}

/// Returns the reference to a step whose name has spaces, for `steps.my step` in a text.
pub(crate) fn spaced_step(text: &str) -> Option<String> {
    let at = text.find("steps.")?;
    let rest = &text[at + "steps.".len()..];
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    let name = rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())].trim();
    let words: Vec<&str> = name.split_whitespace().collect();
    let is_word = |word: &&str| matches!(*word, "in" | "and" | "or" | "not" | "is" | "if" | "else");
    let is_name = words.len() > 1 && !words.iter().any(is_word);
    is_name.then(|| format!("steps['{name}']"))
}

/// Returns the text without the braces of a template, if it has any: `{{ input }} == 3` is
/// `input == 3`.
pub(crate) fn without_braces(text: &str) -> Option<String> {
    if !text.contains("{{") {
        return None;
    }
    let plain = text.replace("{{", " ").replace("}}", " ");
    Some(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likeness_is_needed() {
        let words = ["sources", "notes", "description"];
        assert_eq!(closest("sorces", words), Some("sources"));
        assert_eq!(closest("desc", words), Some("description"));
        assert_eq!(closest("xyz", words), None);
        assert_eq!(listed(&["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
