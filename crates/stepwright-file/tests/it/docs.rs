//! The examples in the reference are files that are read and checked.

use stepwright_file::{Definition, Options, Variables};

const REFERENCE: &str = include_str!("../../../../docs/workflow-files.md");

/// The fenced blocks of this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = REFERENCE.split(fence.as_str()).skip(1);
    blocks.map(|block| block.split("\n```").next().unwrap()).collect()
}

#[test]
fn every_example_is_right() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("prompts")).unwrap();
    std::fs::write(dir.path().join("prompts/review.md"), "Review:\n{{ previous }}\n").unwrap();
    let other = "format: 1\nname: Other\nsteps: [{name: a, template: x}]\n";
    std::fs::write(dir.path().join("other.yaml"), other).unwrap();
    let name = dir.path().join("example.yaml").display().to_string();
    let variables = Variables::from([("REGION", "eu"), ("API_KEY", "hunter2")]);
    let options = Options { allow_shell: true, variables, ..Options::default() };
    let examples = [blocks("yaml"), blocks("json")].concat();
    assert!(examples.len() > 12, "only {} examples", examples.len());
    for example in examples {
        // Examples of steps alone stand in for a whole file.
        let text = if example.starts_with("- ") || example.starts_with("# steps\n") {
            let steps: String = example.lines().flat_map(|line| ["  ", line, "\n"]).collect();
            let agents = "agents: {writer: {}, reviewer: {}}";
            format!("format: 1\nname: Example\nmodel: offline\n{agents}\nsteps:\n{steps}")
        } else {
            example.to_owned()
        };
        let definition = Definition::parse(&text, &name, &options);
        let definition = definition.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}"));
        definition.build().unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    }
}

#[test]
fn every_kind_of_step_has_a_chapter_and_no_other() {
    let mut kinds = crate::builtins::kinds_of_steps();
    let chapters = REFERENCE.lines().filter_map(|line| line.strip_prefix("### `"));
    let mut chapters: Vec<&str> = chapters
        .flat_map(|rest| rest.split('`').step_by(2))
        .filter(|key| !key.is_empty())
        .collect();
    kinds.sort_unstable();
    chapters.sort_unstable();
    assert_eq!(kinds, chapters);
}

#[test]
fn every_tool_is_listed_in_the_reference() {
    let text = "
format: 1
name: Example
model: offline
agents: {a: {tools: [xxxxxxxxxxxx]}}
steps: [{agent: a}]
";
    let mistakes = Definition::parse(text, "example.yaml", &Options::default()).unwrap_err();
    let help = mistakes.iter().next().unwrap().help.clone().unwrap();
    let mut tools: Vec<&str> = help.split('`').skip(1).step_by(2).collect();
    let row = REFERENCE.lines().find(|line| line.starts_with("| `tools` |")).unwrap();
    let mut listed: Vec<&str> = row.split('`').skip(3).step_by(2).collect();
    // The tools of servers have no names in the reader.
    listed.retain(|tool| !tool.starts_with("mcp:"));
    tools.sort_unstable();
    listed.sort_unstable();
    assert_eq!(tools, listed, "{help}");
}
