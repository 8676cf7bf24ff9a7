//! `stepwright webhooks`.

use crate::args::{OneWebhook, WebhookList, Webhooks as Wanted};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use std::net::SocketAddr;
use stepwright::{Error, Runs};
use stepwright_engine::real_world;
use stepwright_term::{harmless, utc};
use stepwright_triggers::{StoredWebhook, Tokens};

/// Lists webhooks, and renews their tokens.
pub(crate) async fn webhooks(command: &Wanted, stderr: Stderr) -> Result<Exit, Error> {
    match command {
        Wanted::List(arguments) => list(arguments, stderr).await,
        Wanted::Renew(OneWebhook { id, kept }) => {
            let token = of(&open::runs_to_change(kept, None).await?)?.renew(id).await?;
            stderr.note("the path is shown only now; requests with the one before are refused");
            let mut stdout = Stdout::new();
            stdout.write(&format!("{}\n", path(&token)));
            Ok(stdout.end(stderr, Exit::Completed))
        }
    }
}

async fn list(arguments: &WebhookList, stderr: Stderr) -> Result<Exit, Error> {
    let all = of(&open::runs(&arguments.kept, None).await?)?.list().await?;
    let mut stdout = Stdout::new();
    if arguments.json {
        let object = |webhook: &StoredWebhook| {
            let StoredWebhook { id, workflow, name, created_at, .. } = webhook;
            json!({"id": id, "workflow_id": workflow, "name": name, "created_at": created_at})
        };
        let all: Vec<Value> = all.iter().map(object).collect();
        stdout.write_json_pretty(&all);
    } else if all.is_empty() {
        stderr.note("there is no webhook; `stepwright serve` stores those of its files");
    } else {
        let row = |webhook: StoredWebhook| [webhook.id, utc(webhook.created_at)];
        stdout.write_rows(&table(["WEBHOOK", "TOKEN MADE"], all.into_iter().map(row).collect()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Returns the line about a webhook that `serve` shows at its start.
pub(crate) fn line(webhook: &StoredWebhook, server: SocketAddr) -> String {
    let id = harmless(&webhook.id);
    match &webhook.token {
        Some(token) => format!("Webhook {id}: http://{server}{} (shown only now)", path(token)),
        None => format!("Webhook {id}: `stepwright webhooks renew {id}` makes a new address"),
    }
}

fn path(token: &str) -> String {
    format!("/v1/hooks/{token}")
}

fn of(runs: &Runs) -> Result<Tokens, Error> {
    let store = runs.whole_store().cloned();
    let store = store.ok_or_else(|| Error::usage("webhooks belong to the whole database"))?;
    Ok(Tokens::of(store, real_world()))
}
