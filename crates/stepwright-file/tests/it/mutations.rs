//! Files with unforeseen mistakes: each seed in `fuzz/corpus/file`, changed at random.
//!
//! A file that is read gives a workflow or mistakes: it never panics, never takes long, and never
//! holds anything of a file outside of its folder.

use std::path::Path;
use stepwright_file::{Definition, Options, ReportStyle};

/// The number of files that are made of each seed.
const VARIANTS: u64 = 15;

/// The largest file that is made, in bytes.
const BYTES_MAX: usize = 20_000;

const SECRET: &str = "sk-secret-4711";

/// Tokens to put in: signs of every language that a file is made of.
const TOKENS: [&str; 52] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{#",
    "#}",
    "{{ input }}",
    "{{ previous }}",
    "{% if input %}",
    "{% endif %}",
    "{% for a in input %}",
    "{% raw %}",
    "= ",
    "'",
    "\"",
    "`",
    "$(",
    "${",
    "$'",
    "((",
    ")",
    "<<EOF\n",
    "\nEOF\n",
    "\\",
    "#",
    ";",
    "|",
    "&a ",
    "*a",
    "<<: *a",
    "- ",
    ": ",
    "[",
    "]",
    "{",
    "}",
    "\n",
    "\t",
    "\0",
    "ä",
    "\u{feff}",
    "!!binary ",
    "---\n",
    "..",
    "../secret.txt",
    "link.md",
    "near.md",
    "/proc/self/environ",
    "{file: ../secret.txt}",
    "workflow: part.yaml",
    "9e999",
    "shell: sh -c {{ input }}",
];

/// SplitMix64, as everywhere where chance must be the same each time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end.max(1)).unwrap()).unwrap()
    }

    /// A place in a text, between two characters.
    fn place(&mut self, text: &str) -> usize {
        text.floor_char_boundary(self.below(text.len() + 1))
    }
}

fn changed(seed: &str, chance: &mut Chance) -> String {
    let mut text = seed.to_owned();
    for _ in 0..=chance.below(4) {
        let (a, b) = (chance.place(&text), chance.place(&text));
        let (from, to) = (a.min(b), a.max(b));
        let near = text.floor_char_boundary(to.min(from + 40));
        match chance.below(5) {
            0 => text.replace_range(from..near, ""),
            1 => text.insert_str(a, TOKENS[chance.below(TOKENS.len())]),
            2 => text.replace_range(from..near, TOKENS[chance.below(TOKENS.len())]),
            3 => {
                let piece = text[from..near].to_owned();
                let place = chance.place(&text);
                text.insert_str(place, &piece);
            }
            _ => {
                let mut lines: Vec<&str> = text.split('\n').collect();
                let (a, b) = (chance.below(lines.len()), chance.below(lines.len()));
                lines.swap(a, b);
                text = lines.join("\n");
            }
        }
    }
    text.truncate(text.floor_char_boundary(BYTES_MAX));
    text
}

#[test]
fn a_file_that_is_changed_at_random_is_a_workflow_or_has_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("flows");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(dir.path().join("secret.txt"), SECRET).unwrap();
    std::fs::write(folder.join("near.md"), "Near.").unwrap();
    let part = "format: 1\nname: Part\nsteps: [{name: a, template: x}]\n";
    std::fs::write(folder.join("part.yaml"), part).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../secret.txt", folder.join("link.md")).unwrap();
    let name = folder.join("flow.yaml").display().to_string();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/file");
    let mut seeds: Vec<_> = corpus.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    assert!(seeds.len() > 20, "the seeds were not found");
    let (mut right, mut wrong) = (0, 0);
    for (seed, path) in (0..).zip(&seeds) {
        let text = std::fs::read_to_string(path).unwrap();
        for variant in 0..VARIANTS {
            let mut chance = Chance(seed * 1_000 + variant);
            // The first one is the seed itself.
            let text = if variant == 0 { text.clone() } else { changed(&text, &mut chance) };
            let allow_shell = chance.below(4) > 0;
            let options = Options { allow_shell, ..Options::default() };
            match Definition::parse(&text, &name, &options) {
                Ok(definition) => {
                    right += 1;
                    let held = format!("{definition:?}");
                    assert!(!held.contains(SECRET), "{}, {variant}:\n{text}", path.display());
                    let _ = definition.explain().to_string();
                }
                Err(mistakes) => {
                    wrong += 1;
                    let report =
                        mistakes.report(ReportStyle { width: 60, ..ReportStyle::default() });
                    let json = serde_json::to_string(&mistakes).unwrap();
                    let told = report.contains(SECRET) || json.contains(SECRET);
                    assert!(!told, "{}, {variant}:\n{text}\n{report}", path.display());
                }
            }
        }
    }
    assert!(right > 10 && wrong > 200, "{right} right, {wrong} wrong");
}
