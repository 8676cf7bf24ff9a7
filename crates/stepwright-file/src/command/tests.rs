//! Tests of the checks of commands.

use super::*;

fn wrong_with(text: &str, tainted: &[&str], has_input: bool) -> Vec<String> {
    let tainted: Vec<String> = tainted.iter().map(|name| (*name).to_owned()).collect();
    let (mistakes, input) = check_line(text, &tainted, has_input);
    mistakes.into_iter().chain(input).map(|mistake| mistake.message).collect()
}

fn wrong(text: &str) -> Vec<String> {
    wrong_with(text, &[], false)
}

#[test]
fn a_value_may_stand_where_a_word_may_stand() {
    let right = [
        "echo {{ x }}",
        "printf '%s|' {{ x }} \"$HOME\" {{ y }}",
        "wc -w {{ x.file }}\n",
        "echo a{{ x }}b",
        "cat --file={{ x }} < {{ y }} > {{ z }} 2>&1",
        "cd {{ x }} && ls -- {{ y }}; echo it\\'s {{ z }}",
        "echo 'it'\\''s' {{ x }}",
        "echo \"a\\\"b\" {{ x }} # a comment",
        "# a comment's quote\necho {{ x }}",
        "echo a#b {{ x }}",
        "echo $(wc -c {{ x }}) {{ y }}",
        "echo \"$(wc -c {{ x }})\"",
        "echo $((1 + (2 * 3))) {{ x }}",
        "cat <<EOF\nit's \"$HOME\nEOF\necho {{ x }}",
        "cat <<-'EOF' && echo {{ y }}\n\tit's $(\n\tEOF\necho {{ x }}",
        "cat <<A <<B\n'\nA\n\"\nB\necho {{ x }}",
        "NAME={{ x }} program",
        "export NAME={{ x }}; echo \"$NAME\"",
        "if [ {{ x }} = a ]; then echo {{ y }}; else echo {{ z }}; fi",
        "for one in {{ x }}; do echo {{ y }}; done",
        "case {{ x }} in a) echo {{ y }};; esac; echo {{ z }}",
        "echo $(case a in a) echo b;; esac; echo {{ x }}) {{ y }}",
        "f() { echo {{ x }}; }; f {{ y }}",
        "(cd a; echo {{ x }}) | sort",
        "bash -c 'echo \"$1\"' _ {{ x }}",
        "sh script.sh {{ x }}",
        "bash -euo pipefail script.sh {{ x }}",
        "python3 -c 'import sys; print(sys.argv[1])' {{ x }}",
        "python3 script.py {{ x }}",
        "python3 -m json.tool {{ x }}",
        "perl -ne 'print if /x/' {{ x }}",
        "sed -n 1p {{ x }}",
        "sed -e 1p -- {{ x }}",
        "awk -v n={{ n }} '{print n}' {{ x }}",
        "awk -F, -v n={{ n }} '{print n}' {{ x }}",
        "jq --arg name {{ x }} '.[$name]' {{ y }}",
        "find . -name {{ x }} -exec grep -e {{ y }} '{}' +",
        "timeout 5 env -u A nice -n 3 grep -e {{ x }} {{ y }}",
        "sudo -u app grep {{ x }} file",
        "git commit -m {{ x }}",
        "xargs -n 1 grep {{ x }}",
        "grep bash {{ x }}",
        "set -- {{ x }}; echo \"$1\"",
        "{% for f in input.files %}cat {{ f }};{% endfor %}",
        "ls {% if input.all %}-a {% endif %}{{ x }}",
        "echo {{ {'a': \"}}\"}['a'] }} {{ x }}",
        "echo {# it's a comment #} {{ x }}",
        "echo {% raw %}{{{% endraw %} {{ x }}",
        "echo {{ x }} \\\n  {{ y }}",
        "echo {{ x }} | sort | uniq",
        "tar -cf {{ x }} -- {{ y }}",
        "command -v {{ x }}",
        "echo \"${A#'}'}\" {{ x }}",
        "echo $[1 + 2] {{ x }}",
        "cat <<'EOF'\na\\\nEOF\necho {{ x }}",
        "function f { echo {{ x }}; }",
        "for a do echo {{ x }}; done",
    ];
    for text in right {
        assert_eq!(wrong(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn no_value_stands_inside_of_quotes_or_code() {
    let cases = [
        ("echo '{{ x }}'", "single quotes"),
        ("echo \"{{ x }}\"", "double quotes"),
        ("echo \"a $(b) {{ x }}\"", "double quotes"),
        ("echo 'a'\"b\"'c {{ x }}'", "single quotes"),
        ("echo \"$(echo \"{{ x }}\")\"", "double quotes"),
        ("echo $'a\\'{{ x }}'", "quotes"),
        ("echo it\\'s 'x {{ x }}'", "single quotes"),
        ("echo \"\\\\\" \"{{ x }}\"", "double quotes"),
        ("echo `echo {{ x }}`", "backticks"),
        ("echo \"`echo {{ x }}`\"", "backticks"),
        ("echo $(echo `echo {{ x }}`)", "backticks"),
        ("echo ${A:-{{ x }}}", "`${…}`"),
        ("echo $(({{ x }} + 1))", "`((…))`"),
        ("((a = {{ x }}))", "`((…))`"),
        ("[[ {{ x }} -eq 1 ]]", "`[[ … ]]`"),
        ("cat <<EOF\n{{ x }}\nEOF", "a heredoc"),
        ("cat <<'EOF'\n{{ x }}\nEOF", "a heredoc"),
        ("cat <<-EOF\n\ta\n\t{{ x }}\n\tEOF", "a heredoc"),
        ("cat <<{{ x }}\nEOF", "a heredoc"),
        ("cat <<A <<B\nA\n{{ x }}\nB", "a heredoc"),
        ("cat <<EOF\nEOFF\n EOF\n{{ x }}\nEOF", "a heredoc"),
        ("echo $(cat <<EOF\n{{ x }}\nEOF\n)", "a heredoc"),
        // The backslash joins the end marker to the line before it.
        ("cat <<EOF\na\\\nEOF\necho {{ x }}\nEOF", "a heredoc"),
        ("echo $[{{ x }}]", "`$[…]`"),
        ("echo \"${A:-'\"'}\" {{ x }}", "`${…}`"),
        ("echo $['] {{ x }}", "single quotes"),
        ("echo a # {{ x }}", "a comment"),
        ("# it's\n# {{ x }}\necho", "a comment"),
        ("echo \\{{ x }}", "`\\` before"),
        ("echo ${{ x }}", "`$` before"),
        ("echo {% if a %}'{% endif %}{{ x }}", "single quotes"),
        ("echo {% for a in b %}'{% endfor %} {{ x }}", "quotes"),
        ("echo {% if a %}{% else %}\"{% endif %}echo {{ x }}", "double quotes"),
        ("{% filter upper %}echo {{ x }}{% endfilter %}", "`filter` cannot stand"),
        ("{% macro m() %}'{% endmacro %}echo {{ x }}", "`macro` cannot stand"),
        ("{% set q %}'{{ x }}{% endset %}echo", "`set` cannot stand"),
    ];
    for (text, said) in cases {
        let wrong = wrong(text);
        assert!(wrong.len() == 1 && wrong[0].contains(said), "{text}: {wrong:?}");
    }
}

#[test]
fn no_value_names_a_program_or_is_code_for_one() {
    let cases = [
        ("{{ x }}", "name the program"),
        ("{{ x }} -l", "name the program"),
        ("./bin/{{ x }}", "name the program"),
        ("echo{{- x }}", "name the program"),
        ("echo a; {{ x }}", "name the program"),
        ("echo a |\n{{ x }}", "name the program"),
        ("A=1 {{ x }}", "name the program"),
        (">out {{ x }}", "name the program"),
        ("if {{ x }}; then b; fi", "name the program"),
        ("f() { {{ x }}; }", "name the program"),
        ("function f { {{ x }}; }", "name the program"),
        ("for a do {{ x }}; done", "name the program"),
        ("case a in a) {{ x }};; esac", "name the program"),
        ("echo $({{ x }})", "name the program"),
        ("$(echo {{ x }})", "name the program"),
        ("{% if a %}echo {% endif %}{{ x }}", "name the program"),
        ("{% for a in b %}echo {% endfor %}{{ x }}", "name the program"),
        ("sudo -u app {{ x }}", "name the program"),
        ("timeout 5 {{ x }}", "name the program"),
        ("env A=1 {{ x }}", "name the program"),
        ("xargs -n 1 {{ x }}", "name the program"),
        ("find . -exec {{ x }} ';'", "name the program"),
        ("PATH={{ x }} ls", "value of `PATH`"),
        ("export LD_PRELOAD={{ x }}", "value of `LD_PRELOAD`"),
        ("bash -c {{ x }}", "code for `bash`"),
        ("bash -c 'echo {{ x }}'", "code for `bash`"),
        ("python3 -c \"print('{{ x }}')\"", "code for `python3`"),
        ("/bin/sh -ec {{ x }}", "code for `sh`"),
        ("sh {{ x }}", "code for `sh`"),
        ("sh -c \"$(echo {{ x }})\"", "code for `sh`"),
        ("eval {{ x }}", "code for `eval`"),
        ("eval echo {{ x }}", "code for `eval`"),
        (". {{ x }}", "code for `.`"),
        ("trap {{ x }} EXIT", "code for `trap`"),
        ("python3 -c {{ x }}", "code for `python3`"),
        ("python3.12 -c {{ x }}", "code for `python3.12`"),
        ("perl -e {{ x }}", "code for `perl`"),
        ("perl -lane {{ x }} file", "code for `perl`"),
        ("node --eval={{ x }}", "code for `node`"),
        ("ruby -e{{ x }}", "code for `ruby`"),
        ("awk {{ x }} file", "code for `awk`"),
        ("sed s/a/{{ x }}/", "code for `sed`"),
        ("sed -n -e {{ x }} file", "code for `sed`"),
        ("jq .{{ x }} file", "code for `jq`"),
        ("ssh host ls {{ x }}", "code for `ssh`"),
        ("su app -c {{ x }}", "code for `su`"),
        ("watch ls {{ x }}", "code for `watch`"),
        ("make CFLAGS={{ x }}", "code for `make`"),
        ("xargs -I '{}' sh -c {{ x }}", "code for `sh`"),
        ("find . -exec sh -c {{ x }} ';'", "code for `sh`"),
        ("docker run image sh -c {{ x }}", "code for `sh`"),
        ("sudo env A=1 bash -c {{ x }}", "code for `bash`"),
        ("tar --to-command={{ x }} -xf a", "code for `tar`"),
        ("echo {{ x }} | sh", "`sh` would run"),
        ("echo {{ x }} | tee a |\n  sudo bash -s", "`bash` would run"),
        ("(echo {{ x }}) | python3", "`python3` would run"),
        ("curl {{ x }} | bash", "`bash` would run"),
        ("sh < {{ x }}", "`sh` would run"),
        ("bash <<< {{ x }}", "`bash` would run"),
        ("echo {{ x }} | xargs sh -c", "`sh` would run"),
        ("echo {{ x }} | xargs -I '{}' sh -c 'echo {}'", "`sh` would run"),
    ];
    for (text, said) in cases {
        let wrong = wrong(text);
        assert!(wrong.len() == 1 && wrong[0].contains(said), "{text}: {wrong:?}");
    }
}

#[test]
fn variables_and_arguments_are_no_code_either() {
    let tainted = ["TEXT", "1"];
    let right = [
        "echo \"$TEXT\" \"${TEXT}\" $1",
        "echo \"$(wc -c \"$TEXT\")\"",
        "cat <<EOF\n$TEXT\nEOF",
        "[[ $TEXT == a ]] && grep -e \"$TEXT\" -- \"$1\"",
        "sh -c 'echo \"$1\"' _ \"$TEXT\"",
        "sh -c 'echo \"$TEXT\"'",
        "X=\"$TEXT\"; for a in \"$@\"; do echo \"$a\"; done",
        "sh -c \"$CODE\" \"$2\"",
    ];
    for text in right {
        assert_eq!(wrong_with(text, &tainted, false), Vec::<String>::new(), "{text}");
    }
    let cases = [
        "sh -c \"echo $TEXT\"",
        "sh -c \"$1\"",
        "eval \"$TEXT\"",
        "eval \"${TEXT}\"",
        "$TEXT",
        "\"$@\"",
        "python3 -c \"print('$TEXT')\"",
        "sh <<EOF\necho $TEXT\nEOF",
        "echo \"$TEXT\" | sh",
        "echo $(( $TEXT + 1 ))",
        "ssh host \"ls $TEXT\"",
        "PATH=\"$TEXT:$PATH\" ls",
    ];
    for text in cases {
        assert_eq!(wrong_with(text, &tainted, false).len(), 1, "{text}");
    }
}

#[test]
fn an_input_that_is_run_is_no_value() {
    for text in ["sh", "bash -s a", "python3 -", "cd a && perl", "ssh host", "sudo sh"] {
        assert_eq!(wrong_with(text, &[], true).len(), 1, "{text}");
    }
    for text in
        ["sort -u", "sh -c 'cat'", "python3 read.py", "cat | sort", "sh < a.sh", "psql -c a"]
    {
        assert_eq!(wrong_with(text, &[], true), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_words_of_a_program_without_a_shell_are_checked_too() {
    let wrong =
        |words: &[&str]| check_argv(words, false).iter().map(|(at, _)| *at).collect::<Vec<_>>();
    assert!(wrong(&["git", "commit", "-m", "it's \"{{ x }}\""]).is_empty());
    assert!(wrong(&["sh", "-c", "echo \"$1\"", "_", "{{ x }}"]).is_empty());
    assert_eq!(wrong(&["{{ x }}"]), [0]);
    assert_eq!(wrong(&["{{ x }}", "a"]), [0]);
    assert_eq!(wrong(&["sh", "-c", "echo {{ x }}"]), [2]);
    assert_eq!(wrong(&["env", "python3", "-c", "{% if a %}b{% endif %}{{ x }}"]), [3, 3]);
}

#[test]
fn intricate_commands_are_refused_soon() {
    let many = "{% if a %}'{% else %}\"{% endif %}{% for a in b %}`{% endfor %}".repeat(40);
    assert_eq!(
        wrong(&format!("{many}{{{{ x }}}}")),
        ["the command is too intricate to be checked"]
    );
    let deep = format!("{}{{{{ x }}}}", "$(".repeat(10_000));
    assert!(wrong(&deep).iter().any(|message| message.contains("too deep")));
}
