//! `stepwright deliveries`.

use crate::args::{Deliveries as Wanted, DeliveryList, Redelivered};
use crate::exit::Exit;
use crate::open;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use serde_json::{Value, json};
use stepwright::{Error, Runs};
use stepwright_engine::real_world;
use stepwright_term::{harmless, utc};
use stepwright_triggers::{Deliveries, Notification, Notifications, StoredDelivery};

/// Lists deliveries that did not arrive, and sends dead ones again.
pub(crate) async fn deliveries(command: &Wanted, stderr: Stderr) -> Result<Exit, Error> {
    match command {
        Wanted::List(arguments) => list(arguments, stderr).await,
        Wanted::Redeliver(Redelivered { id, kept }) => {
            of(&open::runs_to_change(kept, None).await?)?.redeliver(id).await?;
            stderr.note("a server with its notification sends it within seconds");
            Ok(Exit::Completed)
        }
    }
}

async fn list(arguments: &DeliveryList, stderr: Stderr) -> Result<Exit, Error> {
    let deliveries = of(&open::runs(&arguments.kept, None).await?)?;
    let all =
        if arguments.pending { deliveries.pending().await? } else { deliveries.dead().await? };
    let mut stdout = Stdout::new();
    if arguments.json {
        let all: Vec<Value> = all.iter().map(object).collect();
        stdout.write_json_pretty(&all);
    } else if all.is_empty() {
        let kind = if arguments.pending { "delivery to send" } else { "dead delivery" };
        stderr.note(&format!("there is no {kind}"));
    } else {
        let head = ["DELIVERY", "EVENT", "RUN", "TO", "ATTEMPTS", "NEXT", "LAST ERROR"];
        stdout.write_rows(&table(head, all.into_iter().map(row).collect()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

fn object(delivery: &StoredDelivery) -> Value {
    json!({
        "id": delivery.id,
        "workflow_id": delivery.workflow,
        "name": delivery.name,
        "run_id": delivery.run,
        "event": delivery.event,
        "at": delivery.at,
        "attempts": delivery.attempts,
        "next": delivery.next,
        "error": delivery.error,
    })
}

fn row(delivery: StoredDelivery) -> [String; 7] {
    [
        delivery.id,
        delivery.event.to_string(),
        delivery.run.to_string(),
        delivery.name,
        delivery.attempts.to_string(),
        delivery.next.map_or_else(|| "-".to_owned(), utc),
        delivery.error.unwrap_or_else(|| "-".to_owned()),
    ]
}

/// Returns the lines about notifications that `serve` shows at its start.
pub(crate) fn lines(workflow: &str, notifications: &Notifications) -> Vec<String> {
    let line = |one: &Notification| {
        format!("Notification {}.{}: to {}", harmless(workflow), one.name(), harmless(one.host()))
    };
    notifications.iter().map(line).collect()
}

fn of(runs: &Runs) -> Result<Deliveries, Error> {
    let store = runs.whole_store().cloned();
    let store = store.ok_or_else(|| Error::usage("deliveries belong to the whole database"))?;
    Ok(Deliveries::of(store, real_world()))
}
