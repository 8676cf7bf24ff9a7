//! Permissions of a project beside those of its user.

use serde_json::json;
use stepwright_core::{ErrorId, Memory};
use stepwright_file::{Definition, Options};

#[tokio::test]
async fn a_project_narrows_what_its_user_allows_and_never_widens_it() {
    const EACH: [&str; 3] = ["allow", "ask", "deny"];
    let step = "{name: act, write_file: {path: made, text: x}}";
    let text = format!("format: 1\nname: Test\nsteps:\n  - {step}\n");
    for user in ["nothing", "other", "allow", "ask", "deny"] {
        for project in ["nothing", "other", "allow", "ask", "deny"] {
            let dir = tempfile::tempdir().unwrap();
            let rules = |list: &str| {
                let rules = match list {
                    "nothing" => return None,
                    "other" => json!({"allow": ["read_file"]}),
                    list => json!({list: ["write_file"]}),
                };
                Some(serde_json::from_value(rules).unwrap())
            };
            let options = Options {
                base_dir: Some(dir.path().to_path_buf()),
                permissions: rules(user),
                project_permissions: rules(project),
                ..Options::default()
            };
            let definition = Definition::parse(&text, "test.yaml", &options).unwrap();
            let builder = definition.builder().unwrap().store(Memory::default());
            let answer = builder.build().unwrap().run("x").await;
            let found = match answer {
                Ok(output) if output.is_paused() => "ask",
                Ok(_) => "allow",
                Err(error) => {
                    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED, "{error}");
                    "deny"
                }
            };
            // Without any permissions there is nothing to narrow. What one of them does not name
            // is asked about, also where it says nothing at all beside the other.
            let verdict = |list| match list {
                "nothing" | "other" => "ask",
                list => list,
            };
            let wanted = match (user, project) {
                ("nothing", "nothing") => "allow",
                (user, "nothing") => verdict(user),
                (user, project) => {
                    let strict = |list| EACH.iter().position(|one| *one == verdict(list)).unwrap();
                    EACH[strict(user).max(strict(project))]
                }
            };
            assert_eq!(found, wanted, "{user} by the user, {project} by the project");
            assert_eq!(dir.path().join("made").exists(), wanted == "allow");
        }
    }
}
