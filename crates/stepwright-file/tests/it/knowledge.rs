//! Knowledge bases of files: filled from files, searched by agents, and refused where they lead out
//! of the folder.

use serde_json::json;
use std::fs;
use std::path::Path;
use stepwright_core::ErrorId;
use stepwright_core::output::Turn;
use stepwright_core::permission::Permissions;
use stepwright_file::{Definition, Diagnostics, KnowledgeBase, Options};
use stepwright_testing::model::{Reply, ScriptedModel};
use tempfile::TempDir;

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A folder with two documents and a workflow file whose agent searches them.
fn place(base: &str, agent: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "format: 1\nname: Desk\nmodel: offline\nknowledge:\n  handbook: {base}\nagents:\n  desk: \
         {agent}\nsteps: [{{agent: desk}}]\n"
    );
    write(&dir.path().join("flow.yaml"), &text);
    let returns = "# Returns\n\nGoods can be sent back for 30 days.\n";
    write(&dir.path().join("docs/returns.md"), returns);
    write(&dir.path().join("docs/office.txt"), "The office opens at nine.\n");
    dir
}

const BASE: &str = "{database: handbook.db, sources: ['docs/*.md', docs/office.txt]}";
const AGENT: &str = "{knowledge: [handbook]}";

fn read(dir: &TempDir, options: &Options) -> Result<Definition, Diagnostics> {
    Definition::read(dir.path().join("flow.yaml"), options)
}

fn base(dir: &TempDir) -> KnowledgeBase {
    read(dir, &Options::default()).unwrap().knowledge().next().unwrap()
}

/// Returns the mistakes that a check tells, each with its help.
fn mistakes(dir: &TempDir) -> String {
    let options = Options { only_checks: true, ..Options::default() };
    let told = read(dir, &options).unwrap_err();
    let lines = told.iter().map(|one| {
        let help = one.help.as_deref().unwrap_or_default();
        format!("{} {}; {help}", one.code, one.message)
    });
    let root = dir.path().display().to_string();
    lines.collect::<Vec<_>>().join("\n").replace(&root, "DIR")
}

/// Runs the workflow with a model that searches once, and returns the result of the search.
async fn told(dir: &TempDir, options: Options) -> String {
    let provider = format!("knowledge-{}", dir.path().file_name().unwrap().display());
    let provider = provider.replace('.', "").to_lowercase();
    stepwright_models::register(&provider, |_| {
        let call = Reply::call("search_handbook", json!({"query": "sent back"}));
        Ok(ScriptedModel::new([call, Reply::text("30 days")]))
    });
    let options = Options { model: Some(provider), ..options };
    let output = read(dir, &options).unwrap().build().unwrap().run("How long?").await.unwrap();
    let turns = output.step_executor_runs[0].turns.iter();
    let told = turns.filter_map(|turn| match turn {
        Turn::Tool(outcome) => Some(outcome.text.clone()),
        _ => None,
    });
    told.collect()
}

#[tokio::test]
async fn an_agent_searches_a_knowledge_base_and_gets_passages_with_their_sources() {
    for embedder in ["", ", embedder: offline"] {
        let dir = place(&BASE.replace('}', &format!("{embedder}}}")), AGENT);
        let updated = base(&dir).update(&|_| ()).await.unwrap();
        assert_eq!(updated.new, ["docs/office.txt", "docs/returns.md"], "{embedder}");
        let told = told(&dir, Options::default()).await;
        let wanted = "[docs/returns.md] Returns\nGoods can be sent back for 30 days.\n";
        assert!(told.starts_with(wanted), "{embedder}: {told}");
    }
}

