//! Rules against the ways in which an effect can look like another one. Command lines are tested
//! where they are split, in the crate of files.

use super::*;

fn allows(rule: &str) -> Permissions {
    Permissions::default().allow(rule).unwrap()
}

fn denies(rule: &str) -> Permissions {
    allows("*").deny(rule).unwrap()
}

fn http(method: &str, host: &str, port: u16, path: &str) -> Effect {
    let scheme = if port == 80 { "http" } else { "https" };
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (path, None),
    };
    Effect::http(Address {
        method: method.into(),
        scheme: scheme.into(),
        host: host.into(),
        port,
        path: path.into(),
        query,
    })
}

fn form(relative: Option<&str>, absolute: &str) -> PathForm {
    PathForm { relative: relative.map(Into::into), absolute: Some(absolute.into()) }
}

#[test]
fn deny_wins_then_ask_then_allow_and_what_no_rule_names_is_asked() {
    let permissions = Permissions::default()
        .allow("charge")
        .and_then(|permissions| permissions.allow("refund"))
        .and_then(|permissions| permissions.allow("close"))
        .and_then(|permissions| permissions.ask("refund"))
        .and_then(|permissions| permissions.ask("close"))
        .and_then(|permissions| permissions.deny("close"))
        .unwrap();
    let verdict = |tool: &str| permissions.judge(&Effect::tool(tool)).verdict;
    assert_eq!(verdict("charge"), Verdict::Allow);
    assert_eq!(verdict("refund"), Verdict::Ask);
    assert_eq!(verdict("close"), Verdict::Deny);
    assert_eq!(verdict("search"), Verdict::Ask);
}

#[test]
fn a_name_with_a_star_means_the_tools_of_a_server() {
    let permissions = allows("mcp:github:*");
    let verdict = |tool: &str| permissions.judge(&Effect::tool(tool)).verdict;
    assert_eq!(verdict("mcp:github:create_issue"), Verdict::Allow);
    assert_eq!(verdict("mcp:github2:create_issue"), Verdict::Ask);
    assert_eq!(verdict("mcp:github"), Verdict::Ask);
}

#[test]
fn an_address_is_compared_by_its_parts() {
    let permissions = allows("http: GET https://api.example.com/*");
    let cases = [
        (http("GET", "api.example.com", 443, "/v1?q=1"), Verdict::Allow),
        (http("GET", "api.example.com.", 443, "/"), Verdict::Allow),
        (http("POST", "api.example.com", 443, "/v1"), Verdict::Ask),
        (http("GET", "api.example.com.evil.org", 443, "/"), Verdict::Ask),
        (http("GET", "evil.org", 443, "/api.example.com/"), Verdict::Ask),
        (http("GET", "api.example.com", 8443, "/"), Verdict::Ask),
        (http("GET", "api.example.com", 80, "/"), Verdict::Ask),
        (http("GET", "xapi.example.com", 443, "/"), Verdict::Ask),
    ];
    for (effect, wanted) in cases {
        assert_eq!(permissions.judge(&effect).verdict, wanted, "{effect}");
    }
    let permissions = allows("http: https://*.example.com/*");
    let verdict = |host: &str| permissions.judge(&http("PUT", host, 443, "/")).verdict;
    assert_eq!(verdict("a.example.com"), Verdict::Allow);
    assert_eq!(verdict("a.b.example.com"), Verdict::Allow);
    assert_eq!(verdict("example.com"), Verdict::Ask);
    assert_eq!(verdict("badexample.com"), Verdict::Ask);
}

