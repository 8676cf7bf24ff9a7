//! Settings of a file beside a command or a path: environments, workspaces and folders of tools.

use super::{Place, refused, steps};
use stepwright_core::RunStatus;
use stepwright_core::permission::Permissions;
use stepwright_core::requirement::RequirementKind;

#[cfg(unix)]
#[tokio::test]
async fn a_variable_that_loads_code_is_part_of_the_command() {
    for env in ["PATH: 'bin:/usr/bin:/bin'", "LD_PRELOAD: ./pre.so", "GIT_CONFIG_COUNT: '1'"] {
        for command in ["argv: [touch, made]", "command: touch made"] {
            let place = Place::new();
            let text = steps(&format!("  - {{name: act, shell: {{{command}, env: {{{env}}}}}}}\n"));
            let narrow = place.rules("allow", &["shell: touch *"]);
            let paused = place.workflow(&text, narrow).run("x").await.unwrap();
            assert_eq!(paused.status, RunStatus::Paused, "{env} {command}");
            assert!(!place.made());
            // The rule that a person may remember has it.
            let RequirementKind::Permission { rule, effect, .. } = &paused.requirements[0].kind
            else {
                panic!("{:?}", paused.requirements)
            };
            let rule = rule.as_deref().unwrap();
            assert!(rule.contains(env.split(':').next().unwrap()), "{rule}");
            assert!(effect.contains(env.split(':').next().unwrap()), "{effect}");
            let exact = place.rules("allow", &[rule]);
            // The program does not know the library, and runs.
            let output = place.workflow(&text, exact).run("x").await.unwrap();
            assert_eq!(output.status, RunStatus::Completed, "{env} {command}");
            // A rule that denies the command finds it behind the variable.
            let mut denied = place.rules("deny", &["shell: touch *"]);
            denied.allow = place.rules("allow", &["*"]).allow;
            refused(place.workflow(&text, denied).run("x").await);
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn no_rule_is_remembered_that_drops_a_variable_or_an_input() {
    for more in ["env: {TITLE: x}", "stdin: x"] {
        let place = Place::new();
        let text = steps(&format!("  - {{name: act, shell: {{argv: [touch, made], {more}}}}}\n"));
        let paused = place.workflow(&text, Permissions::default()).run("x").await.unwrap();
        let RequirementKind::Permission { rule, .. } = &paused.requirements[0].kind else {
            panic!("{:?}", paused.requirements)
        };
        assert_eq!(*rule, None, "{more}");
        // Rules do not look at them.
        let allowed = place.rules("allow", &["shell: touch *"]);
        place.workflow(&text, allowed).run("x").await.unwrap();
        assert!(place.made(), "{more}");
    }
}

#[tokio::test]
async fn a_workspace_does_not_pass_by_a_rule_that_denies() {
    for (step, rule) in [
        ("workspace: {dir: out/keys}, write_file: {path: z, text: x}", "write_file: out/keys/**"),
        ("workspace: {dir: out/keys}, append_file: {path: z, text: x}", "write_file: out/keys/*"),
        ("workspace: {dir: docs}, read_files: '*.md'", "read_files: docs/**"),
        ("workspace: {dir: docs}, read_files: 'a.md'", "read_file: docs/a.md"),
    ] {
        let place = Place::new();
        let text = steps(&format!("  - {{name: act, {step}}}\n"));
        let mut permissions = place.rules("deny", &[rule]);
        permissions.allow = place.rules("allow", &["*"]).allow;
        let error = refused(place.workflow(&text, permissions).run("x").await);
        assert!(error.contains("is denied by the rule"), "{step}: {error}");
        assert!(!place.dir.path().join("out/keys/z").exists(), "{step}");
    }
    // A rule that allows is compared with the path in the workspace.
    let place = Place::new();
    let text = steps("  - {name: act, workspace: {dir: out}, write_file: {path: z, text: x}}\n");
    let allowed = place.rules("allow", &["write_file: z"]);
    place.workflow(&text, allowed).run("x").await.unwrap();
    assert!(place.dir.path().join("out/z").exists());
    // What a person remembers names the file, and no other of this name.
    let paused = place.workflow(&text, Permissions::default()).run("x").await.unwrap();
    let RequirementKind::Permission { rule, .. } = &paused.requirements[0].kind else {
        panic!("{:?}", paused.requirements)
    };
    assert!(rule.as_deref().unwrap().ends_with("/out/z"), "{rule:?}");
}

#[tokio::test]
async fn the_folder_of_a_tool_does_not_pass_by_a_rule_that_denies() {
    let place = Place::new();
    std::fs::create_dir_all(place.dir.path().join("out/keys")).unwrap();
    let call = r#"{"path": "z", "content": "x", "text": "x"}"#;
    let text = super::calling(
        "folder-of-a-tool",
        "{files: {dir: out/keys, write: true}}",
        "write_file",
        call,
    );
    let mut permissions = place.rules("deny", &["write_file: out/keys/**"]);
    permissions.allow = place.rules("allow", &["*"]).allow;
    let output = place.workflow(&text, permissions).run("x").await.unwrap();
    let told = super::told(&output);
    assert!(told.contains("is denied by the rule"), "{told}");
    assert!(!place.dir.path().join("out/keys/z").exists());
}

#[test]
fn a_misspelt_rule_is_told_and_a_tool_of_a_program_is_not() {
    let permissions = |rules: &[&str]| {
        let deny = Permissions::default();
        rules.iter().try_fold(deny, |all, rule| all.deny(rule)).unwrap()
    };
    for (rule, meant) in [
        ("wirte_file: out/keys/**", "write_file"),
        ("http_gt: *", "http_get"),
        ("shel: git *", "shell"),
        ("modle: openai:*", "model"),
    ] {
        let told = stepwright_file::misspelt_rules(&permissions(&[rule]));
        assert_eq!(told.len(), 1, "{rule}");
        let whole = format!("as in the rule `{rule}`: did you mean `{meant}`?");
        assert!(told[0].contains(&whole), "{told:?}");
    }
    let kept = ["*", "shell", "write_*", "mcp:github:*", "harness:claude-code", "charge"];
    assert_eq!(stepwright_file::misspelt_rules(&permissions(&kept)), Vec::<String>::new());
}
