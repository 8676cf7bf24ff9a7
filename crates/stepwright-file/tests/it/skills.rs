//! Skills of agents in files.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use stepwright_core::output::Turn;
use stepwright_core::permission::Permissions;
use stepwright_file::{Definition, Diagnostics, Options};
use stepwright_testing::model::{Reply, ScriptedModel};
use tempfile::TempDir;

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A folder with a workflow file and the skill `forms`.
fn place(agent: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "format: 1\nname: Skilled\nmodel: offline\nagents:\n  clerk: {{{agent}}}\nsteps: [{{agent: \
         clerk}}]\n"
    );
    write(&dir.path().join("flow.yaml"), text);
    let skill = "---\nname: forms\ndescription: Fills in forms.\n---\nFill it in.\n";
    write(&dir.path().join("skills/forms/SKILL.md"), skill);
    write(&dir.path().join("skills/forms/scripts/fill.sh"), "echo filled; pwd > where");
    fs::create_dir(dir.path().join("work")).unwrap();
    dir
}

fn read(dir: &TempDir, options: &Options) -> Result<Definition, Diagnostics> {
    Definition::read(dir.path().join("flow.yaml"), options)
}

/// Returns the mistakes in a place, each with its file, line and column.
fn mistakes(dir: &TempDir) -> String {
    let told = read(dir, &Options::default()).unwrap_err();
    let lines = told.iter().map(|one| {
        let help = one.help.as_deref().unwrap_or_default();
        format!("{} {one}; {help}", one.code)
    });
    let root = format!("{}/", dir.path().display());
    lines.collect::<Vec<_>>().join("\n").replace(&root, "")
}

fn options(dir: &TempDir) -> Options {
    Options { base_dir: Some(dir.path().join("work")), ..Options::default() }
}

/// Returns the answer to a call of the agent.
async fn told(dir: &TempDir, mut options: Options, tool: &'static str, with: Value) -> String {
    let provider = format!("skills-{}", dir.path().file_name().unwrap().display());
    let provider = provider.replace('.', "").to_lowercase();
    stepwright_models::register(&provider, move |_| {
        Ok(ScriptedModel::new([Reply::call(tool, with.clone()), Reply::text("done")]))
    });
    options.model = Some(provider);
    let workflow = read(dir, &options).unwrap().build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let turns = output.step_executor_runs[0].turns.iter();
    let told = turns.filter_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        _ => None,
    });
    told.collect()
}

#[cfg(unix)]
#[tokio::test]
async fn scripts_run_only_where_commands_may() {
    let dir = place("skills: [./skills]");
    let given = json!({"skill": "forms", "script": "fill.sh"});
    let run = async |options: Options| told(&dir, options, "run_skill_script", given.clone()).await;
    assert_eq!(
        run(options(&dir)).await,
        "scripts cannot be run here, because this workflow may not run commands; `--allow-shell` \
         allows them"
    );
    let denied = Permissions::default().deny("shell").unwrap();
    let refused = run(Options { permissions: Some(denied), ..options(&dir) }).await;
    assert!(refused.starts_with("not called: "), "{refused}");
    assert!(!dir.path().join("work/where").exists());
    assert_eq!(run(Options { allow_shell: true, ..options(&dir) }).await, "filled");
    let place = fs::read_to_string(dir.path().join("work/where")).unwrap();
    let work = dir.path().join("work").canonicalize().unwrap();
    assert_eq!(Path::new(place.trim()), work);
    // What is allowed does not change the definition.
    let digest = |options| read(&dir, &options).unwrap().build().unwrap().digest().to_owned();
    let allowed = Options { allow_shell: true, ..options(&dir) };
    assert_eq!(digest(options(&dir)), digest(allowed));
}

