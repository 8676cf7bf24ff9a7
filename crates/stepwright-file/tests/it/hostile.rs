//! Commands that the checks accept are run with hostile values, and none of these is executed.
//!
//! The commands are made of programs, places, quotes and ways of a value. Most of them are refused.

#![cfg(unix)]

use std::path::Path;
use stepwright_core::Content;
use stepwright_file::{Definition, Options};

/// The file that a value would write if it were executed.
const CANARY: &str = "canary";

/// The number of commands, of which most are refused.
const ROUNDS: usize = 1_500;

const HOSTILE: &[&str] = &[
    "$(echo x >canary)",
    "echo x >canary",
    "; echo x >canary;",
    "`echo x >canary`",
    "a[$(echo x >canary)]",
    "x'; echo x >canary; '",
    "x\"; echo x >canary; \"",
    "x\necho x >canary\n",
    "-e1eecho x >canary",
    "--checkpoint-action=exec=echo x >canary",
    "echo x >canary|",
    "-v a[$(echo x >canary)]",
    "BEGIN{system(\"echo x >canary\")}",
    "open('canary','w').write('x')",
    "%s\\n$(echo x >canary)",
    "a=1 PATH=. x",
];

/// The programs, with their first arguments.
const PROGRAMS: &[&str] = &[
    "echo",
    "printf '%s|'",
    "printf",
    "cat",
    "wc -w",
    "head -n 1",
    "tr a b",
    "seq",
    "ls",
    "grep -c",
    "grep -e",
    "sort",
    "sort -u",
    "sort -o",
    "diff",
    "test",
    "test -f",
    "test -v",
    "test 1 -eq",
    "[",
    "[[ 1 -eq",
    "sh",
    "sh -c",
    "sh -c -e",
    "sh -s",
    "sh -c 'echo \"$1\"' _",
    "sh -c 'eval \"$1\"' _",
    "bash",
    "bash -c",
    "bash -c 'echo \"$1\"' _",
    "bash -c 'echo $(( $1 + 1 ))' _",
    "bash -c '[[ -v $1 ]]' _",
    "bash -c '[[ $1 == a ]]' _",
    "bash -c 'declare -i n=$1' _",
    "bash -c 'a=b; echo ${a:$1}' _",
    "bash -c 'printf -v \"$1\" x' _",
    "bash -c 'read -r \"$1\" <<< x' _",
    "bash -c '[ \"$1\" -eq 1 ]' _",
    "bash -c 'test $1' _",
    "bash -c 'export \"$1\"' _",
    "bash -c 'let \"$1\"' _",
    "bash -c 'printf \"%d\" \"$1\"' _",
    "eval",
    ".",
    "exec",
    "command",
    "builtin",
    "trap",
    "export",
    "read -r",
    "set --",
    "unset",
    "env",
    "env -i",
    "timeout 5",
    "nice -n 1",
    "nohup",
    "xargs",
    "xargs -I % sh -c %",
    "xargs sh -c",
    "find . -maxdepth 0 -name",
    "find . -maxdepth 0 -exec",
    "find",
    "tar -cf out.tar",
    "tar cfI out.tar",
    "awk",
    "awk '{print}'",
    "awk '{system($0)}'",
    "awk -v",
    "sed",
    "sed -n 1p",
    "sed 1e",
    "sed -e",
    "perl -e",
    "perl -ne 1",
    "perl -e 'print $ARGV[0]'",
    "python3 -c",
    "python3 -c 'import sys; print(sys.argv)'",
    "flock lock -c",
    "coproc",
    "time",
];

/// The places of `P`, a program, and `V`, a value.
const PLACES: &[&str] = &[
    "P V",
    "P -- V",
    "P a V",
    "P -e V",
    "P ./V",
    "P aVb",
    "P V data.txt",
    "P V | sh",
    "P data.txt V | cat",
    "echo V | P",
    "echo V | P | sh",
    "(P V)",
    "P $(echo V)",
    "P \"$(echo V)\"",
    "P `echo V`",
    "x=V; P $x",
    "x=V; P \"$x\"",
    "x=V P a",
    "if P V; then echo; fi",
    "V; P a",
    "for x in V; do P $x; done",
    "for x in V; do $x; done",
    "echo V | while read -r x; do P $x; done",
    "P <<EOF\nV\nEOF",
    "P <<'EOF'\nV\nEOF",
    "P <<< V",
    "P < V",
    "P > V",
    "f() { P \"$1\"; }; f V",
    "f() { \"$@\"; }; f P V",
    "sh -c 'P V'",
    "bash -c \"P V\"",
    "case V in V) P V;; esac",
    "P a # V",
    "echo V > made; P made",
    "set -- V; P \"$1\"",
    "true && P V || P a",
    "cat | P",
    "P V <&0",
    "P \\\nV",
    "P ${x:-V}",
    "P {a,V}",
    "P",
    "P; sh",
];

/// SplitMix64, as everywhere where chance must be the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// Returns a step in which the value is in one of the ways in one of the places.
fn step(chance: &mut Chance) -> serde_json::Value {
    use serde_json::json;
    let (way, quote) = (chance.below(5), chance.of(&["", "", "'", "\""]));
    let value = match way {
        0 => "{{ input }}",
        1 => "$1",
        2 => "$TEXT",
        3 => "constant",
        _ => "${TEXT}",
    };
    let value = format!("{quote}{value}{quote}");
    let program = chance.of(PROGRAMS);
    let command = chance.of(PLACES).replace('P', program).replace('V', &value);
    let input = "{{ input }}";
    let shell = match way {
        0 if chance.below(2) == 0 => json!(command),
        0 => json!({"command": command, "stdin": input}),
        1 => json!({"command": command, "args": [input, input]}),
        3 => json!({"command": command, "stdin": format!("{input}\n{input}\n")}),
        _ => json!({"command": command, "env": {"TEXT": input}, "stdin": input}),
    };
    json!({"name": "a", "shell": shell})
}

/// Returns the workflow file of a step, or `None` if it is refused.
fn accepted(step: &serde_json::Value, dir: &Path) -> Option<Definition> {
    let file = serde_json::json!({"format": 1, "name": "Test", "steps": [step]}).to_string();
    let base_dir = Some(dir.to_path_buf());
    let options = Options { allow_shell: true, base_dir, ..Options::default() };
    Definition::parse(&file, "test.json", &options).ok()
}

#[tokio::test]
async fn no_accepted_command_executes_a_value() {
    let mut chance = Chance(2026);
    let (mut refused, mut runs) = (0, 0);
    for _ in 0..ROUNDS {
        let dir = tempfile::tempdir().unwrap();
        let step = step(&mut chance);
        let Some(definition) = accepted(&step, dir.path()) else {
            refused += 1;
            continue;
        };
        let workflow = definition.build().unwrap();
        std::fs::write(dir.path().join("data.txt"), "a b\nc d\n").unwrap();
        let hostile = chance.of(HOSTILE);
        // The end of the command does not matter.
        let _ = workflow.run(Content::from(hostile)).await;
        runs += 1;
        let canary = std::fs::read_to_string(dir.path().join(CANARY));
        assert!(canary.is_err(), "{step} executed {hostile:?}: {canary:?}");
    }
    assert!(runs > ROUNDS / 20 && refused > ROUNDS / 2, "{runs} runs, {refused} refused");
}