#[test]
fn a_path_of_an_address_cannot_leave_its_pattern_by_its_encoding() {
    let permissions = allows("http: GET https://x.org/public/*");
    let ways_out = [
        "/public/../admin",
        "/public/%2e%2e/admin",
        "/public/..%2fadmin",
        "/public/%2e%2e%2fadmin",
        "/public/%252e%252e%252fadmin",
        "/public/..%5cadmin",
        "/public/..;/admin",
        "/public/a/..%2f..%2fadmin",
    ];
    for path in ways_out {
        let effect = http("GET", "x.org", 443, path);
        assert_eq!(permissions.judge(&effect).verdict, Verdict::Ask, "{path}");
    }
    for path in ["/public/", "/public/a%20b", "/public/a/../b", "/public/x?next=/../admin"] {
        let effect = http("GET", "x.org", 443, path);
        assert_eq!(permissions.judge(&effect).verdict, Verdict::Allow, "{path}");
    }
    // A denied path is denied in each of its spellings.
    let permissions = denies("http: https://x.org/admin*");
    for path in ["/admin", "/%61dmin", "/public/../admin", "/public/%2e%2e%2fadmin", "//admin"] {
        let effect = http("GET", "x.org", 443, path);
        assert_eq!(permissions.judge(&effect).verdict, Verdict::Deny, "{path}");
    }
}

#[test]
fn a_path_is_allowed_if_each_of_its_forms_is() {
    let permissions = allows("write_file: out/**");
    let judge = |forms: Vec<PathForm>| {
        let forms = PathForms { shown: "x".into(), forms, ..PathForms::default() };
        permissions.judge(&Effect::file("write_file", forms)).verdict
    };
    assert_eq!(judge(vec![form(Some("out/a/b.md"), "/w/out/a/b.md")]), Verdict::Allow);
    assert_eq!(judge(vec![form(Some("./out//a.md"), "/w/out/a.md")]), Verdict::Allow);
    assert_eq!(judge(vec![form(Some("outer/a.md"), "/w/outer/a.md")]), Verdict::Ask);
    assert_eq!(judge(vec![form(None, "/etc/out/a.md")]), Verdict::Ask);
    // A link in `out` that leads out of it, or out of the base directory.
    let link = form(Some("out/link"), "/w/out/link");
    assert_eq!(judge(vec![link.clone(), form(Some("keys/a"), "/w/keys/a")]), Verdict::Ask);
    assert_eq!(judge(vec![link.clone(), form(None, "/etc/passwd")]), Verdict::Ask);
    assert_eq!(judge(vec![link, form(Some("out/real"), "/w/out/real")]), Verdict::Allow);
    assert_eq!(judge(Vec::new()), Verdict::Ask);
}

#[test]
fn a_pattern_of_files_is_allowed_if_all_of_its_files_are() {
    let pattern = |text: &str| {
        let forms = vec![form(Some(text), &format!("/w/{text}"))];
        Effect::file(
            "read_files",
            PathForms { shown: text.into(), forms, is_pattern: true, ..PathForms::default() },
        )
    };
    let cases = [
        ("docs/**", "docs/**/*.md", Verdict::Allow),
        ("docs/*", "docs/*.md", Verdict::Allow),
        ("docs/*", "docs/**", Verdict::Ask),
        ("docs/*.md", "docs/*", Verdict::Ask),
        ("docs/a.md", "docs/?.md", Verdict::Ask),
        ("docs/[ab].md", "docs/[ab].md", Verdict::Ask),
        ("docs/**", "**/*.md", Verdict::Ask),
    ];
    for (rule, wanted, verdict) in cases {
        let permissions = allows(&format!("read_files: {rule}"));
        assert_eq!(permissions.judge(&pattern(wanted)).verdict, verdict, "{rule} for {wanted}");
    }
    // A denied file may be among those of a pattern.
    let permissions = denies("read_files: keys/**");
    for wanted in ["**", "**/*.pem", "*/a", "keys/*", "k*/**", "keys/a/b"] {
        assert_eq!(permissions.judge(&pattern(wanted)).verdict, Verdict::Deny, "{wanted}");
    }
    for wanted in ["docs/**", "*.md", "key/*"] {
        assert_eq!(permissions.judge(&pattern(wanted)).verdict, Verdict::Allow, "{wanted}");
    }
}

