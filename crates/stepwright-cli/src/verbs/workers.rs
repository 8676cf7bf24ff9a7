//! `stepwright workers`, and the part of `stepwright show` about runs that wait for a worker.

use crate::args::{In, Workers};
use crate::exit::Exit;
use crate::ui::print::Stdout;
use crate::ui::terminal::Stderr;
use stepwright::dispatch::awaited;
use stepwright::{Error, RunOutput};

/// Lists the workers of a database, and the runs that wait for them.
pub(crate) async fn workers(arguments: &Workers, stderr: Stderr) -> Result<Exit, Error> {
    let mut stdout = Stdout::new();
    let Some(state) = queue::state(&arguments.kept).await? else {
        stderr.note("no worker has used this database");
        return Ok(Exit::Completed);
    };
    if arguments.json {
        stdout.write_json_pretty(&queue::object(&state));
    } else {
        stdout.write_rows(&queue::listed(&state));
        for line in queue::unserved(&state) {
            stderr.note(&line);
        }
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Says that a run waits for a worker of another queue, and if none serves it. `None` if the run
/// does not wait for one.
pub(crate) async fn waits(kept: &In, output: &RunOutput) -> Option<String> {
    if output.awaited_queues.is_empty() || output.is_terminal() {
        return None;
    }
    let waits = awaited(&output.awaited_queues);
    let is_served = match queue::state(kept).await {
        Ok(Some(state)) => queue::is_served(&state, output),
        // Then another command tells what is wrong with the database.
        Ok(None) | Err(_) => true,
    };
    Some(if is_served { waits } else { format!("{waits}; no worker serves it now") })
}

#[cfg(feature = "postgres")]
mod queue {
    use crate::args::In;
    use crate::database::Opened;
    use crate::ui::table::table;
    use serde_json::{Value, json};
    use stepwright::dispatch::{PostgresDispatcher, QueueState, QueueWaiting};
    use stepwright::{Error, RunOutput};
    use stepwright_term::about;

    /// Returns the state of the queue, if the database has one.
    pub(super) async fn state(kept: &In) -> Result<Option<QueueState>, Error> {
        match kept.database()?.open_to_read().await? {
            Opened::Server(store) => Ok(PostgresDispatcher::look(&store).await?),
            Opened::File(_) => Ok(None),
        }
    }

    /// Returns `true` if a worker that lives serves a queue that the run waits for.
    pub(super) fn is_served(state: &QueueState, output: &RunOutput) -> bool {
        let mut alive = state.workers.iter().filter(|worker| worker.is_alive);
        alive.any(|worker| match &worker.queues {
            None => true,
            Some(queues) => {
                output.awaited_queues.iter().any(|queue| queues.contains(queue))
                    && worker.workflows.iter().any(|it| **it == *output.workflow_id.as_str())
            }
        })
    }

    /// Returns a line for each queue with runs that no worker takes.
    pub(super) fn unserved(state: &QueueState) -> Vec<String> {
        let waiting = state.waiting.iter().filter(|waiting| waiting.unserved > 0);
        let line = |waiting: &QueueWaiting| {
            let runs = match waiting.unserved {
                1 => "1 run waits".to_owned(),
                many => format!("{many} runs wait"),
            };
            match &waiting.queue {
                Some(queue) => format!("{runs} for queue `{queue}`, which no worker serves"),
                None => format!("{runs} for a worker with their workflow and its queue"),
            }
        };
        waiting.map(line).collect()
    }

    pub(super) fn listed(state: &QueueState) -> String {
        let rows = state.workers.iter().map(|worker| {
            let queues = worker.queues.as_ref().map(|queues| queues.join(", "));
            let seen = about(worker.silent_for);
            [
                worker.worker.to_string(),
                queues.unwrap_or_else(|| "all".to_owned()),
                worker.workflows.join(", "),
                worker.runs.to_string(),
                if worker.is_alive { "alive".to_owned() } else { format!("silent for {seen}") },
            ]
        });
        let mut text = table(["WORKER", "QUEUES", "WORKFLOWS", "RUNS", "STATUS"], rows.collect());
        if state.waiting.is_empty() {
            return text;
        }
        let rows = state.waiting.iter().map(|waiting| {
            [
                waiting.queue.as_deref().unwrap_or("any").to_owned(),
                waiting.runs.to_string(),
                about(waiting.longest),
                waiting.unserved.to_string(),
            ]
        });
        text.push('\n');
        text + &table(["QUEUE", "WAITING", "LONGEST", "UNSERVED"], rows.collect())
    }

    pub(super) fn object(state: &QueueState) -> Value {
        let workers = state.workers.iter().map(|worker| {
            json!({
                "worker": worker.worker,
                "queues": worker.queues,
                "workflows": worker.workflows,
                "runs": worker.runs,
                "silent_for_ms": u64::try_from(worker.silent_for.as_millis()).ok(),
                "is_alive": worker.is_alive,
            })
        });
        let waiting = state.waiting.iter().map(|waiting| {
            json!({
                "queue": waiting.queue,
                "runs": waiting.runs,
                "longest_ms": u64::try_from(waiting.longest.as_millis()).ok(),
                "unserved": waiting.unserved,
            })
        });
        json!({
            "workers": workers.collect::<Vec<_>>(),
            "waiting": waiting.collect::<Vec<_>>(),
        })
    }
}

#[cfg(not(feature = "postgres"))]
mod queue {
    use crate::args::In;
    use serde_json::Value;
    use stepwright::{Error, RunOutput};

    /// A queue, which a program without PostgreSQL never finds.
    pub(super) enum QueueState {}

    #[expect(clippy::unused_async, reason = "as the one with PostgreSQL")]
    pub(super) async fn state(kept: &In) -> Result<Option<QueueState>, Error> {
        kept.database().map(|_| None)
    }

    pub(super) fn is_served(state: &QueueState, _: &RunOutput) -> bool {
        match *state {}
    }

    pub(super) fn unserved(state: &QueueState) -> Vec<String> {
        match *state {}
    }

    pub(super) fn listed(state: &QueueState) -> String {
        match *state {}
    }

    pub(super) fn object(state: &QueueState) -> Value {
        match *state {}
    }
}
