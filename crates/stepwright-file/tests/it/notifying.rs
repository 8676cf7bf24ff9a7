//! `notify` of files: requests about runs.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use stepwright_core::{AnyStore, ErrorId, Memory};
use stepwright_engine::real_world;
use stepwright_file::{Definition, Options};
use stepwright_triggers::Notifier;

/// A receiver on loopback: its address, and the requests that it gets.
fn receiver() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (send, got) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut bytes) = (stream.unwrap(), Vec::new());
            let mut buffer = [0; 4096];
            loop {
                let read = stream.read(&mut buffer).unwrap();
                bytes.extend_from_slice(&buffer[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                if body.len() >= length.unwrap().parse().unwrap() {
                    let _ = send.send(text);
                    break;
                }
            }
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (address, got)
}

fn parsed(
    text: &str,
    variables: &[(&str, &str)],
) -> Result<Definition, stepwright_file::Diagnostics> {
    let variables = variables.iter().copied().collect();
    Definition::parse(text, "flow.yaml", &Options { variables, ..Options::default() })
}

/// Runs a file to its end, and sends its notifications.
async fn sent(definition: &Definition, run: &str) {
    let store = AnyStore::new(Memory::default());
    let workflow = definition.builder().unwrap().store(store.clone()).build().unwrap();
    let _ = workflow.run("the input").run_id(run).await;
    let notifier = Notifier::new(store, real_world());
    let notifier = notifier.add(workflow.id().clone(), definition.notifications().unwrap());
    assert_eq!(notifier.look().await.unwrap(), None, "it has arrived");
    assert!(notifier.deliveries().dead().await.unwrap().is_empty());
}

/// Returns the body of a request.
fn body(request: &str) -> Value {
    serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_file_makes_address_and_body_and_its_secrets_are_removed() {
    let (address, got) = receiver();
    let text = "
format: 1
name: News
secrets: [DESK_TOKEN, DESK_SECRET]
env: [DESK]
notify:
  to: '{{ env.DESK }}/hooks/{{ secrets.DESK_TOKEN }}'
  events: [completed]
  secret: DESK_SECRET
  json:
    text: '= input.run_id + \" is \" + input.event'
    blocks: [{said: = input.output}]
steps:
  - name: say
    shell: {command: 'echo \"key: $TOKEN\"', env: {TOKEN: '{{ secrets.DESK_TOKEN }}'}}
";
    let token = ("DESK_TOKEN", "a-long-token-of-7");
    let variables = [token, ("DESK_SECRET", "whsec_c2VjcmV0"), ("DESK", &address)];
    let variables = variables.into_iter().collect();
    let options = Options { variables, allow_shell: true, ..Options::default() };
    let definition = Definition::parse(text, "flow.yaml", &options).unwrap();
    sent(&definition, "r-1").await;
    let request = got.recv().unwrap();
    assert!(request.starts_with("POST /hooks/a-long-token-of-7 HTTP/1.1"), "{request}");
    assert!(request.contains("webhook-signature: v1,"), "{request}");
    let body = body(&request);
    assert_eq!(body["text"], "r-1 is completed");
    let said = body["blocks"][0]["said"].as_str().unwrap();
    assert!(said.starts_with("key: ") && !said.contains("a-long-token"), "{said}");
}

#[tokio::test]
async fn the_example_of_the_page_sends_what_it_says() {
    let (address, got) = receiver();
    let page = include_str!("../../../../docs/triggers.md");
    let example = page.split("```yaml\n").find(|part| part.contains("\nnotify:")).unwrap();
    let example = example.split("```").next().unwrap();
    let variables = [("SLACK_URL", &*address), ("DESK_SECRET", "whsec_c2VjcmV0")];
    let text = example.replace("https://desk.example.org/runs", &address);
    assert_ne!(text, example);
    let definition = parsed(&text, &variables).unwrap();
    let store = AnyStore::new(Memory::default());
    let workflow = definition.builder().unwrap().store(store.clone()).build().unwrap();
    workflow.run("bees").run_id("r-1").await.unwrap();
    let notifier = Notifier::new(store, real_world());
    let notifier = notifier.add(workflow.id().clone(), definition.notifications().unwrap());
    let notifier = notifier.links(std::sync::Arc::new(|run, _, person| {
        Box::pin(async move { Ok(Some(format!("https://flows.example.org/{run}/{person}"))) })
    }));
    notifier.look().await.unwrap();
    let chat = body(&got.recv().unwrap());
    assert_eq!(chat["text"], "digest asks: Publish it?");
    let url = &chat["blocks"][0]["elements"][0]["url"];
    assert_eq!(*url, "https://flows.example.org/r-1/#approvals");
    let id = workflow.get_run("r-1").await.unwrap().requirements[0].id.clone();
    let answer = [(&*id, stepwright_core::Answer::Approve)];
    workflow.continue_run("r-1", answer).await.unwrap();
    notifier.look().await.unwrap();
    let desk = got.recv().unwrap();
    assert!(desk.contains("webhook-signature: v1,"), "{desk}");
    assert_eq!(body(&desk)["type"], "run.completed");
}

#[test]
fn mistakes_of_notifications_are_reported() {
    for (notify, message) in [
        ("{}", "`to`"),
        ("{to: desk}", "`desk` is no address that begins with"),
        ("{to: 'ftp://x.org'}", "is no address that begins with"),
        ("{to: 'https://x.org/{{ input }}'}", "`to` cannot refer to `input`"),
        ("{to: 'https://x.org/{{ vars.tem }}'}", "tem"),
        ("{to: https://x.org, events: paused}", "`events` is a list"),
        ("{to: https://x.org, events: []}", "`events` is empty"),
        ("{to: https://x.org, events: [started]}", "`events` is one of"),
        ("{to: https://x.org, secret: DESK}", "there is no secret `DESK`"),
        ("{to: https://x.org, json: '= steps.show'}", "this expression cannot refer to `steps`"),
        ("{to: https://x.org, timeout: 2m}", "`timeout` of notification `notification` is"),
        ("{to: https://x.org, link_for: ' '}", "`link_for` names no person"),
        ("{to: https://x.org, name: a b}", "a notification cannot be called `a b`"),
        ("[{to: https://x.org}, {to: https://y.org}]", "a notification of several needs `name`"),
        ("[{name: a, to: https://x.org}, {name: a, to: https://y.org}]", "are called `a`"),
        ("{to: https://x.org, when: later}", "a notification has no key `when`"),
    ] {
        let text = format!(
            "format: 1\nname: News\nvars: {{team: bees}}\nsteps: [{{name: show, template: x}}]\n\
             notify: {notify}\n"
        );
        let mistakes = parsed(&text, &[]).unwrap_err();
        let all: Vec<&str> = mistakes.iter().map(|it| &*it.message).collect();
        assert!(all.iter().any(|it| it.contains(message)), "{notify}: {all:?}");
        assert!(mistakes.iter().all(|it| it.code != ErrorId::INTERNAL), "{notify}");
    }
}

#[test]
fn an_address_of_a_secret_is_not_shown_when_it_is_wrong() {
    let text = "format: 1\nname: News\nsecrets: [DESK]\nnotify: {to: '{{ secrets.DESK }}'}\n\
                steps: [{name: show, template: x}]\n";
    let definition = parsed(text, &[("DESK", "hunter2-hunter2")]).unwrap();
    let error = definition.builder().unwrap_err().report();
    assert!(error.contains("the address of notification `notification` is not valid"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}
