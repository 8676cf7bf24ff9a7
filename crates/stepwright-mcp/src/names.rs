//! The names of tools as models see them.

use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use stepwright_agent::TOOL_NAME_BYTES_MAX;

/// The length of a hash in a name: too long for two tools of one server to share it by chance.
const HASH_CHARS: usize = 8;

/// Returns the names that models see for the tools of a server, in their order. A name has letters,
/// digits, `_` and `-` only, and its length is limited. Where two tools would get the same name,
/// both get a hash of their raw names, so that the order of the tools makes no difference.
pub(crate) fn visible(prefix: &str, server: &str, raw: &[&str]) -> Vec<String> {
    let whole = |tool: &str| match prefix {
        "" => clean(tool),
        prefix => clean(&format!("{prefix}__{tool}")),
    };
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    for tool in raw {
        *uses.entry(whole(tool)).or_default() += 1;
    }
    let name = |tool: &&str| {
        let name = whole(tool);
        if uses[&name] > 1 || name.len() > TOOL_NAME_BYTES_MAX {
            with_hash(&name, server, tool)
        } else {
            name
        }
    };
    raw.iter().map(name).collect()
}

/// Returns a short hash of a text, in hexadecimal.
pub(crate) fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text);
    let mut hash = String::with_capacity(HASH_CHARS);
    for byte in digest.iter().take(HASH_CHARS / 2) {
        let _ = write!(hash, "{byte:02x}");
    }
    hash
}

fn clean(name: &str) -> String {
    let is_one = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let clean: String = name.chars().map(|c| if is_one(c) { c } else { '_' }).collect();
    if clean.is_empty() { "_".to_owned() } else { clean }
}

fn with_hash(name: &str, server: &str, tool: &str) -> String {
    let hash = hashed(&format!("{server}\0{tool}"));
    let kept = name.len().min(TOOL_NAME_BYTES_MAX - HASH_CHARS - 1);
    format!("{}_{hash}", &name[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_clean_short_and_different_in_any_order() {
        assert_eq!(visible("fs", "files", &["read"]), ["fs__read"]);
        assert_eq!(visible("", "files", &["read.all/now"]), ["read_all_now"]);
        let both = visible("fs", "files", &["a.b", "a/b"]);
        assert_ne!(both[0], both[1]);
        let turned = visible("fs", "files", &["a/b", "a.b"]);
        assert_eq!([&both[0], &both[1]], [&turned[1], &turned[0]]);
        let long = "x".repeat(100);
        let name = &visible("fs", "files", &[&long])[0];
        assert_eq!(name.len(), TOOL_NAME_BYTES_MAX);
    }
}
