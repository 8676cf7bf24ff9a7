//! The log of the task that supervises runs: what it says of a run that it cannot take up, and of a
//! store that fails.

use futures_util::future::BoxFuture;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stepwright::dispatch::{DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright::{Memory, Sqlite, Step, Workflow};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::MakeWriter;

/// The time to wait for a line of the log before the test gives up. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Collects the warnings of this thread, whose tasks run on it alone.
    fn here() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .without_time()
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits for a line with these words, and returns it.
    async fn waits_for(&self, words: &str) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.text().lines().find(|line| line.contains(words)) {
                return line.to_owned();
            }
            assert!(Instant::now() < until, "no line with `{words}`: {}", self.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A dispatcher that remembers runs, hands them out once, and may refuse them.
#[derive(Default)]
struct Told {
    wakes: Mutex<Vec<Wake>>,
    refuses: bool,
}

impl Dispatcher for Told {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        let woken = if self.refuses {
            Err(DispatchError { what: "the queue is full".to_owned(), source: None })
        } else {
            self.wakes.lock().unwrap().push(wake);
            Ok(())
        };
        Box::pin(std::future::ready(woken))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let wakes = std::mem::take(&mut *self.wakes.lock().unwrap());
            for wake in wakes {
                drive.drive(&wake).await;
            }
            stop.cancelled().await;
            Ok(())
        })
    }
}

fn build(store: &Memory, dispatcher: &Arc<Told>, version: &str) -> Workflow {
    let step = Step::new("work", async |text: String| text).version(version);
    let builder = Workflow::builder("Log").step(step).store(store.clone());
    builder.dispatcher(dispatcher.clone()).build().unwrap()
}

#[tokio::test]
async fn a_run_that_cannot_be_taken_up_is_logged_with_the_reason() {
    let (log, _guard) = Log::here();
    let (store, told) = (Memory::default(), Arc::new(Told::default()));
    build(&store, &told, "1").run("in").run_id("r-1").background().await.unwrap();
    let (changed, stop) = (build(&store, &told, "2"), CancellationToken::new());
    let serving = changed.serve(stop.clone());
    let line = log.waits_for("a run could not be taken up");
    let (line, served) = tokio::join!(
        async {
            let line = line.await;
            stop.cancel();
            line
        },
        serving
    );
    served.unwrap();
    assert!(line.contains("WARN stepwright:") && line.contains("`Log` has changed"), "{line}");
    let all = log.text();
    assert!(all.contains("run=r-1") && all.matches("WARN").count() == 1, "{all}");
}

#[tokio::test]
async fn a_run_that_is_not_dispatched_is_logged_with_the_reason() {
    let (log, _guard) = Log::here();
    let (store, told) = (Memory::default(), Arc::new(Told::default()));
    build(&store, &told, "1").run("in").run_id("r-1").background().await.unwrap();
    let full = Arc::new(Told { refuses: true, ..Told::default() });
    let (workflow, stop) = (build(&store, &full, "1"), CancellationToken::new());
    let line = log.waits_for("a run was not dispatched");
    let (line, served) = tokio::join!(
        async {
            let line = line.await;
            stop.cancel();
            line
        },
        workflow.serve(stop.clone())
    );
    served.unwrap();
    assert!(line.contains("run=r-1") && line.contains("dispatcher"), "{line}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_store_that_fails_is_logged_once_and_asked_again() {
    let (log, _guard) = Log::here();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let step = Step::new("work", async |text: String| text);
    let workflow = Workflow::builder("Log").step(step).store(store).build().unwrap();
    let aside = directory.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    workflow.recover();
    let failed = "the store cannot be asked for signals and waiting runs, and is asked again";
    let line = log.waits_for(failed).await;
    assert!(line.contains("workflow=log") && line.contains("a.db"), "{line}");
    // It is there again, and the run is begun and ends.
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(workflow.run("in").await.unwrap().content.text(), "in");
    assert_eq!(log.text().matches(failed).count(), 1, "{}", log.text());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_logged_once_and_the_next_run_goes_on() {
    let (log, _guard) = Log::here();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let builder = || Workflow::builder("Log").step(Step::new("work", async |text: String| text));
    let leaving = builder().store(store.clone()).dispatcher(Arc::new(Told::default()));
    let leaving = leaving.build().unwrap();
    leaving.run("in").run_id("r-1").background().await.unwrap();
    let damage = "UPDATE runs SET digest = 'x' WHERE run_id = 'r-1'";
    assert_eq!(rusqlite::Connection::open(&path).unwrap().execute(damage, ()).unwrap(), 1);
    let workflow = builder().store(store).build().unwrap();
    workflow.recover();
    let left_out = "a row of the store is left out: the journal of run `r-1` is damaged";
    let line = log.waits_for(left_out).await;
    assert!(line.contains("WARN") && line.contains("its checksum does not match"), "{line}");
    // The next looks find it, too.
    leaving.run("in").run_id("r-2").background().await.unwrap();
    let output = workflow.handle("r-2").await.unwrap().wait().await.unwrap();
    assert_eq!(output.content.text(), "in");
    // Each of the two workflows looks after the runs.
    assert!(log.text().matches(left_out).count() <= 2, "{}", log.text());
}
