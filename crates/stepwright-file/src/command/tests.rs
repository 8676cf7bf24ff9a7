//! Tests of the checks of commands.

mod kinds;
mod rows;

use super::programs::CONSTANT;
use super::rules::BYTES_MAX;
use super::*;
use kinds::{SAFE_KINDS, UNSAFE_KINDS};
use rows::{SAFE_SCRIPTS, UNSAFE_SCRIPTS, UNSAFE_TEXTS};

/// The mistake of a command with values in its text alone.
fn text(text: &str) -> Option<String> {
    check_line(text, Given::default()).map(|mistake| mistake.message)
}

/// The mistake of a script that gets values.
fn script(text: &str) -> Option<String> {
    check_line(text, Given { args: 2, has_values: true }).map(|mistake| mistake.message)
}

fn help(text: &str) -> String {
    check_line(text, Given::default()).unwrap().help.unwrap()
}

#[test]
fn a_value_may_stand_in_the_text_of_a_simple_command() {
    let right = [
        "echo {{ input }}",
        "echo a{{ x }}b {{ y }}",
        "echo ''{{ x }}'' \"\"{{ y }}\"it's\"",
        "printf '%s|' {{ x }} {{ y }}",
        "printf -- '%-10s %b%%\\n' {{ x }}",
        "wc -w -- {{ x.file }}\n",
        "wc -w {{ x.file }}",
        "cat ./{{ x }} > out/all.txt 2>&1",
        "mkdir -p out && touch {{ x }}; ls -la {{ y }} || true",
        "set -eu\ncd work\n# it's a comment\nhead -n 1 {{ x }} | tr a-z A-Z |\n  sort -u | uniq -c",
        "grep -c -e {{ x }} -- {{ y }}",
        "grep -ce {{ x }} notes.md",
        "grep --regexp={{ x }} notes.md",
        "sort -u -k 2 -- {{ x }}",
        "sort -u ./{{ x }}",
        "diff -u a.txt -- {{ x }}",
        "test -f {{ x }} && cat {{ x }}",
        "test {{ x }} = yes || exit 1",
        "echo {{ x }} \\\n  {{ y }} # the end",
        "echo {{ x }} >> 'the log' 2> errors.txt",
        "echo {{ {'a': \"}}\"}['a'] }} {{ x }}",
        "echo {# it's a comment #} {{ x }}",
        "echo {% raw %}'{{'{% endraw %} {{ x }}",
        "true; echo {{ x }} | tee out.txt",
    ];
    for right in right {
        assert_eq!(text(right), None, "{right}");
    }
}

#[test]
fn all_other_texts_with_values_are_refused() {
    for unsafe_text in UNSAFE_TEXTS {
        assert!(text(unsafe_text).is_some(), "{unsafe_text}");
    }
    let cases = [
        ("echo '{{ x }}'", "inside single quotes"),
        ("echo \"{{ x }}\"", "inside double quotes"),
        ("echo a # {{ x }}", "inside a comment"),
        ("# it's\n# {{ x }}\necho", "inside a comment"),
        ("echo \\{{ x }}", "inside an escape"),
        ("echo a > {{ x }}", "the name of a redirection"),
        ("echo {{ x }} $HOME", "variables"),
        ("echo {{ x }} \"$HOME\"", "`$`"),
        ("echo {{ x }} `date`", "substitutions"),
        ("echo {{ x }} *.md", "patterns"),
        ("echo {{ x }} ~/a", "patterns"),
        ("echo {{ x }} {a,b}", "brackets"),
        ("(echo {{ x }})", "brackets"),
        ("echo {{ x }} &", "background"),
        ("echo {{ x }} & true", "background"),
        ("echo {{ x }} 'a", "not closed"),
        ("echo {{ x }} >", "without a file"),
        ("echo {{ x }} \\n", "before a character"),
        ("echo {{ x }} ä", "this character"),
        ("echo {{ x }}\r\nls", "this character"),
        ("{{ x }}", "name the program"),
        ("./bin/{{ x }}", "name the program"),
        ("echo{{- x }}", "name the program"),
        ("echo a |\n{{ x }}", "name the program"),
        ("NAME={{ x }} echo", "name the program"),
        ("sort {{ x }}", "for an option"),
        ("sort -o -- {{ x }}", "for an option"),
        ("sort --files0-from=a -- {{ x }}", "for an option"),
        ("grep {{ x }} notes.md", "for an option"),
        ("grep -e{{ x }} notes.md", "for an option"),
        ("printf {{ x }}", "evaluate"),
        ("printf -v a %s {{ x }}", "evaluate"),
        ("printf %d {{ x }}", "formats"),
        ("printf '%*s' {{ x }}", "formats"),
        ("test -v {{ x }}", "evaluate"),
        ("test {{ x }} -eq 1", "evaluate"),
        ("test {{ x }} {{ y }}", "evaluate"),
        ("uniq {{ x }}", "is not known"),
        ("echo {{ x }} | sed s/a/b/", "is not known"),
        ("cat <<'EOF'\n{{ x }}\nEOF", "a heredoc"),
        ("cat <> {{ x }}", "this redirection"),
    ];
    for (wrong, said) in cases {
        let message = text(wrong).unwrap_or_default();
        assert!(message.contains(said), "{wrong}: {message}");
    }
}

