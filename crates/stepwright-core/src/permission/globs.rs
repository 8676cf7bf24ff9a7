//! Matches patterns with stars, in a time that grows with the product of both lengths: patterns
//! come from files that may not be trustworthy.

/// Returns `true` if the pattern matches. A star stands for any number of pieces.
pub(super) fn matches<P, T>(
    pattern: &[P],
    text: &[T],
    is_star: impl Fn(&P) -> bool,
    is_same: impl Fn(&P, &T) -> bool,
) -> bool {
    let (mut at, mut from, mut star) = (0, 0, None);
    while from < text.len() {
        match pattern.get(at) {
            Some(piece) if is_star(piece) => {
                star = Some((at, from));
                at += 1;
            }
            Some(piece) if is_same(piece, &text[from]) => {
                at += 1;
                from += 1;
            }
            _ => {
                // Let the last star stand for one piece more.
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (at, from) = (place + 1, taken + 1);
            }
        }
    }
    pattern[at..].iter().all(is_star)
}

/// Returns `true` if the text matches a pattern in which `*` stands for any text.
pub(super) fn text_matches(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), |byte| *byte == b'*', |one, other| one == other)
}
