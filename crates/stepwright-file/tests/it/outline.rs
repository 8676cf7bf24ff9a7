//! The tree that people are shown.

use stepwright_file::{Definition, Options};

#[test]
fn the_outline_tells_what_is_done_and_how() {
    let text = r#"
format: 1
name: Digest
timeout: 10m
model: offline
agents: {writer: {}}
steps:
  - {name: sources, read_files: {glob: "docs/**/*.md"}}
  - name: notes
    map: {over: "= steps.sources", concurrency: 4, join: best_effort}
    do: [{agent: writer, prompt: "Summarise {{ item.text }}", retry: 2, timeout: 1m}]
  - name: revise
    loop: {at_most: 3, until: "= size(content) < 2000", forward: true}
    do:
      - name: long
        if: "= size(previous) > 100"
        then: [{name: shorten, agent: writer}]
        else: [{name: keep, value: "= previous"}]
  - name: page
    agent: writer
    history: 5
    retry: {max: 1, on: [model, timed_out]}
    on_error: {model: pause, otherwise: skip}
  - name: out
    parallel: {join: fail_fast, concurrency: 2}
    timeout: 1h
    branches:
      - {write_file: "digest.md", on_error: skip, queue: gpu}
      - {set_state: {last: "= previous"}, on_interrupted: ask}
"#;
    let definition = Definition::parse(text, "digest.yaml", &Options::default()).unwrap();
    assert_eq!(
        definition.explain().to_string(),
        "\
Digest  at most 10m
├─ sources  read_files  docs/**/*.md
├─ notes  map  over steps.sources, best effort, 4 at a time
│  └─ writer  agent  writer, 2 retries, within 1m
├─ revise  loop  at most 3 turns, until size(content) < 2000, each goes on from the last
│  └─ long  if  size(previous) > 100
│     ├─ then
│     │  └─ shorten  agent  writer
│     └─ else
│        └─ keep  value
├─ page  agent  writer, 1 retry (model, timed out), knows 5 earlier runs, asks a person if it \
         fails (model), skipped if it fails
└─ out  parallel  fails fast, 2 at a time, within 1h
   ├─ write_file  write_file  digest.md, skipped if it fails, in queue gpu
   └─ set_state  set_state  `last`, asks a person if interrupted
"
    );
}

#[test]
fn the_outline_tells_where_people_are_asked() {
    let text = "
format: 1
name: Asked
model: offline
agents: {writer: {tools: [read_file, http_get], requires_confirmation: [http_get]}}
steps:
  - name: draft
    agent: writer
    on_error: pause
    human_review:
      requires_user_input:
        schema: {type: object, properties: {tone: {type: string}, words: {type: integer}}}
      requires_output_review: Good?
      on_reject: retry
      timeout: 2h
      on_timeout: reject
  - name: way
    router:
    choices: [{name: blog, template: x}, {name: mail, template: y}]
    human_review: {requires_route_selection: true, on_reject: cancel}
  - name: revise
    loop: {at_most: 3}
    do: [{name: nap, sleep: 1h}]
    human_review: {requires_iteration_review: true}
  - name: publish
    template: z
    human_review: {requires_confirmation: true, on_reject: fail, timeout: 1d, on_timeout: approve}
";
    let definition = Definition::parse(text, "asked.yaml", &Options::default()).unwrap();
    assert_eq!(
        definition.explain().to_string(),
        "\
Asked
├─ draft  agent  writer, asks before it calls `http_get`, asks a person if it fails, asks for \
         `tone` and `words`, a person reviews its output, done again if rejected, after 2h \
         as if rejected
├─ way  router  a person chooses, the run is cancelled if rejected
│  ├─ blog  template
│  └─ mail  template
├─ revise  loop  at most 3 turns, a person reviews each turn
│  └─ nap  sleep  1h
└─ publish  template  asks before it begins, fails if rejected, after 1d as if approved
"
    );
}
