//! Permissions of methods, of files that are appended to, of secrets, and of steps that run
//! afterwards.

use super::{Place, refused, steps};
use stepwright_core::{Memory, RunStatus};
use stepwright_file::{Definition, Options, Variables};

#[tokio::test]
async fn a_rule_for_one_method_does_not_allow_another() {
    let place = Place::new();
    let permissions = place.rules("allow", &["http: GET SERVER/*"]);
    for method in ["POST", "PUT", "DELETE", "HEAD"] {
        let text =
            steps(&format!("  - {{name: act, http: {{url: SERVER/x, method: {method}}}}}\n"));
        let paused = place.workflow(&text, permissions.clone()).run("x").await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused, "{method}");
    }
    assert_eq!(place.server.count(), 0);
}

#[tokio::test]
async fn the_query_of_a_request_is_judged_with_its_address() {
    let place = Place::new();
    let mut permissions = place.rules("allow", &["http"]);
    permissions.deny = place.rules("deny", &["http: SERVER/x?secret=*"]).deny;
    let text = steps("  - {name: act, http: {url: SERVER/x, query: {secret: '1'}}}\n");
    refused(place.workflow(&text, permissions).run("x").await);
    assert_eq!(place.server.count(), 0);
}

#[tokio::test]
async fn a_rule_for_appending_does_not_allow_to_write() {
    let place = Place::new();
    let permissions = place.rules("allow", &["append_file: made"]);
    let text = steps("  - {name: act, write_file: {path: made, text: x}}\n");
    let paused = place.workflow(&text, permissions).run("x").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert!(!place.made());
}

#[tokio::test]
async fn the_gate_holds_for_a_file_with_secrets_and_tells_none_of_them() {
    let place = Place::new();
    let text = "
format: 1
name: Test
secrets: [TOKEN]
steps:
  - {name: act, shell: {argv: [touch, made], env: {T: '{{ secrets.TOKEN }}'}}}
";
    let variables = Variables::from([("TOKEN", "hunter2-hunter2")]);
    for (list, rule) in [("deny", "shell: touch *"), ("ask", "shell: touch *")] {
        let options =
            Options { variables: variables.clone(), ..place.options(place.rules(list, &[rule])) };
        let definition = Definition::parse(text, "test.yaml", &options).unwrap();
        let builder = definition.builder().unwrap().store(Memory::default());
        let workflow = builder.store_events(true).build().unwrap();
        let ended = workflow.run("x").await;
        let told = match &ended {
            Ok(output) => serde_json::to_string(output).unwrap(),
            Err(error) => serde_json::to_string(error.output().unwrap()).unwrap(),
        };
        assert!(!place.made(), "{list}: {told}");
        assert!(told.contains("[redacted]"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[tokio::test]
async fn steps_that_run_afterwards_pass_the_gate() {
    for word in ["finally", "on_failure"] {
        let place = Place::new();
        let permissions = place.rules("deny", &["write_file: made"]);
        let text = format!(
            "format: 1\nname: Test\nsteps:\n  - {{name: act, value: '= int(input)'}}\n{word}:\n  - \
             {{name: after, write_file: {{path: made, text: x}}}}\n"
        );
        let error = place.workflow(&text, permissions).run("x").await.unwrap_err();
        let output = serde_json::to_string(error.output().unwrap()).unwrap();
        assert!(output.contains("is denied by the rule"), "{word}: {output}");
        assert!(!place.made(), "{word}");
    }
}
