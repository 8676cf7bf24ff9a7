//! Commands that the checks refuse or accept, by the kind of the trap.

/// Scripts that can run a value that they get as an argument, in a variable or as input.
pub(super) const UNSAFE_KINDS: &[&str] = &[
    // Options before the code of a builtin.
    r#"trap -- "$1" EXIT"#,
    r#"trap -- 'eval "$X"' EXIT"#,
    // Groups, beginnings of names and attached arguments of options of `xargs`.
    "xargs -0I {} sh -c 'echo {}'",
    "xargs -tI{} sh -c 'echo {}'",
    "xargs -rti sh -c 'echo {}'",
    "xargs --repl=% sh -c 'echo %'",
    "xargs --re sh -c 'echo {}'",
    "xargs --replace sh -c 'echo {}'",
    "xargs -I % -n 1 env",
    "xargs --unknown sh -c 'echo {}'",
    "xargs -I \"$1\" sh -c 'echo a'",
    // Other descriptors, and several inputs.
    "sh 3< f",
    "exec 3<&0; sh 3< f",
    "exec 3<&0; sh <&3",
    "exec 3<&0; sh < f <&3",
    "sh <<'E' <&3\ntrue\nE",
    "sh 3<<'E'\ntrue\nE",
    "sh 3<<< true",
    "sh < f 0<&3",
    "bash {x}< f",
    "bash 10< f",
    "sh < f <> g",
    // Words of the shell behind others.
    r#"time { "$1"; }"#,
    r#"time if true; then "$1"; fi"#,
    "time -p { sh; }",
    r#"time ! { "$1"; }"#,
    r#"time while "$1"; do :; done"#,
    r#"coproc { "$1"; }"#,
    "coproc x { sh; }",
    r#"function f while "$1"; do :; done; f"#,
    "function f if sh; then :; fi; f",
    r#"jobs -x "$1""#,
    "jobs -x sh",
    r#"alias x='eval '; x "$1""#,
    r#"hash -p /bin/sh x; x -c "$1""#,
    "enable -f ./x.so x",
];

/// Scripts that look like those of [`UNSAFE_KINDS`] and get values.
pub(super) const SAFE_KINDS: &[&str] = &[
    "trap - EXIT",
    "trap -- 'rm -f x' EXIT",
    "xargs -0I {} echo {}",
    "xargs -0 -n 1 -P 4 wc -w --",
    "xargs --null --max-args=1 echo",
    "xargs -a \"$1\" echo",
    "xargs -I{} cp -- {} out/",
    "sh < script.sh",
    "sh 0< script.sh 2>&1 3< data",
    "sh < script.sh > out.txt 2>&1",
    "exec 3<&0; cat <&3",
    "time ls",
    "time -p ./tool \"$1\"",
    "time { wc -w; }",
    "! grep -q -e \"$1\" notes.md",
    "jobs",
    "hash -r",
];
