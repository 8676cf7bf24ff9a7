//! Coding agents in workflow files.

use crate::support::{Scripted, ended, program};
use std::path::Path;
use stepwright_core::permission::Permissions;
use stepwright_core::{Answer, Memory, RunStatus};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Diagnostic, Options, Variables};

fn options(base: &Path) -> Options {
    let base_dir = Some(base.to_owned());
    Options { allow_shell: true, base_dir, ..Options::default() }
}

/// Returns a file whose step has these settings besides the scripted agent.
fn text(agent: &Scripted, mode: &str, settings: &str, more: &str) -> String {
    let store = agent.work().parent().unwrap().to_str().unwrap().to_owned();
    let env = format!(
        "{{MODE: '{mode}', LOG: {store}/log, STORE: {store}/store, T: '{{{{ secrets.TOKEN }}}}'}}"
    );
    format!(
        "format: 1\nname: Code\nsecrets: [TOKEN]\nsteps:\n  - name: code\n    agent:\n      \
         harness: {{acp: [{}]}}\n      env: {env}\n{settings}    prompt: Do {{{{ input \
         }}}}.\n{more}",
        program()
    )
}

fn read(text: &str, options: &Options) -> Result<Workflow, String> {
    let variables = Variables::from([("TOKEN", "hunter2hunter2")]);
    let options = Options { variables, ..options.clone() };
    let definition = Definition::parse(text, "code.yaml", &options);
    let definition = definition.map_err(|mistakes| {
        let told = |it: &Diagnostic| format!("{} {}", it.message, it.help.as_deref().unwrap_or(""));
        mistakes.iter().map(told).collect::<Vec<_>>().join("\n")
    })?;
    definition.builder().unwrap().store(Memory::default()).build().map_err(|it| it.to_string())
}

#[tokio::test]
async fn a_step_of_a_file_is_a_coding_agent() {
    let agent = Scripted::new("acp", "");
    std::fs::create_dir(agent.work().join("sub")).unwrap();
    let text = text(&agent, "", "      dir: \"{{ 'sub' }}\"\n", "");
    let output = read(&text, &options(&agent.work())).unwrap().run("it").await.unwrap();
    assert_eq!(output.content.text(), "Done: Do it. (1)");
    assert!(agent.work().join("sub/a.txt").exists());
}

#[tokio::test]
async fn output_session_and_questions_of_a_file() {
    let agent = Scripted::new("acp", "");
    let schema = "{type: object, properties: {files: {type: integer}}, required: [files]}";
    let settings = format!("      questions: allow\n      output: {schema}\n");
    let store = agent.work().parent().unwrap().display().to_string();
    let env = format!("{{MODE: asks, LOG: {store}/log, STORE: {store}/store}}");
    let again = format!(
        "  - name: again\n    agent: {{harness: {{acp: [{}]}}, session: code, env: {env}}}\n    \
         prompt: Go on.\n",
        program()
    );
    let text = text(&agent, "late-json asks", &settings, &again);
    let output = ended(read(&text, &options(&agent.work())).unwrap().run("it")).await;
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
    assert_eq!(output.step_at("code").unwrap().content.to_value()["files"], 2);
    assert!(output.content.text().ends_with("Done: Go on. (3)"), "{output:?}");
    assert_eq!(agent.logged_all("loaded"), ["loaded"]);
}

#[tokio::test]
async fn a_question_of_a_file_is_judged_by_the_parser_of_commands() {
    let agent = Scripted::new("acp", "");
    let rules = Permissions::default()
        .allow("harness:stepwright-harness-test-agent")
        .and_then(|it| it.allow("write_file: *.txt"))
        .unwrap();
    let options =
        Options { allow_shell: false, permissions: Some(rules), ..options(&agent.work()) };
    let workflow = read(&text(&agent, "asks", "", ""), &options).unwrap();
    let output = ended(workflow.run("it")).await;
    assert_eq!(output.status, RunStatus::Completed, "{output:?}");
    assert_eq!(agent.logged_all("edit").len(), 2);
    // Without a rule a person is asked.
    let agent = Scripted::new("acp", "");
    let rules = Permissions::default().allow("harness:stepwright-harness-test-agent").unwrap();
    let options = Options { permissions: Some(rules), ..options };
    let options = Options { base_dir: Some(agent.work()), ..options };
    let workflow = read(&text(&agent, "asks", "", ""), &options).unwrap();
    let output = ended(workflow.run("it")).await;
    assert_eq!(output.status, RunStatus::Paused);
    let id = output.requirements[0].id.clone();
    let answer = [(&*id, Answer::Approve)];
    let output = ended(workflow.continue_run(&output.run_id, answer)).await;
    assert_eq!(output.status, RunStatus::Paused);
    assert_eq!(agent.logged_all("edit"), ["edit a"]);
}

