//! Servers that want a login.

use crate::guarded::{Guarded, SECRET};
use crate::support::{called, log_in, workflow};
use serde_json::json;
use std::path::{Path, PathBuf};
use stepwright_core::tool::ToolSource as _;
use stepwright_core::{ErrorId, StepContext, StepError};
use stepwright_mcp::{McpServer, OAuth};
use tempfile::TempDir;

fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("tokens/it.json");
    (dir, file)
}

fn server(guarded: &Guarded, file: &Path) -> McpServer {
    McpServer::url("it", &guarded.url).oauth(OAuth::new(file))
}

async fn refused(server: &McpServer) -> StepError {
    server.tools(StepContext::detached("s")).await.unwrap_err()
}

async fn works(server: McpServer) {
    let outcome = called(server, "it__read", json!({})).await;
    assert_eq!(outcome.text, "the secret of the server");
}

#[tokio::test]
async fn a_server_that_wants_a_login_says_what_to_do() {
    let guarded = Guarded::start();
    let error = refused(&McpServer::url("it", &guarded.url)).await;
    assert_eq!(error.data.id, Some(ErrorId::MCP_LOGIN_NEEDED));
    let message = error.data.message.clone();
    assert!(
        message.contains("it needs a login, or a token; give a token with `header`"),
        "{message}"
    );
    let (_dir, file) = folder();
    let error = refused(&server(&guarded, &file)).await;
    assert_eq!(error.data.id, Some(ErrorId::MCP_LOGIN_NEEDED));
    assert!(error.data.message.contains("log in with `log_in`"), "{}", error.data.message);
    let told = McpServer::url("it", &guarded.url).login_help("ask Ada for a token");
    assert!(refused(&told).await.data.message.ends_with("; ask Ada for a token"));
}

#[tokio::test]
async fn a_person_logs_in_once_and_only_the_user_can_read_the_tokens() {
    let guarded = Guarded::start();
    let (_dir, file) = folder();
    log_in(&server(&guarded, &file)).await.unwrap();
    assert_eq!(guarded.log(), ["register", "code"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    }
    // Another process has the file alone.
    works(server(&guarded, &file)).await;
    assert_eq!(guarded.log(), ["register", "code", "call"]);
    let shown = format!("{:?}", server(&guarded, &file));
    assert!(!shown.contains("access-"), "{shown}");
}

#[tokio::test]
async fn a_token_that_the_server_refuses_is_refreshed_and_kept() {
    let guarded = Guarded::start();
    let (_dir, file) = folder();
    log_in(&server(&guarded, &file)).await.unwrap();
    guarded.expire();
    works(server(&guarded, &file)).await;
    assert_eq!(guarded.log(), ["register", "code", "refresh", "call"]);
    // The refresh token was good for one use: the next process has the new one.
    guarded.expire();
    works(server(&guarded, &file)).await;
    assert_eq!(guarded.log()[4..], ["refresh", "call"]);
}

#[tokio::test]
async fn a_login_that_was_ended_asks_for_another_one() {
    let guarded = Guarded::start();
    let (_dir, file) = folder();
    log_in(&server(&guarded, &file)).await.unwrap();
    guarded.revoke();
    let again = server(&guarded, &file);
    assert_eq!(refused(&again).await.data.id, Some(ErrorId::MCP_LOGIN_NEEDED));
    // The same server works after the login.
    log_in(&again).await.unwrap();
    works(again).await;
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_is_no_lost_call() {
    let guarded = Guarded::start();
    let (_dir, file) = folder();
    let server = server(&guarded, &file);
    log_in(&server).await.unwrap();
    works(server.clone()).await;
    guarded.revoke();
    let workflow = workflow(server, "it__read", json!({}));
    let run = crate::support::ended(workflow.run("go")).await;
    assert!(run.requirements.is_empty(), "{run:?}");
    assert_eq!(guarded.log().iter().filter(|line| *line == "call").count(), 1);
}

#[tokio::test]
async fn a_refused_login_says_so() {
    let guarded = Guarded::start();
    guarded.deny();
    let (_dir, file) = folder();
    let error = log_in(&server(&guarded, &file)).await.unwrap_err();
    assert!(error.to_string().contains("refused the login: access_denied"), "{error}");
    assert!(!file.exists());
}

#[tokio::test]
async fn the_tokens_of_one_server_are_not_for_another() {
    let (guarded, other) = (Guarded::start(), Guarded::start());
    let (_dir, file) = folder();
    log_in(&server(&guarded, &file)).await.unwrap();
    let error = refused(&server(&other, &file)).await;
    assert_eq!(error.data.id, Some(ErrorId::MCP_LOGIN_NEEDED));
}

#[tokio::test]
async fn a_program_with_credentials_of_its_own_needs_no_person() {
    let guarded = Guarded::start();
    let credentials = OAuth::client_credentials("c-2", SECRET);
    let server = McpServer::url("it", &guarded.url).oauth(credentials);
    works(server.clone()).await;
    assert_eq!(guarded.log(), ["credentials", "call"]);
    // Such a token has nothing to refresh it: the next connection gets another one.
    guarded.expire();
    works(server).await;
    assert_eq!(guarded.log()[2..], ["credentials", "call"]);
    let wrong = McpServer::url("it", &guarded.url).oauth(OAuth::client_credentials("c-2", "?"));
    assert!(refused(&wrong).await.data.message.contains("cannot be used"));
}

#[test]
fn settings_that_cannot_work_are_mistakes() {
    let server = |oauth: OAuth| McpServer::url("it", "https://example.org/mcp").oauth(oauth);
    let mistake = |server: McpServer| server.check().unwrap_err().to_string();
    assert!(mistake(server(OAuth::new(""))).contains("a file for its tokens"));
    assert!(mistake(server(OAuth::client_credentials("c", ""))).contains("need the secret"));
    let both = server(OAuth::new("t.json")).header("Authorization", "Bearer x");
    assert!(mistake(both).contains("leave one of them out"));
}
