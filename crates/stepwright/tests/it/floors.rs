//! The floors of ARCHITECTURE.md, as Cargo sees them.

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Edges go from a higher floor to a lower one, never sideways and never up.
const FLOORS: [(&str, u32); 25] = [
    ("stepwright-core", 0),
    ("stepwright-http", 0),
    ("stepwright-macros", 0),
    ("stepwright-viewer", 0),
    ("stepwright-engine", 1),
    ("stepwright-models", 1),
    ("stepwright-otel", 1),
    ("stepwright-store", 1),
    ("stepwright-agent", 2),
    ("stepwright-guardrails", 2),
    ("stepwright-process", 2),
    ("stepwright-term", 2),
    ("stepwright-triggers", 2),
    ("stepwright-harness", 3),
    ("stepwright-mcp", 3),
    ("stepwright-tools", 3),
    ("stepwright-knowledge", 4),
    ("stepwright-file", 5),
    ("stepwright", 6),
    ("stepwright-cassette", 6),
    ("stepwright-host", 7),
    ("stepwright-server", 7),
    ("stepwright-testing", 7),
    ("stepwright-cli", 8),
    ("stepwright-python", 9),
];

/// Crates that are large, slow to build or bound to a platform, each with the one crate of ours
/// that may use it.
const HEAVY: [(&str, &str); 20] = [
    ("axum", "stepwright-server"),
    ("utoipa", "stepwright-server"),
    ("reqwest", "stepwright-http"),
    ("rustls", "stepwright-http"),
    ("rig-core", "stepwright-models"),
    ("rmcp", "stepwright-mcp"),
    ("agent-client-protocol", "stepwright-harness"),
    ("html5ever", "stepwright-tools"),
    ("opentelemetry_sdk", "stepwright-otel"),
    ("rusqlite", "stepwright-store"),
    ("cel", "stepwright-file"),
    ("jsonschema", "stepwright-file"),
    ("miette", "stepwright-file"),
    ("minijinja", "stepwright-file"),
    ("pulldown-cmark", "stepwright-term"),
    ("rustyline", "stepwright-term"),
    ("clap", "stepwright-cli"),
    ("tracing-subscriber", "stepwright-cli"),
    ("signal-hook", "stepwright-term"),
    ("pyo3", "stepwright-python"),
];

/// Heavy crates that a second one of ours may use, behind a feature.
const ALSO: [(&str, &str); 2] =
    [("rusqlite", "stepwright-tools"), ("rusqlite", "stepwright-knowledge")];

/// Crates that speak HTTP.
const CLIENTS: [&str; 8] = [
    "hyper",
    "hyper-util",
    "reqwest",
    "rig-core",
    "rig-reqwest",
    "stepwright-http",
    "tokio-tungstenite",
    "tungstenite",
];

/// Crates that may have it: the client, and those that use it. Models, embedders, MCP, tools, files
/// with `http`, and traces, which go to the collector that the environment names.
const SPEAKERS: [&str; 9] = [
    "stepwright-http",
    "stepwright-knowledge",
    "stepwright-models",
    "stepwright-mcp",
    "stepwright-otel",
    "stepwright-tools",
    "stepwright-file",
    // Notifications, to the addresses that a workflow names.
    "stepwright-triggers",
    // It answers, and asks only the provider of keys for tokens that its owner names.
    "stepwright-server",
];

/// Crates that send reports about a program to a service, by the beginnings of their names.
const TELEMETRY: [&str; 5] = ["amplitude", "datadog", "posthog", "segment", "sentry"];

fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let answer = Command::new(cargo).args(arguments).current_dir(directory).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    String::from_utf8(answer.stdout).unwrap()
}

/// Returns the dependencies that each crate of the workspace has for its users: not for its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let metadata = cargo(&["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let needed = |package: &Value| {
        let all = list(&package["dependencies"]).into_iter();
        all.filter(|one| one["kind"] != "dev").map(|one| name(&one)).collect()
    };
    let packages = list(&metadata["packages"]);
    packages.iter().map(|package| (name(package), needed(package))).collect()
}

#[test]
fn every_edge_goes_down() {
    let floors = BTreeMap::from(FLOORS);
    let mut wrong = Vec::new();
    for (crate_name, needed) in dependencies() {
        let Some(floor) = floors.get(&*crate_name) else {
            wrong.push(format!("`{crate_name}` has no floor"));
            continue;
        };
        for other in needed {
            if let Some(below) = floors.get(&*other)
                && below >= floor
            {
                wrong.push(format!("`{crate_name}` (floor {floor}) → `{other}` (floor {below})"));
            }
        }
    }
    assert!(wrong.is_empty(), "edges that do not go down:\n{}", wrong.join("\n"));
}

#[test]
fn the_page_has_the_same_floors() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ARCHITECTURE.md");
    let page = std::fs::read_to_string(page).unwrap();
    let row = |line: &str| {
        let (floor, rest) = line.strip_prefix("| ")?.split_once(" | `")?;
        Some((rest.split_once('`')?.0.to_owned(), floor.parse().ok()?))
    };
    let rows: BTreeMap<String, u32> = page.lines().filter_map(row).collect();
    assert_eq!(rows, FLOORS.map(|(name, floor)| (name.to_owned(), floor)).into());
}

#[test]
fn heavy_dependencies_live_in_leaves() {
    let mut wrong = Vec::new();
    for (crate_name, needed) in dependencies() {
        for (heavy, home) in HEAVY {
            let is_home = crate_name == home || ALSO.contains(&(heavy, &*crate_name));
            if needed.iter().any(|other| other == heavy) && !is_home {
                wrong.push(format!("`{crate_name}` → `{heavy}`, which belongs to `{home}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "heavy dependencies out of place:\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_sent_but_by_models_tools_files_and_traces() {
    let mut wrong = Vec::new();
    for (crate_name, needed) in dependencies() {
        let clients = needed.into_iter().filter(|other| CLIENTS.contains(&&**other));
        if !SPEAKERS.contains(&&*crate_name) {
            wrong.extend(clients.map(|client| format!("`{crate_name}` → `{client}`")));
        }
    }
    assert!(wrong.is_empty(), "who must not speak HTTP does:\n{}", wrong.join("\n"));
}

#[test]
fn there_is_no_telemetry() {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).unwrap();
    let names = lock.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    let names: Vec<&str> = names.collect();
    assert!(names.contains(&"stepwright-core"), "the lock file was not understood");
    let is_one = |name: &&str| TELEMETRY.iter().any(|begins| name.starts_with(begins));
    let found: Vec<&str> = names.into_iter().filter(is_one).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// `tokio-util` brings `tokio` along for its cancellation token: that needs no runtime.
#[test]
fn the_core_has_no_runtime() {
    let tree = cargo(&[
        "tree",
        "--offline",
        "--package=stepwright-core",
        "--edges=normal",
        "--prefix=none",
        "--format={p} {f}",
    ]);
    for line in tree.lines().filter(|line| line.starts_with("tokio")) {
        let features = line.split_whitespace().flat_map(|word| word.split(','));
        for feature in features {
            let runtime = ["rt", "rt-multi-thread", "net", "fs", "time", "process"];
            assert!(!runtime.contains(&feature), "the core has a runtime: {line}");
        }
    }
    assert!(tree.starts_with("stepwright-core"), "{tree}");
}
