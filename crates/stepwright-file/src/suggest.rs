//! Suggestions for misspelled words.

/// The maximum number of candidates that are compared, because comparisons take time.
const COMPARED_MAX: usize = 500;
/// The maximum number of candidates that are listed.
const LISTED_MAX: usize = 20;

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
        if prefix { alike.max(0.9) } else { alike }
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

/// Joins words as `a`, `b` and `c`, each in backticks.
pub(crate) fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
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