#[test]
fn no_script_runs_a_value_that_it_gets() {
    for wrong in UNSAFE_SCRIPTS {
        assert!(script(wrong).is_some(), "{wrong}");
        // Without values nothing is checked.
        assert_eq!(text(wrong), None, "{wrong}");
    }
    let cases = [
        ("cat | sh", "`sh` would run its input"),
        ("python3.12 -", "`python3.12` would run its input"),
        ("x=$1; $x", "name the program"),
        ("eval \"$1\"", "code for `eval`"),
        ("bash -c \"$1\"", "code for `bash`"),
        ("echo $(( $1 ))", "arithmetic"),
        ("[[ $1 -eq 1 ]]", "operator of `[[ … ]]`"),
        ("PS4=\"$1\"", "`PS4` holds"),
        ("while read -r PATH; do ls; done", "`PATH` holds"),
        ("for LD_PRELOAD in \"$@\"; do ls; done", "`LD_PRELOAD` holds"),
        ("cat > run; ./run", "writes `run`"),
        ("echo ${1:-'}", "`${…}`"),
        ("echo 'a", "not closed"),
        ("cat <<EOF\na", "not closed"),
        ("cat <<EOF\na\\\nEOF\neval \"$1\"\nEOF", "`\\` at the end"),
        ("cat <<E$x\nE", "end marker"),
        ("echo \"$(cat <<E\na\nE\n)\"", "inside a substitution"),
        ("tar cfI x -- \"$1\"", "for an option"),
        ("git -C \"$1\" log", "for an option"),
        ("tool sh -c \"$1\"", "code for `sh`"),
        ("mapfile -C eval -c 1 x", "evaluate"),
    ];
    for (wrong, said) in cases {
        let message = script(wrong).unwrap_or_default();
        assert!(message.contains(said), "{wrong}: {message}");
    }
}

#[test]
fn no_script_runs_a_value_by_another_way_of_the_same_kind() {
    let wrong: Vec<_> = UNSAFE_KINDS.iter().filter(|row| script(row).is_none()).collect();
    assert!(wrong.is_empty(), "accepted: {wrong:#?}");
    let right: Vec<_> =
        SAFE_KINDS.iter().filter_map(|row| script(row).map(|said| (row, said))).collect();
    assert!(right.is_empty(), "refused: {right:#?}");
}

#[test]
fn everyday_scripts_get_values() {
    assert!(SAFE_SCRIPTS.len() > 80);
    for right in SAFE_SCRIPTS {
        assert_eq!(script(right), None, "{right}");
    }
}

#[test]
fn the_words_of_a_program_without_a_shell_are_checked_too() {
    let wrong = |words: &[&str]| check_argv(words, false).map(|(at, _)| at);
    let right: [&[&str]; 10] = [
        &["git", "commit", "-m", "it's \"{{ x }}\""],
        &["git", "commit", "-m", "{{ x }}", "--", "{{ y }}"],
        &["sh", "-c", "echo \"$1\"", "_", "{{ x }}"],
        &["python3", "script.py", "{{ x }}"],
        &["grep", "-c", "-e", "{{ x }}", "--", "{{ y }}"],
        &["./tool", "{{ x }}", "--name={{ y }}"],
        &["tool", "--title", "Let us (see); $5 for {{ x }}"],
        &["find", ".", "-name", "{{ x }}"],
        &["sudo", "-u", "app", "tool", "{{ x }}"],
        &["jq", "--arg", "a", "{{ x }}", ".[$a]"],
    ];
    for words in right {
        assert_eq!(wrong(words), None, "{words:?}");
    }
    let refused: [(&[&str], usize); 24] = [
        (&["{{ x }}"], 0),
        (&["{{ x }}", "a"], 0),
        (&["./{{ x }}"], 0),
        (&["{% if a %}sh{% endif %}", "a"], 0),
        (&["sh", "-c", "echo {{ x }}"], 2),
        (&["sh", "{{ x }}"], 1),
        (&["sh", "-c", "eval \"$1\"", "_", "{{ x }}"], 2),
        (&["env", "python3", "-c", "{% if a %}b{% endif %}{{ x }}"], 3),
        (&["env", "{{ x }}", "ls"], 1),
        (&["sudo", "-u", "app", "{{ x }}"], 3),
        (&["git", "{{ x }}"], 1),
        (&["git", "log", "{{ x }}"], 2),
        (&["git", "commit", "-m", "--", "{{ x }}"], 4),
        (&["git", "rebase", "-x", "{{ x }}"], 3),
        (&["tar", "-cf", "a", "{{ x }}"], 3),
        (&["find", ".", "-exec", "{{ x }}", ";"], 3),
        (&["find", "{{ x }}"], 1),
        (&["xargs", "-I", "%", "sh", "-c", "{{ x }}"], 5),
        (&["ssh", "host", "{{ x }}"], 2),
        (&["sort", "{{ x }}"], 1),
        (&["sed", "-n", "1p", "{{ x }}"], 3),
        (&["flock", "file", "-c", "{{ x }}"], 3),
        (&["tool", "--exec", "{{ x }}"], 2),
        (&["sqlite3", "x.db", "{{ x }}"], 2),
    ];
    for (words, at) in refused {
        assert_eq!(wrong(words), Some(at), "{words:?}");
    }
    assert!(check_argv(&["cat"], true).is_none());
    assert!(check_argv(&["sh"], true).is_some());
    assert!(check_argv(&["sh"], false).is_none());
    for option in ["-0I{}", "-tI{}", "-i", "--repl={}", "--re"] {
        let words = ["xargs", option, "sh", "-c", "echo {}"];
        assert_eq!(check_argv(&words, true).map(|(at, _)| at), Some(4), "{option}");
    }
    assert!(check_argv(&["sh", "-c", "eval \"$X\""], true).is_some());
}