#[tokio::test]
async fn an_update_embeds_what_changed_and_removes_what_is_gone() {
    let dir = place(&BASE.replace('}', ", embedder: offline}"), AGENT);
    let handbook = base(&dir);
    handbook.update(&|_| ()).await.unwrap();
    let again = handbook.update(&|_| ()).await.unwrap();
    assert_eq!((again.unchanged, again.chunks), (2, 0), "{again:?}");
    write(&dir.path().join("docs/returns.md"), "# Returns\n\n14 days.\n");
    fs::remove_file(dir.path().join("docs/office.txt")).unwrap();
    write(&dir.path().join("docs/empty.md"), " \n");
    let seen = std::sync::Mutex::new(Vec::new());
    let progress = |it: stepwright_file::KnowledgeProgress<'_>| {
        seen.lock().unwrap().push((it.source.to_owned(), it.nth, it.documents, it.chunks));
    };
    let updated = handbook.update(&progress).await.unwrap();
    assert_eq!(updated.updated, ["docs/returns.md"]);
    assert_eq!(updated.removed, ["docs/office.txt"]);
    assert_eq!(updated.empty, ["docs/empty.md"]);
    let seen = seen.into_inner().unwrap();
    assert!(seen.contains(&("docs/returns.md".to_owned(), 3, 3, 1)), "{seen:?}");
}

#[tokio::test]
async fn documents_added_by_hand_stay_and_are_kept_up_to_date() {
    let dir = place(BASE, AGENT);
    let handbook = base(&dir);
    write(&dir.path().join("notes/new.txt"), "Parcels are blue.");
    let new = dir.path().join("notes/new.txt");
    let added = handbook.add(std::slice::from_ref(&new), &|_| ()).await.unwrap();
    assert_eq!(added.new, ["notes/new.txt"]);
    write(&new, "Parcels are green.");
    let updated = handbook.update(&|_| ()).await.unwrap();
    assert_eq!(updated.updated, ["notes/new.txt"]);
    let elsewhere = tempfile::tempdir().unwrap();
    write(&elsewhere.path().join("a.txt"), "Far away.");
    let error = handbook.add(&[elsewhere.path().join("a.txt")], &|_| ()).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::INCLUDE_REFUSED);
    assert!(error.to_string().contains("outside of the folder"), "{error}");
}

#[tokio::test]
async fn a_run_needs_the_database_and_says_how_to_make_it() {
    let dir = place(BASE, AGENT);
    let error = read(&dir, &Options::default()).unwrap().build().unwrap_err();
    assert_eq!(error.id(), ErrorId::DATABASE_MISSING);
    assert_eq!(error.to_string(), "the knowledge base `handbook` has no database yet");
    assert!(error.hint().unwrap().contains("stepwright knowledge update"), "{error:?}");
    // A replay reaches no database.
    let options = Options { playback: true, ..Options::default() };
    read(&dir, &options).unwrap().build().unwrap();
}

#[tokio::test]
async fn a_rule_about_knowledge_denies_a_search() {
    let dir = place(BASE, AGENT);
    base(&dir).update(&|_| ()).await.unwrap();
    for rule in ["knowledge", "search_handbook", "knowledge: *sent*"] {
        let permissions = Permissions::default().deny(rule).unwrap().allow("*").unwrap();
        let options = Options { permissions: Some(permissions), ..Options::default() };
        let told = told(&dir, options).await;
        assert!(told.starts_with("not called: "), "{rule}: {told}");
    }
}

#[tokio::test]
async fn settings_are_part_of_the_digest_and_documents_are_not() {
    let digest = async |base_text: &str, agent: &str, document: &str| {
        let dir = place(base_text, agent);
        write(&dir.path().join("docs/returns.md"), document);
        base(&dir).update(&|_| ()).await.unwrap();
        read(&dir, &Options::default()).unwrap().build().unwrap().digest().to_owned()
    };
    let first = digest(BASE, AGENT, "One.").await;
    assert_eq!(first, digest(BASE, AGENT, "Two.").await);
    let with = [
        (BASE.replace('}', ", embedder: offline}"), AGENT.to_owned()),
        (BASE.replace('}', ", passages: 2}"), AGENT.to_owned()),
        (BASE.replace('}', ", description: About parcels.}"), AGENT.to_owned()),
        (BASE.to_owned(), "{knowledge: [{name: handbook, passages: 3}]}".to_owned()),
    ];
    for (base_text, agent) in with {
        assert_ne!(first, digest(&base_text, &agent, "One.").await, "{base_text} {agent}");
    }
}

