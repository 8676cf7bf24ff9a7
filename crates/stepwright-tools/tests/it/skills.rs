//! Skills: what the model reads, what it loads, and the scripts that it runs.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use stepwright_agent::Agent;
use stepwright_core::message::ToolOutcome;
use stepwright_core::output::Turn;
use stepwright_core::permission::Permissions;
use stepwright_core::{Answer, Memory, RunStatus};
use stepwright_engine::Workflow;
use stepwright_testing::model::{Reply, ScriptedModel};
use stepwright_tools::{SKILL_FILE_BYTES_MAX, SKILL_TEXT_BYTES_MAX, Skills};
use tempfile::TempDir;

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn skill(name: &str, description: &str, body: &str) -> String {
    format!("---\nname: {name}\ndescription: {description}\n---\n\n{body}\n")
}

/// A folder with two skills, one of which has files, and a folder to work in.
fn place() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let forms = dir.path().join("skills/forms");
    let text = "---\nname: forms\ndescription: Fills in forms.\nlicense: MIT\ncompatibility: Needs \
                a pen.\nallowed-tools: Read Write\nmetadata: {author: Ada}\n---\nRead \
                references/all.md.\n";
    write(&forms.join("SKILL.md"), text);
    write(&forms.join("references/all.md"), "one\ntwo\nthree\n");
    write(
        &forms.join("scripts/where.sh"),
        "pwd; cat \"$SKILL_DIR/assets/a.txt\"; echo \"$@\"; cat",
    );
    write(&forms.join("scripts/fail.sh"), "echo out; echo wrong >&2; exit 3");
    write(&forms.join("scripts/slow.sh"), "sleep 600 & echo $! > pid; wait");
    write(&forms.join("scripts/loud.sh"), "yes | head -c 300000");
    write(&forms.join("scripts/odd.xyz"), "x");
    write(&forms.join("assets/a.txt"), "asset\n");
    write(&forms.join("assets/logo.png"), b"\x89PNG\0");
    write(&forms.join(".git/config"), b"\xff");
    write(&dir.path().join("skills/greeting/SKILL.md"), skill("greeting", "Greets.", "Say hello."));
    write(&dir.path().join("skills/README.md"), "Skills.");
    fs::create_dir(dir.path().join("work")).unwrap();
    dir
}

fn kit(dir: &TempDir) -> Skills {
    Skills::beneath(dir.path().join("skills"))
}

fn running(dir: &TempDir) -> Skills {
    kit(dir).run_scripts(dir.path().join("work"))
}

async fn told(kit: Skills, tool: &'static str, arguments: Value) -> (String, bool) {
    let ToolOutcome { text, is_error, .. } = crate::call(kit, tool, arguments).await;
    (text, is_error)
}