#[test]
fn control_blocks_stand_in_commands_without_values_alone() {
    for right in ["ls {% if input.all %}-a{% endif %}", "{% for a in input %}ls;{% endfor %}"] {
        assert_eq!(text(right), None, "{right}");
        assert!(script(right).unwrap().contains("control block"), "{right}");
    }
    for wrong in [
        "{% if a %}echo {{ x }}{% endif %}",
        "{% set q = x %}echo {{ q }}",
        "echo {% if a %}'{% endif %}{{ x }}",
    ] {
        assert!(text(wrong).unwrap().contains("control block"), "{wrong}");
    }
    for (wrong, name) in [
        ("{% filter replace('a', input) %}a{% endfilter %}", "`filter`"),
        ("{% if a %}{% filter upper %}a{% endfilter %}{% endif %}", "`filter`"),
        ("{% set q %}'{% endset %}ls", "`set`"),
        ("{% macro m() %}'{% endmacro %}ls", "`macro`"),
        ("{% autoescape true %}ls{% endautoescape %}", "`autoescape`"),
    ] {
        assert!(text(wrong).unwrap().contains(name), "{wrong}");
    }
    assert!(depends_on_values("{% filter replace('a', input) %}a{% endfilter %}"));
    assert!(depends_on_values("{% if input %}a{% endif %}"));
    assert!(!depends_on_values("a {# {{ b }} #}{% raw %}{{ c }}{% endraw %}"));
}

#[test]
fn the_help_shows_the_same_command_with_arguments() {
    let cases = [
        ("echo \"{{ x }}\"", "`command: 'echo \"$1\"'` with `args: [\"{{ x }}\"]`"),
        ("echo 'a {{ x }}'", "`command: 'echo ''a ''\"$1\"'`"),
        ("echo '{{ x }}'", "`command: 'echo \"$1\"'`"),
        (
            "NAME={{ x }} tool {{ y }}",
            "NAME=\"$1\" tool \"$2\"'` with `args: [\"{{ x }}\", \"{{ y }}\"]`",
        ),
        ("cat <<EOF\n{{ x }}\nEOF", "`stdin: \"{{ x }}\"`"),
        ("bash -c '{{ x }}'", "bash -c 'echo \"$1\"' _ \"$1\""),
        ("echo \"$(( {{ x }} ))\"", "`value: = …`"),
        ("grep {{ x }} a", "write `-e`"),
    ];
    for (wrong, shown) in cases {
        assert!(help(wrong).contains(shown), "{wrong}: {}", help(wrong));
    }
    let numbered = check_line("echo \"{{ x }}\"", Given { args: 2, has_values: false }).unwrap();
    assert!(numbered.help.unwrap().contains("\"$3\""));
}

#[test]
fn the_place_of_a_mistake_is_the_value_or_the_construct() {
    let place = |text: &str, has_values| {
        let mistake = check_line(text, Given { args: 1, has_values }).unwrap();
        text[mistake.span.start..mistake.span.end()].to_owned()
    };
    assert_eq!(place("echo a; echo '{{ x }}'", false), "{{ x }}");
    assert_eq!(place("sort {{ x -}} ", false), "{{ x -}}");
    assert_eq!(place("echo {{ x }} ä", false), "ä");
    assert_eq!(place("cat <<ä\nä", true), "<<");
    assert_eq!(place("echo `a \\ä`", true), "\\");
    assert_eq!(place("echo a\neval \"$1\"", true), "\"$1\"");
    assert_eq!(place("echo a | (cat; sh)", true), "sh");
    assert_eq!(place("bash -c 'cat | sh' a", true), "'cat | sh'");
}

