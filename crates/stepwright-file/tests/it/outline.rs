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
  - {name: page, agent: writer, history: 5}
  - name: out
    parallel: {join: fail_fast, concurrency: 2}
    branches:
      - {write_file: "digest.md", on_error: skip}
      - {set_state: {last: "= previous"}}
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
├─ page  agent  writer, knows 5 earlier runs
└─ out  parallel  fails fast, 2 at a time
   ├─ write_file  write_file  digest.md, skipped if it fails
   └─ set_state  set_state  `last`
"
    );
}