#[test]
fn the_content_of_a_skill_is_in_the_digest_and_its_folder_is_not() {
    let dir = place("skills: [./skills]");
    let digest = || read(&dir, &options(&dir)).unwrap().build().unwrap().digest().to_owned();
    let before = digest();
    fs::rename(dir.path().join("skills/forms"), dir.path().join("forms")).unwrap();
    let text = fs::read_to_string(dir.path().join("flow.yaml")).unwrap();
    write(&dir.path().join("flow.yaml"), text.replace("./skills", "forms"));
    assert_eq!(digest(), before, "the same skill in another folder");
    write(&dir.path().join("forms/scripts/fill.sh"), "echo other");
    assert_ne!(digest(), before);
}

#[test]
fn skills_of_an_agent_of_another_file_lie_beside_that_file() {
    let dir = place("skills: [skills]");
    let flow = "format: 1\nname: Outer\nagents: {a: {use: 'team/flow.yaml#clerk'}}\n\
                steps: [{agent: a}]\n";
    fs::create_dir(dir.path().join("team")).unwrap();
    for name in ["flow.yaml", "skills"] {
        fs::rename(dir.path().join(name), dir.path().join("team").join(name)).unwrap();
    }
    write(&dir.path().join("flow.yaml"), flow);
    read(&dir, &options(&dir)).unwrap();
}

#[test]
fn mistakes_in_skills_have_a_place_and_help() {
    let dir = place("skills: [skills, ../other, /etc, missing, \"a\\0b\", \"\", 7]");
    let text = "---\nname: pdf\ndescription: Fills: forms.\n---\nFill it in.\n";
    write(&dir.path().join("skills/forms/SKILL.md"), text);
    let help = "references stay beneath the folder of their file: move the file there; if you \
                trust the workflow file, allow another directory with `--allow-path DIR`";
    let wanted = format!(
        "SW0210 flow.yaml:5:28: cannot read the skills in `../other`: it leads out of the folder of \
         this file with `..`; {help}\n\
         SW0210 flow.yaml:5:38: cannot read the skills in `/etc`: it is an absolute path; {help}\n\
         SW0210 flow.yaml:5:44: cannot read the skills in `missing`: there is no such folder; \
         looked for missing\n\
         SW0210 flow.yaml:5:53: cannot read the skills in `a\0b`: the path has a NUL byte; \n\
         SW0210 flow.yaml:5:61: cannot read the skills in ``: the path is empty; \n\
         SW0204 flow.yaml:5:65: `a folder of skills` is a text; put it in quotes"
    );
    let told = mistakes(&dir);
    assert!(told.contains(&wanted), "{told}\n\nwanted:\n{wanted}");
    assert!(
        told.contains("SW0215 skills/forms/SKILL.md:3:") && told.contains("is not valid YAML"),
        "{told}"
    );
    write(&dir.path().join("skills/forms/SKILL.md"), text.replace("Fills: forms.", "x"));
    assert!(
        mistakes(&dir).contains(
            "SW0215 skills/forms/SKILL.md:2:7: the skill is called `pdf`, and its folder `forms`; \
             write `name: forms`, or rename the folder"
        ),
        "{}",
        mistakes(&dir)
    );
    for (agent, wanted) in [
        ("skills: [skills, ./skills/forms]", "SW0204 flow.yaml:5:28: there are two skills `forms`"),
        ("skills: []", "SW0204 flow.yaml:5:19: `skills` has no folders"),
        ("skills: skills", "SW0204 flow.yaml:5:19: `skills` is a list"),
    ] {
        let told = mistakes(&place(agent));
        assert!(told.starts_with(wanted), "{told}");
    }
}

#[test]
fn the_tools_of_skills_are_known_by_their_names() {
    read(
        &place("skills: [skills], requires_confirmation: [run_skill_script]"),
        &Options::default(),
    )
    .unwrap();
    read(&place("skills: [skills], tool_choice: {one: load_skill}"), &Options::default()).unwrap();
    read(&place("skills: [skills], tool_choice: required"), &Options::default()).unwrap();
    let told = mistakes(&place("skills: [skills], requires_confirmation: [run_skills]"));
    assert!(told.contains("this agent has no tool `run_skills`; did you mean"), "{told}");
}
