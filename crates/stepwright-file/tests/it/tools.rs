//! The tools of agents.

use serde_json::{Value, json};
use stepwright_core::output::Turn;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

/// Returns the tool's answer to a model that calls it with this.
async fn answer(tool: &'static str, arguments: Value, base: &std::path::Path) -> String {
    let provider = format!("calls-{}", arguments.to_string().len());
    stepwright_models::register(&provider, move |_| {
        let call = Reply::call(tool, arguments.clone());
        Ok(ScriptedModel::new([call, Reply::text("done")]))
    });
    let text = format!(
        "format: 1\nname: Tools\nmodel: {provider}\nagents: {{a: {{tools: [{tool}]}}}}\nsteps: \
         [{{agent: a}}]\n"
    );
    let options = Options { base_dir: Some(base.to_path_buf()), ..Options::default() };
    let workflow = Definition::parse(&text, "tools.yaml", &options).unwrap().build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let turns = &output.step_executor_runs[0].turns;
    let told = turns.iter().find_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        Turn::Model(_) | Turn::Message(_) => None,
    });
    told.unwrap()
}

#[tokio::test]
async fn a_model_reads_files_of_the_directory_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    std::fs::write(base.join("a.md"), "inside").unwrap();
    std::fs::write(dir.path().join("secret.md"), "secret").unwrap();
    assert_eq!(answer("read_file", json!({"path": "a.md"}), &base).await, "inside");
    let told = answer("read_file", json!({"path": "../secret.md"}), &base).await;
    assert!(told.contains("outside of the base directory"), "{told}");
    let told = answer("read_file", json!({"path": "/etc/hostname"}), &base).await;
    assert!(told.contains("outside of the base directory"), "{told}");
    let told = answer("http_get", json!({"url": "file:///etc/hostname-of-this"}), &base).await;
    assert!(told.contains("begins with `https://`"), "{told}");
}

/// Returns the tool's answer to a model that calls it, in an agent with these tools.
async fn told(tools: &str, call: &'static str, arguments: Value, base: &std::path::Path) -> String {
    let provider = format!("kits-{call}-{}", tools.len() * 1_000 + arguments.to_string().len());
    stepwright_models::register(&provider, move |_| {
        let call = Reply::call(call, arguments.clone());
        Ok(ScriptedModel::new([call, Reply::text("done")]))
    });
    let text = format!(
        "format: 1\nname: Tools\nmodel: {provider}\nagents: {{a: {{tools: [{tools}]}}}}\nsteps: \
         [{{agent: a}}]\n"
    );
    let options = Options { base_dir: Some(base.to_path_buf()), ..Options::default() };
    let workflow = Definition::parse(&text, "tools.yaml", &options).unwrap().build().unwrap();
    let output = workflow.run("go").await.unwrap();
    let turns = &output.step_executor_runs[0].turns;
    let told = turns.iter().find_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        Turn::Model(_) | Turn::Message(_) => None,
    });
    told.unwrap()
}