#[test]
fn every_word_of_a_command_is_compared() {
    let command = |words: &[&str]| Effect::command("shell", CommandLine::of_words(words.to_vec()));
    let verdict = |rule: &str, words: &[&str]| allows(rule).judge(&command(words)).verdict;
    assert_eq!(verdict("shell: git *", &["git", "push", "x"]), Verdict::Allow);
    assert_eq!(verdict("shell: git *", &["git"]), Verdict::Allow);
    assert_eq!(verdict("shell: git *", &["gitx"]), Verdict::Ask);
    assert_eq!(verdict("shell: git *", &["./git", "push"]), Verdict::Ask);
    assert_eq!(verdict("shell: git status", &["git", "status", "-s"]), Verdict::Ask);
    assert_eq!(verdict("shell: git * -s", &["git", "status", "-s"]), Verdict::Allow);
    assert_eq!(verdict("shell: git * -s", &["git", "a", "b", "-s"]), Verdict::Ask);
    assert_eq!(verdict("shell: git log --since=*", &["git", "log", "--since=a b"]), Verdict::Allow);
    assert_eq!(verdict("shell: echo '*'", &["echo", "x"]), Verdict::Ask);
    let denied = |words: &[&str]| denies("shell: rm *").judge(&command(words)).verdict;
    for words in [
        &["rm", "-rf", "x"][..],
        &["/bin/rm", "x"],
        &["sudo", "rm", "x"],
        &["env", "A=b", "rm", "x"],
        &["xargs", "rm"],
    ] {
        assert_eq!(denied(words), Verdict::Deny, "{words:?}");
    }
    assert_eq!(denied(&["echo", "form"]), Verdict::Allow);
}

#[test]
fn a_pattern_full_of_stars_is_compared_at_once() {
    let many = "*a".repeat(2_000);
    let text = "a".repeat(4_000) + "b";
    let permissions = allows(&format!("charge: {many}"));
    let effect = Effect::call("charge", &serde_json::json!(text));
    assert_eq!(permissions.judge(&effect).verdict, Verdict::Ask);
    let rule = format!("read_files: {}", ["**"; 400].join("/x/"));
    let path = ["x"; 400].join("/") + "/y";
    let forms = vec![PathForm { relative: Some(path), absolute: None }];
    let forms = PathForms { forms, is_pattern: true, ..PathForms::default() };
    allows(&rule).judge(&Effect::file("read_files", forms.clone()));
    denies(&rule).judge(&Effect::file("read_files", forms));
}

#[test]
fn a_text_that_is_not_a_rule_is_refused_with_the_reason() {
    for (rule, why) in [
        ("", "it has no name"),
        ("sh ell", "a name cannot contain ' '"),
        ("shell: ", "its pattern is empty"),
        ("shell: echo 'x", "its quotes are not closed"),
        ("write_file: ../x", "it contains `..`"),
        ("write_file: a**/x", "`**` stands alone"),
        ("http: example.org", "`example.org` is not an address"),
        ("http: get https://x.org/", "`get` is not a method in capitals"),
        ("http: ftp://x.org/", "is not an address"),
        ("http: https://user@x.org/", "an address in a rule has no user"),
        ("http: https://x*.org/", "is not a host"),
        ("http: https://x.org:port/", "`port` is not a port"),
        ("http: https://x.org/a/../b", "its path contains `..`"),
    ] {
        let error = rule.parse::<Rule>().unwrap_err().to_string();
        assert!(error.contains(why), "{rule}: {error}");
    }
}

#[test]
fn rules_are_read_as_texts_and_as_mappings_and_written_as_texts() {
    let written = r#"{"deny": [{"shell": "rm *"}], "allow": ["web_search", "shell: git *"]}"#;
    let permissions: Permissions = serde_json::from_str(written).unwrap();
    let text = serde_json::to_string(&permissions).unwrap();
    assert_eq!(text, r#"{"deny":["shell: rm *"],"allow":["web_search","shell: git *"]}"#);
    for wrong in [
        r#"{"allowed": []}"#,
        r#"{"allow": ["shell: "]}"#,
        r#"{"allow": [{"shell": "a", "x": "b"}]}"#,
        r#"{"allow": [7]}"#,
    ] {
        serde_json::from_str::<Permissions>(wrong).unwrap_err();
    }
}