#[test]
fn a_check_needs_no_key_and_no_database() {
    let base = BASE.replace('}', ", embedder: openai:text-embedding-3-small}");
    let dir = place(&base, AGENT);
    let options = Options { only_checks: true, ..Options::default() };
    let definition = read(&dir, &options).unwrap();
    assert!(definition.warnings().is_empty(), "{:?}", definition.warnings());
    assert!(!dir.path().join("handbook.db").exists());
}

#[test]
fn mistakes_are_told_at_their_places() {
    for (base, agent, wanted) in [
        (
            BASE,
            "{knowledge: [hanbook]}",
            "SW0205 there is no knowledge base `hanbook`; did you \
            mean `handbook`?",
        ),
        (
            "{database: handbook.db, sources: ['docs/*.pdf']}",
            AGENT,
            "SW0210 no file matches `docs/*.pdf`; looked in `DIR`",
        ),
        (
            "{database: handbook.db, sources: [docs/missing.md]}",
            AGENT,
            "SW0210 no file matches `docs/missing.md`; looked in `DIR`",
        ),
        (
            "{database: handbook.db, sources: ['../*.md']}",
            AGENT,
            "SW0210 cannot use `../*.md`: it leads out of the folder of this file; sources stay \
             beneath the folder of their file",
        ),
        (
            "{database: ../handbook.db, sources: [docs/office.txt]}",
            AGENT,
            "SW0210 cannot use `../handbook.db`: it leads out of the folder of this file with `..`",
        ),
        (
            "{database: data/handbook.db, sources: [docs/office.txt]}",
            AGENT,
            "SW0210 cannot use `data/handbook.db`: its folder `data` does not exist; create the \
             folder `data` beside this file",
        ),
        (
            "{database: docs, sources: [docs/office.txt]}",
            AGENT,
            "SW0210 cannot use `docs`: it is not a regular file; ",
        ),
        (
            "{database: handbook.db, sources: [docs/office.txt], embedder: anthropic:claude}",
            AGENT,
            "SW0211 `anthropic:claude` names no model: `anthropic` has no embedding models",
        ),
        (
            "{database: handbook.db, sources: [docs/office.txt], passages: 101}",
            AGENT,
            "SW0204 `passages` is a whole number from 1 to 100",
        ),
        ("{database: handbook.db}", AGENT, "SW0204 a knowledge base needs `sources`"),
        (BASE, "{knowledge: [handbook, handbook]}", "`handbook` and `knowledge` both have a tool"),
    ] {
        let told = mistakes(&place(base, agent));
        assert!(told.contains(wanted), "{base} {agent}: {told}");
    }
}

#[test]
fn a_knowledge_base_that_no_agent_searches_is_warned_about() {
    let dir = place(BASE, "{}");
    let definition = read(&dir, &Options::default()).unwrap();
    let warning = definition.warnings().iter().next().unwrap();
    assert_eq!(warning.message, "no agent searches the knowledge base `handbook`");
}

#[cfg(unix)]
#[test]
fn a_database_that_is_a_link_is_refused() {
    let dir = place(BASE, AGENT);
    let elsewhere = tempfile::tempdir().unwrap();
    write(&elsewhere.path().join("other.db"), "");
    let link = dir.path().join("handbook.db");
    std::os::unix::fs::symlink(elsewhere.path().join("other.db"), link).unwrap();
    let told = mistakes(&dir);
    assert!(told.contains("cannot use `handbook.db`: it is a link"), "{told}");
}