#[tokio::test]
async fn the_toolkits_of_files_do_what_those_in_rust_do() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("notes/in")).unwrap();
    std::fs::write(dir.path().join("notes/a.md"), "hello").unwrap();
    std::fs::write(dir.path().join("top.md"), "outside of notes").unwrap();
    let database = rusqlite::Connection::open(dir.path().join("data.db")).unwrap();
    database.execute_batch("CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3)").unwrap();
    for (tools, call, arguments, wanted) in [
        ("calculator", "calculate", json!({"expression": "6 * 7"}), "42"),
        (
            "clock: {zone: Europe/Berlin}",
            "add_time",
            json!({"to": "2026-01-01", "time": "1 day"}),
            "2026-01-02T00:00:00+01:00[Europe/Berlin], Friday, week 01",
        ),
        ("files: {dir: notes}", "list_files", json!({}), "a.md\nin/"),
        (
            "files: {dir: notes}",
            "read_file",
            json!({"path": "../top.md"}),
            "`../top.md` is outside of the base directory; a path stays beneath that directory, \
             which `--base-dir` names",
        ),
        (
            "files: {max_bytes: 3}",
            "read_file",
            json!({"path": "notes/a.md"}),
            "hel\n[these are the bytes 0 to 3 of 5; read on with `read_result`: {\"result\": 1, \
             \"offset\": 3}]",
        ),
        (
            "sql: {sqlite: data.db, rows: 2}",
            "sql_query",
            json!({"query": "SELECT n FROM t"}),
            "{\"n\":1}\n{\"n\":2}\n[these are the first 2 rows; count or sum in the query, or use \
             LIMIT and OFFSET]",
        ),
        (
            "sql: {sqlite: data.db}",
            "sql_query",
            json!({"query": "DELETE FROM t"}),
            "the database refuses this statement: not authorized",
        ),
        (
            "scratchpad",
            "write_note",
            json!({"title": "a", "text": "b"}),
            "kept `a`; there are 1 notes",
        ),
        (
            "http_get",
            "http_get",
            json!({"url": "http://127.0.0.1:1/"}),
            "`http://127.0.0.1:1/` cannot be fetched: it is the private address 127.0.0.1, which \
             this tool may not reach; another address may do; only the settings of the tool allow \
             private ones",
        ),
    ] {
        assert_eq!(told(tools, call, arguments, dir.path()).await, wanted, "{tools}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_stays_beneath_the_base_directory_also_through_a_link() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().join("base");
    std::fs::create_dir(&base).unwrap();
    rusqlite::Connection::open(dir.path().join("other.db")).unwrap();
    std::os::unix::fs::symlink(dir.path().join("other.db"), base.join("link.db")).unwrap();
    let query = json!({"query": "SELECT 1"});
    let text = told("sql: {sqlite: link.db}", "sql_query", query, &base).await;
    assert!(text.contains("it is outside of the base directory"), "{text}");
}

/// Returns the mistakes of a file whose agent has these settings.
fn mistakes(agent: &str) -> String {
    let text = format!(
        "format: 1\nname: T\nmodel: offline\nagents: {{a: {{{agent}}}}}\nsteps: [{{agent: a}}]\n"
    );
    match Definition::parse(&text, "tools.yaml", &Options::default()) {
        Ok(_) => "none".into(),
        Err(mistakes) => mistakes.to_string(),
    }
}

#[test]
fn settings_of_tools_are_checked_at_their_places() {
    assert_eq!(
        mistakes(
            "tools: [http_get: {timeout: 10s, retries: 2, max_calls: 5, max_bytes: 20000, cache: \
             10m, confirm: true}], tool_choice: {one: http_get}"
        ),
        "none"
    );
    for (agent, told) in [
        ("tools: [http_get: {retry: 2}]", "`http_get` has no key `retry`"),
        ("tools: [http_get: {retries: 11}]", "`retries` is a whole number from 0 to 10"),
        ("tools: [http_get: {max_calls: 0}]", "`max_calls` is a whole number from 1"),
        ("tools: [http_get: {max_bytes: 0}]", "`max_bytes` is a whole number from 1 to 1048576"),
        ("tools: [http_get: {confirm: yes}]", "`confirm` is true or false"),
        ("tools: [http_get: 7]", "`http_get` is a mapping"),
        ("tools: [http: {retries: 1}]", "`retries` is for tools that only read, and `http` acts"),
        ("tools: [files: {write: true, cache: 1m}]", "`cache` is for tools that only read"),
        ("tools: [files: {dir: ../up}]", "`../up` is outside of the base directory"),
        ("tools: [sql: {sqlite: ../up.db}]", "`../up.db` is outside of the base directory"),
        ("tools: [sql]", "`sql` needs a database"),
        ("tools: [sql: {rows: 5}]", "`sql` needs a database"),
        ("tools: [sql: {sqlite: a.db, postgres: B}]", "`sql` has two databases"),
        ("tools: [sql: {postgres: SALES_URL}]", "there is no secret `SALES_URL`"),
        ("tools: [clock: {zone: Mars}]", "there is no time zone `Mars`"),
        ("tools: [wikipedia: {language: A/B}]", "`A/B` is not the code of a language"),
        ("tools: [read_file, files]", "`files` and `read_file` both have a tool `read_file`"),
        ("tools: [http_get], tool_choice: {one: search}", "has no tool `search`, which it must"),
        ("tools: [http_get], tool_choice: {all: x}", "`tool_choice` needs `one`"),
        ("tools: [http_get], tool_choice: first", "`tool_choice` is one of"),
    ] {
        let mistakes = mistakes(agent);
        assert!(mistakes.contains(told), "{agent}: {mistakes}");
    }
}

#[test]
fn the_tools_of_memories_are_named_as_others_are() {
    let check = |agent: &str| {
        let text = format!(
            "format: 1\nname: M\nmodel: offline\nagents: {{a: {agent}}}\nsteps: [{{agent: a}}]\n"
        );
        let read = Definition::parse(&text, "m.yaml", &Options::default());
        read.map(|definition| definition.build().unwrap()).map_err(|mistakes| mistakes.to_string())
    };
    check("{memory: true, requires_confirmation: [save_memory]}").unwrap();
    let wrong = check("{memory: {by: after_run}, requires_confirmation: [save_memory]}");
    assert!(wrong.unwrap_err().contains("this agent has no tool `save_memory`"));
    let wrong = check("{memory: {model: offline}}").unwrap_err();
    assert!(wrong.contains("only `by: after_run` asks a model"), "{wrong}");
}