#[tokio::test]
async fn the_model_reads_names_and_descriptions_and_loads_the_rest() {
    let dir = place();
    let model = ScriptedModel::new(["done"]);
    let agent = Agent::builder("Clerk").model(model.clone()).unwrap().instructions("Be brief.");
    let agent = agent.skills(kit(&dir)).build().unwrap();
    agent.run("go").await.unwrap();
    let request = &model.requests()[0];
    let instructions = request.instructions.as_deref().unwrap();
    assert!(instructions.starts_with("Be brief.\n\nYou have skills: "), "{instructions}");
    assert!(instructions.ends_with("\n- forms: Fills in forms.\n- greeting: Greets."));
    let names: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["load_skill", "read_skill_file"], "no scripts, unless they are allowed");

    for (tool, arguments, wanted) in [
        ("load_skill", json!({"skill": "greeting"}), "Say hello."),
        (
            "load_skill",
            json!({"skill": "forms"}),
            "Read references/all.md.\n\nLicense: MIT\n\nNeeds: Needs a pen.\n\nMade for these tools, \
             if you have them: Read Write\n\nThe files of this skill, which `read_skill_file` \
             reads; those in `scripts` cannot be run here:\n- assets/a.txt\n- assets/logo.png (5 \
             bytes, not a text)\n- references/all.md\n- scripts/fail.sh\n- scripts/loud.sh\n- \
             scripts/odd.xyz\n- scripts/slow.sh\n- scripts/where.sh",
        ),
        (
            "read_skill_file",
            json!({"skill": "forms", "path": "references/all.md"}),
            "one\ntwo\nthree\n",
        ),
        (
            "read_skill_file",
            json!({"skill": "forms", "path": "./references/all.md", "offset": 2, "limit": 1}),
            "(these are the lines 2 to 2; more follow: go on with `offset: 3`)\n\ntwo\n",
        ),
        (
            "read_skill_file",
            json!({"skill": "forms", "path": "SKILL.md"}),
            "Read references/all.md.",
        ),
    ] {
        let answer = told(kit(&dir), tool, arguments.clone()).await;
        assert_eq!(answer, (wanted.to_owned(), false), "{arguments}");
    }
    for (tool, arguments, wanted) in [
        (
            "load_skill",
            json!({"skill": "form"}),
            "there is no skill `form`; there are `forms`, `greeting`",
        ),
        (
            "read_skill_file",
            json!({"skill": "forms", "path": "assets/logo.png"}),
            "`assets/logo.png` is not a text; it has 5 bytes",
        ),
        (
            "read_skill_file",
            json!({"skill": "greeting", "path": "../forms/references/all.md"}),
            "the skill `greeting` has no file `../forms/references/all.md`; it has none",
        ),
        (
            "read_skill_file",
            json!({"skill": "greeting", "path": "/etc/hostname"}),
            "the skill `greeting` has no file `/etc/hostname`; it has none",
        ),
        (
            "read_skill_file",
            json!({"skill": "greeting", "path": "a\u{0}b"}),
            "the skill `greeting` has no file `a\u{0}b`; it has none",
        ),
    ] {
        let answer = told(kit(&dir), tool, arguments.clone()).await;
        assert_eq!(answer, (wanted.to_owned(), true), "{arguments}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_script_runs_in_the_folder_of_the_work_from_a_copy_of_its_skill() {
    let dir = place();
    let run = |arguments: Value| told(running(&dir), "run_skill_script", arguments);
    let given = json!({
        "skill": "forms", "script": "scripts/where.sh", "args": ["a b", "$(id)"], "stdin": "in",
    });
    let work = dir.path().join("work").canonicalize().unwrap();
    let wanted = format!("{}\nasset\na b $(id)\nin", work.display());
    assert_eq!(run(given).await, (wanted, false));
    let (text, is_error) = run(json!({"skill": "forms", "script": "fail.sh"})).await;
    assert_eq!(text, "the script ended with the exit code 3\nstderr:\nwrong\nstdout:\nout");
    assert!(is_error);
    for (script, wanted) in [
        ("odd.xyz", "no program is known that runs `scripts/odd.xyz`; scripts begin with `#!` and"),
        ("../SKILL.md", "the skill `forms` has no script `../SKILL.md`; it has `scripts/fail.sh`"),
        ("/bin/sh", "the skill `forms` has no script `/bin/sh`"),
        ("references/all.md", "the skill `forms` has no script `references/all.md`"),
    ] {
        let (text, is_error) = run(json!({"skill": "forms", "script": script})).await;
        assert!(text.starts_with(wanted) && is_error, "{text}");
    }
    let (text, is_error) = run(json!({"skill": "forms", "script": "loud.sh"})).await;
    let end = "\n[cut off here: there are more than 200000 bytes]";
    assert!(text.len() == 199_999 + end.len() && text.ends_with(end) && !is_error, "{end}");
    // What the folder has by now is not what runs.
    let agent = Agent::builder("Clerk").model(ScriptedModel::new([
        Reply::call("run_skill_script", json!({"skill": "forms", "script": "where.sh"})),
        Reply::text("done"),
    ]));
    let agent = agent.unwrap().skills(running(&dir)).build().unwrap();
    write(&dir.path().join("skills/forms/scripts/where.sh"), "echo changed");
    let output = agent.run("go").await.unwrap();
    let told = format!("{:?}", output.step_executor_runs[0].turns);
    assert!(told.contains("asset") && !told.contains("changed"), "{told}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_script_that_takes_too_long_ends_with_its_group() {
    let dir = place();
    let slow = Reply::call("run_skill_script", json!({"skill": "forms", "script": "slow.sh"}));
    let model = ScriptedModel::new([slow, Reply::text("done")]);
    let agent = Agent::builder("Clerk").model(model.clone()).unwrap().skills(running(&dir));
    let agent = agent.tool_timeout(Duration::from_millis(900)).build().unwrap();
    agent.run("go").await.unwrap();
    let told = format!("{:?}", model.requests()[1].messages);
    assert!(told.contains("the tool took longer than 900ms"), "{told}");
    // A busy machine may have stopped it before it had begun.
    let Ok(pid) = fs::read_to_string(dir.path().join("work/pid")) else { return };
    let stat = format!("/proc/{}/stat", pid.trim());
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        tokio::task::yield_now().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_script_is_judged_as_the_command_that_it_is() {
    let dir = place();
    let given = json!({"skill": "forms", "script": "where.sh", "args": ["x"]});
    let run = async |permissions: Permissions| {
        let model = ScriptedModel::new([
            Reply::call("run_skill_script", given.clone()),
            Reply::text("done"),
        ]);
        let agent = Agent::builder("Clerk").model(model).unwrap().skills(running(&dir));
        let workflow = Workflow::builder("test").step(agent.build().unwrap());
        let workflow = workflow.store(Memory::default()).permissions_of("the user", permissions);
        workflow.build().unwrap().run("go").await.unwrap()
    };
    let told = |output: &stepwright_core::RunOutput| {
        let turns = output.step_executor_runs[0].turns.iter();
        let text = turns.filter_map(|turn| match turn {
            Turn::Tool(outcome) => Some(outcome.text.clone()),
            _ => None,
        });
        text.collect::<String>()
    };
    let none = Permissions::default;
    for rule in ["shell: sh *", "run_skill_script: forms/scripts/*", "shell"] {
        let output = run(none().deny(rule).unwrap().allow("*").unwrap()).await;
        let text = told(&output);
        assert!(text.starts_with("not called: "), "{rule}: {text}");
    }
    for rule in ["shell: sh forms/scripts/where.sh *", "run_skill_script"] {
        let output = run(none().allow(rule).unwrap()).await;
        assert!(told(&output).contains("asset"), "{rule}: {}", told(&output));
    }
    let output = run(none().allow("shell: sh greeting/*").unwrap()).await;
    assert_eq!(output.status, RunStatus::Paused);
    assert_eq!(
        &*output.requirements[0].message,
        "May `Clerk/run_skill_script#1` do this: shell: sh forms/scripts/where.sh x"
    );
}

#[tokio::test]
async fn a_changed_skill_is_a_changed_definition() {
    let dir = place();
    let store = Memory::default();
    let call = |model: &ScriptedModel| {
        let agent = Agent::builder("Clerk").model(model.clone()).unwrap().skills(kit(&dir));
        let agent = agent.requires_confirmation("load_skill").build().unwrap();
        Workflow::builder("test").step(agent).store(store.clone()).build().unwrap()
    };
    let first = ScriptedModel::new([Reply::call("load_skill", json!({"skill": "greeting"}))]);
    let paused = call(&first).run("go").await.unwrap();
    let answer = || [(paused.requirements[0].id.to_string(), Answer::Approve)];
    for (path, text, name) in [
        ("greeting/SKILL.md", skill("greeting", "Greets.", "Say good-bye."), "skill greeting"),
        ("forms/references/all.md", "four".to_owned(), "skill forms, references/all.md"),
        ("forms/assets/logo.png", "other".to_owned(), "skill forms, assets/logo.png"),
    ] {
        let path = dir.path().join("skills").join(path);
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let other = call(&ScriptedModel::new(["done"]));
        let refused = other.continue_run(&paused.run_id, answer()).await.unwrap_err();
        let shown = format!("{refused} {:?}", refused.hint());
        assert!(shown.contains(&format!("`{name}`")), "{shown}");
        fs::write(&path, before).unwrap();
    }
    let again = ScriptedModel::new(["done"]);
    let output = call(&again).continue_run(&paused.run_id, answer()).await.unwrap();
    assert_eq!(output.content.text(), "done");
    assert!(format!("{:?}", again.requests()[0].messages).contains("Say hello."));
}

/// Returns the error of an agent with the skills of a folder.
fn refused(skills: &Path) -> String {
    let agent = Agent::builder("Clerk").model("offline").unwrap().skills(Skills::beneath(skills));
    agent.build().unwrap_err().to_string().replace(&skills.display().to_string(), "DIR")
}

#[test]
fn skills_with_mistakes_are_refused_with_the_place() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 10] = [
        (
            "the folder of skills `DIR` cannot be read: No such file or directory (os error 2)",
            |_| (),
        ),
        (
            "`DIR/`: there is no skill in this folder; a skill is a folder with a `SKILL.md`",
            |dir| {
                write(&dir.join("README.md"), "x");
            },
        ),
        ("`DIR/a`: the folder has no `SKILL.md`; rename `skill.md` to `SKILL.md`", |dir| {
            write(&dir.join("a/skill.md"), skill("a", "b", "c"));
        }),
        (
            "`DIR/a/SKILL.md`:2: the skill is called `b`, and its folder `a`; write `name: a`, or \
             rename the folder",
            |dir| write(&dir.join("a/SKILL.md"), skill("b", "b", "c")),
        ),
        (
            "`DIR/a/SKILL.md`: it has more than 100000 bytes; move parts of it to files in \
             `references`, and name them there",
            |dir| {
                let size = usize::try_from(SKILL_TEXT_BYTES_MAX).unwrap();
                write(&dir.join("a/SKILL.md"), skill("a", "b", &"c".repeat(size)));
            },
        ),
        (
            "`DIR/a/assets/huge`: it has more than 4194304 bytes; shorten it, or leave it out",
            |dir| {
                write(&dir.join("a/SKILL.md"), skill("a", "b", "c"));
                let size = usize::try_from(SKILL_FILE_BYTES_MAX).unwrap();
                write(&dir.join("a/assets/huge"), "c".repeat(size + 1));
            },
        ),
        (
            "`DIR/a/references/latin.md`: it is not UTF-8 text: line 2 has the byte 0xe9; save it \
             as UTF-8; files that are no texts belong into `assets`",
            |dir| {
                write(&dir.join("a/SKILL.md"), skill("a", "b", "c"));
                write(&dir.join("a/references/latin.md"), b"one\ncaf\xe9\n");
            },
        ),
        (
            "`DIR/a/scripts/tool`: it is not a text: it has a NUL byte; save it as text; files that \
             are none belong into `assets`",
            |dir| {
                write(&dir.join("a/SKILL.md"), skill("a", "b", "c"));
                write(&dir.join("a/scripts/tool"), b"ELF\0");
            },
        ),
        ("`DIR/a/SKILL.md`: it is not UTF-8 text: line 1 has the byte 0xff", |dir| {
            write(&dir.join("a/SKILL.md"), b"\xff\xfe-\0-\0");
        }),
        ("`DIR/a`: the skill has more than 256 files; make two skills of it", |dir| {
            write(&dir.join("a/SKILL.md"), skill("a", "b", "c"));
            (0..256).for_each(|nth| write(&dir.join(format!("a/references/{nth}")), "x"));
        }),
    ];
    for (wanted, make) in cases {
        let dir = tempfile::tempdir().unwrap();
        let skills = dir.path().join("skills");
        make(&skills);
        let text = refused(&skills);
        assert!(text.contains(wanted), "{text}\nwanted: {wanted}");
    }
}

#[cfg(unix)]
#[test]
fn no_link_leads_out_of_a_skill() {
    use std::os::unix::fs::symlink;
    let dir = place();
    let skills = dir.path().join("skills");
    write(&dir.path().join("secret.md"), "secret");
    let refuse = |link: &Path, wanted: &str| {
        let text = refused(&skills);
        assert!(text.contains(wanted), "{text}\nwanted: {wanted}");
        fs::remove_file(link).unwrap();
    };
    let link = skills.join("greeting/a.md");
    for target in ["../../secret.md", "../forms/references/all.md", "/etc/hostname"] {
        symlink(target, &link).unwrap();
        refuse(
            &link,
            "`DIR/greeting/a.md`: it is a link that leads outside; copy what it leads to",
        );
    }
    symlink("missing.md", &link).unwrap();
    refuse(&link, "`DIR/greeting/a.md`: there is no such file");
    fs::create_dir(skills.join("greeting/references")).unwrap();
    symlink("references", &link).unwrap();
    refuse(&link, "`DIR/greeting/a.md`: it is a link to a folder; copy the folder there");
    symlink("SKILL.md", &link).unwrap();
    let kept = Agent::builder("A").model("offline").unwrap().skills(Skills::beneath(&skills));
    assert!(kept.build().is_ok(), "a link within the skill");
    fs::remove_file(&link).unwrap();
    let link = skills.join("other");
    symlink("..", &link).unwrap();
    refuse(&link, "`DIR/other`: it is a link that leads outside; copy what it leads to");
}
