//! Paths that are similar to one that was not found.

use stepwright_core::StepPath;

/// The largest number of paths that are compared, because comparisons take time.
const COMPARED_MAX: usize = 2_000;

/// The largest number of paths in a hint.
const LISTED_MAX: usize = 5;

/// Returns a hint with the paths that are most similar to the wanted one.
pub(crate) fn hint(wanted: &StepPath, begun: &[StepPath]) -> String {
    let mut near: Vec<(usize, &StepPath)> = begun
        .iter()
        .take(COMPARED_MAX)
        .map(|path| (distance(wanted.as_str(), path.as_str()), path))
        .collect();
    near.sort_by_key(|(distance, _)| *distance);
    if near.is_empty() {
        return "it has begun no step yet".to_owned();
    }
    let listed: Vec<String> =
        near.iter().take(LISTED_MAX).map(|(_, path)| format!("`{path}`")).collect();
    let more = if begun.len() > LISTED_MAX { "; `stepwright show` shows all" } else { "" };
    format!("it has begun {}{more}", listed.join(", "))
}

/// Returns the number of characters that differ between two texts.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.to_lowercase().chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, character) in one.to_lowercase().chars().enumerate() {
        let mut before = row[0];
        row[0] = at + 1;
        for (place, target) in other.iter().enumerate() {
            let replaced = before + usize::from(character != *target);
            before = row[place + 1];
            row[place + 1] = replaced.min(before + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_paths_come_first() {
        let begun: Vec<StepPath> =
            ["plan", "revise", "revise#1", "revise#2/write"].map(StepPath::from).into();
        let hint = hint(&"revise#2/wirte".into(), &begun);
        assert!(hint.starts_with("it has begun `revise#2/write`, "), "{hint}");
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