#[test]
fn intricate_commands_are_refused_soon() {
    let deep = format!("echo \"{}\"", "$(".repeat(10_000));
    assert!(script(&deep).unwrap().contains("too intricate"));
    let deep = format!("echo {}", "${a:-".repeat(10_000));
    assert!(script(&deep).unwrap().contains("too intricate"));
    assert!(script(&"env ".repeat(900)).unwrap().contains("too intricate"));
    assert!(script(&"python -Z ".repeat(1_000)).unwrap().contains("too intricate"));
    let long = format!("echo '{}'", "x".repeat(BYTES_MAX));
    assert!(script(&long).unwrap().contains("too intricate"));
    let many = format!("sed '{}'", "s/a/b/;".repeat(100_000));
    assert!(script(&many).is_some());
    let quotes = format!("cat <<E {}\nE", "\"\"".repeat(400_000));
    assert_eq!(script(&quotes), None);
}

#[test]
fn settings_of_programs_are_told_from_names_of_authors() {
    let settings = "\
        PATH LD_PRELOAD LD_LIBRARY_PATH DYLD_X BASH_ENV BASHOPTS ENV IFS PS4 SHELLOPTS \
        EDITOR VISUAL PAGER MANPAGER GIT_PAGER GIT_SSH_COMMAND GIT_DIR GIT_CONFIG_COUNT \
        TAR_OPTIONS GREP_OPTIONS RSYNC_RSH LESS LESSOPEN LESSCLOSE PYTHONPATH \
        PYTHONSTARTUP PYTHONWARNINGS PERL5LIB PERL5OPT PERL5DB RUBYOPT NODE_OPTIONS \
        NODE_PATH JAVA_TOOL_OPTIONS _JAVA_OPTIONS CLASSPATH MAKEFLAGS MAKEFILES CC CXX \
        CFLAGS RUSTFLAGS RUSTC_WRAPPER CARGO_HOME GOFLAGS HOME XDG_CONFIG_HOME CDPATH \
        INPUTRC ZDOTDIR TERMINFO TERMCAP WGETRC CURL_HOME BROWSER SHELL PROMPT_COMMAND \
        SUDO_ASKPASS SSH_ASKPASS SSH_AUTH_SOCK AWKPATH AWKLIBPATH LUA_INIT LUA_PATH \
        GCONV_PATH OPENSSL_CONF DOCKER_HOST npm_config_x http_proxy HTTPS_PROXY LANG \
        PSQLRC MUTTRC X_RC SVN_SSH HGMERGE GVIMINIT MAILCAPS TEXEDIT RSH YACC LEX M4 NM F77 UNZIP \
        ZIPOPT FLASK_APP IPYTHONDIR R_PROFILE_USER R_ENVIRON DJANGO_SETTINGS_MODULE X_MODULE_A \
        FOO_PREFIX MY_COMPILER LC_NAME LD_X_NAME NODE_OPTIONS_NAME";
    for name in settings.split_whitespace() {
        assert!(programs::is_setting(name), "{name}");
    }
    let own = "TEXT NAME FILE TITLE BODY PROMPT URL QUERY MESSAGE COMMIT_MESSAGE ISSUE_TITLE \
        GREETING INPUT_TEXT INPUT_PATH VALUE_CONFIG INPUT_GIT_DIR MY_TITLE TARGET MANUAL LESSON \
        SCRIPT_NAME ADDRESS KEYWORDS PAGE PAGES GOAL ARTICLE PSALM path home file title X A1 \
        FILE_PATH NODE_NAME \
        GO_VERSION PG_HOST HOME_PAGE CC_EMAIL AS_OF_DATE SRC SRC_DIR";
    for name in own.split_whitespace() {
        assert!(!programs::is_setting(name), "{name}");
    }
}

#[test]
fn the_page_lists_the_programs_that_take_values_in_the_text() {
    const PAGE: &str = include_str!("../../../../docs/workflow-files.md");
    let section = PAGE.split("<!-- programs -->").nth(1).expect("the list is marked");
    let rows = [("Anywhere", DATA), ("Behind `--`", BEHIND_DASHES), ("No values", CONSTANT)];
    for (row, names) in rows {
        let line = section.lines().find(|line| line.contains(row)).unwrap_or_default();
        let listed: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let listed: Vec<&str> =
            listed.into_iter().filter(|name| !matches!(*name, "--" | "-e")).collect();
        let names: Vec<&str> = names.split_whitespace().collect();
        assert_eq!(listed, names, "the row {row} of docs/workflow-files.md");
    }
}