#[tokio::test]
async fn a_folder_stays_beneath_the_base_directory() {
    let agent = Scripted::new("acp", "");
    let base = agent.work();
    std::os::unix::fs::symlink("/", base.join("root")).unwrap();
    for dir in ["..", "/etc", "a/../../b"] {
        let mistakes = read(&text(&agent, "", &format!("      dir: {dir}\n"), ""), &options(&base));
        let mistakes = mistakes.unwrap_err();
        assert!(mistakes.contains("outside of the base directory"), "{dir}: {mistakes}");
    }
    for dir in ["root", "root/etc", "{{ '..' }}", "{{ '/etc' }}", "nowhere"] {
        let text = text(&agent, "", &format!("      dir: \"{dir}\"\n"), "");
        let output = ended(read(&text, &options(&base)).unwrap().run("it")).await;
        assert_eq!(output.status, RunStatus::Error, "{dir}");
        assert_eq!(agent.log(), [""; 0], "{dir}");
    }
}

#[tokio::test]
async fn a_file_with_an_agent_needs_permission() {
    let agent = Scripted::new("acp", "");
    let strict = Options { allow_shell: false, ..options(&agent.work()) };
    let mistakes = read(&text(&agent, "", "", ""), &strict).unwrap_err();
    assert!(mistakes.contains("starts a coding agent, which is not allowed"), "{mistakes}");
    assert!(mistakes.contains("--allow-shell"), "{mistakes}");
}

#[tokio::test]
async fn mistakes_have_a_place_and_advice() {
    let agent = Scripted::new("acp", "");
    let options = Options { only_checks: true, ..options(&agent.work()) };
    let file = |step: &str, more: &str| {
        format!("format: 1\nname: Code\nsteps:\n  - {{name: code, agent: {step}}}\n{more}")
    };
    let codex = "  - {name: b, agent: {harness: codex, session: code}}\n";
    for (step, more, told) in [
        ("{}", "", "a coding agent needs `harness`"),
        ("{harness: clade-code}", "", "did you mean `claude-code`?"),
        ("{harness: vim}", "", "`harness` is one of `claude-code`, `codex` and `opencode`"),
        ("{harness: [claude]}", "", "`harness` is a text"),
        ("{harness: {acp: []}}", "", "`acp` has no program"),
        ("{harness: {acp: gemini}}", "", "`acp` is a list"),
        ("{harness: {acp: [gemini], args: []}}", "", "an ACP agent has no key `args`"),
        ("{harness: {acp: [gemini]}, model: x}", "", "an ACP agent takes no `model`"),
        ("{harness: codex, questions: ask}", "", "`codex` asks no questions"),
        ("{harness: codex, folder: x}", "", "a coding agent has no key `folder`"),
        ("{harness: codex, dirs: x}", "", "did you mean `dir`?"),
        ("{harness: codex, worktree: maybe}", "", "`worktree` is true or false"),
        ("{harness: codex, session: cdoe}", "", "`session` names `cdoe`, and no such step runs"),
        ("{harness: claude-code}", codex, "`code` is a step of `claude-code`, and this one of"),
        (
            "{harness: codex}",
            "  - {name: b, agent: {harness: codex, session: code, worktree: true}}\n",
            "a step with `session` has no `worktree`",
        ),
        (
            "{harness: codex}",
            "  - {name: b, template: x}\n  - {name: c, agent: {harness: codex, session: b}}\n",
            "`b` is no step of a coding agent",
        ),
        ("{harness: codex, dir: \"{{ steps.x }}\"}", "", "there is no step `x`"),
        ("{harness: codex, output: {type: strng}}", "", "not a valid JSON Schema"),
        ("{harness: codex, env: {LD_PRELOAD: \"{{ input }}\"}}", "", "programs may run what"),
        ("{harness: codex}", "  - {template: \"{{ steps.code.text }}\"}\n", "text"),
        (
            "{harness: codex, worktree: true}",
            "  - {template: \"{{ steps.code.worktree.brnch }}\"}\n",
            "brnch",
        ),
    ] {
        let told_of = read(&file(step, more), &options).err().unwrap_or_default();
        assert!(told_of.contains(told), "{step} {more}: {told_of:?}");
    }
}

#[tokio::test]
async fn the_digest_has_the_settings_and_no_secret() {
    let agent = Scripted::new("acp", "");
    let options = options(&agent.work());
    let digest = |settings: &str| {
        let workflow = read(&text(&agent, "", settings, ""), &options).unwrap();
        workflow.digest().to_owned()
    };
    let plain = digest("");
    assert_eq!(plain, digest(""));
    for settings in [
        "      dir: sub\n",
        "      worktree: true\n",
        "      read_only: true\n",
        "      instructions: Be brief.\n",
        "      questions: allow\n",
        "      output: {type: object}\n",
    ] {
        assert_ne!(plain, digest(settings), "{settings}");
    }
}
