//! A database that is damaged gives what it gave before, or an error; never another result.

use serde_json::json;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;
use stepwright::prelude::*;
use stepwright::store::{Inbox as _, Leases as _, RunStore as _, SessionStore as _};
use stepwright::store::{RunFilter, SessionFilter, Signal, WaitingFilter};
use stepwright::{Answer, HumanReview, Patch, Timestamp};
use stepwright_core::fold::Fold;

/// The number of damaged copies that are looked at.
const COPIES: u64 = 300;

/// The first of the seeds: each copy has its own.
const SEED: u64 = 0x5eed;

/// The longest time that it may take to look at one copy. Nothing waits for it if all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// Numbers that look like chance, the same each time (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }
}

fn workflow(store: Sqlite) -> Workflow {
    let count = Step::new("count", |input: StepInput| async move {
        let text = format!("counted {}", input.text()).repeat(20);
        StepOutput::from(text).patch(Patch::increment("count", 1)).patch(Patch::set("b", true))
    });
    let rate = Step::new("rate", |input: StepInput| async move {
        Content::from(json!({"of": input.text(), "stars": [4, -0.5, null], "good": true}))
    });
    let last = Step::new("last", |input: StepInput| async move {
        match &*input.run.content.text() {
            "fail" => Err(StepError::terminal("it was asked to")),
            "large" => Ok("all work and no play ".repeat(13_000)),
            _ => Ok(input.text()),
        }
    });
    let review = HumanReview::new().requires_confirmation("Go on?");
    let asked = Condition::new("asked", |input: &StepInput| input.run.content.text() == "ask")
        .then(Step::new("confirmed", |text: String| async move { text }).human_review(review));
    let both = Parallel::new("both").branch(count).branch(rate);
    Workflow::builder("Rating").step(both).step(asked).step(last).store(store).build().unwrap()
}

const RUNS: [&str; 5] = ["ants", "bees", "fail", "large", "ask"];

/// A database that real runs have written, in one file.
async fn make(path: &Path) {
    let store = Sqlite::open(path).await.unwrap();
    let workflow = workflow(store.clone());
    for input in RUNS {
        let session = if input == "bees" { "t" } else { "s" };
        let _ = workflow.run(input).run_id(input).session_id(session).user_id("ada").await;
    }
    workflow.sessions().rename("s", "Ratings").await.unwrap();
    // An answer that waits for the next driver of the run.
    let reply = json!({"requirement_id": "asked/confirmed!confirm", "answer": Answer::Approve});
    let (reply, at) = (serde_json::from_value(reply).unwrap(), Timestamp(1_780_000_000_000));
    let signal = Signal::answer("ask".parse().unwrap(), reply, at);
    assert!(store.submit(signal).await.unwrap());
}

/// A question, and what is told.
type Told = (String, Result<String, String>);

fn told<T: Debug, E: Debug>(question: impl Into<String>, answer: Result<T, E>) -> Told {
    let answer = answer.map(|answer| format!("{answer:?}"));
    (question.into(), answer.map_err(|error| format!("{error:?}")))
}

/// All that can be read of a database.
async fn all(path: &Path) -> Vec<Told> {
    let store = match Sqlite::open(path).await {
        Ok(store) => store,
        Err(error) => return vec![told("open", Err::<(), _>(error))],
    };
    let mut all = vec![
        told("runs", store.runs(RunFilter::default()).await),
        told("sessions", store.sessions(SessionFilter::default()).await),
    ];
    for session in ["s", "t"] {
        all.push(told(session, store.session(&session.parse().unwrap()).await));
        let filter = RunFilter { session_id: session.parse().ok(), ..RunFilter::default() };
        all.push(told(format!("runs of {session}"), store.runs(filter).await));
    }
    for name in RUNS {
        let run = name.parse().unwrap();
        all.push(told(format!("row of {name}"), store.run(&run).await));
        let facts = store.load(&run, 0, 1_000).await;
        if let (Ok(facts), false) = (&facts, name == "large") {
            let (mut fold, mut applied) = (Fold::default(), Ok(()));
            for fact in facts {
                applied = applied.and_then(|()| fold.apply(fact));
            }
            all.push(told(format!("output of {name}"), applied.map(|()| fold.output())));
        }
        all.push(told(format!("facts of {name}"), facts));
        all.push(told(format!("inbox of {name}"), store.inbox(&run).await));
    }
    let digest = workflow(store.clone()).digest().to_owned();
    all.push(told("plan", store.plan(&digest).await));
    let (id, now) = ("rating".parse().unwrap(), Timestamp(1_790_000_000_000));
    let found = store.waiting(WaitingFilter::new(id, now, 100)).await;
    let found = found.and_then(|found| match found.damaged.into_iter().next() {
        Some(damage) => Err(damage),
        None => Ok(found.runs),
    });
    all.push(told("waiting", found));
    all
}

/// Damages a database in one of several ways, and says in which.
fn damage(bytes: &mut Vec<u8>, chance: &mut Chance) -> String {
    let mut at = chance.below(bytes.len());
    // Most of a small database is empty, where nothing can be damaged.
    while bytes[at] == 0 && chance.below(16) > 0 {
        at = chance.below(bytes.len());
    }
    match chance.below(12) {
        0 => {
            let end = bytes.len().min(at + 512);
            bytes[at..end].fill(0);
            format!("zeros from {at} to {end}")
        }
        1 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        2 => {
            let (from, to) = (at / 4_096 * 4_096, chance.below(bytes.len()) / 4_096 * 4_096);
            let page = bytes[from..from + 4_096].to_vec();
            bytes[to..to + 4_096].copy_from_slice(&page);
            format!("page at {from} copied to {to}")
        }
        3 => {
            bytes[at] = u8::try_from(chance.below(256)).unwrap();
            format!("another byte at {at}")
        }
        _ => {
            let bit = chance.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} at {at} flipped")
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_database_gives_what_it_gave_or_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    make(&path).await;
    let whole = fs::read(&path).unwrap();
    let before = all(&path).await;
    assert!(before.iter().all(|(_, answer)| answer.is_ok()), "{before:#?}");
    let reread = all(&path).await;
    assert!(before == reread, "it is not the same when it is read again");

    let (mut noticed, mut wrong) = (0, Vec::new());
    for seed in SEED..SEED + COPIES {
        let (mut bytes, mut chance) = (whole.clone(), Chance(seed));
        let what = damage(&mut bytes, &mut chance);
        let changed = bytes != whole;
        let copy = directory.path().join(format!("{seed}.db"));
        fs::write(&copy, bytes).unwrap();
        let looked = tokio::spawn({
            let copy = copy.clone();
            async move { tokio::time::timeout(PATIENCE, all(&copy)).await }
        });
        let after = looked.await.expect("no panic").expect("no hang");
        if after.iter().any(|(_, answer)| answer.is_err()) {
            noticed += 1;
            assert!(changed, "{what}: nothing has changed, and yet {after:#?}");
        }
        for (question, answer) in after {
            let same = before.iter().any(|(asked, told)| *asked == question && *told == answer);
            if let Ok(answer) = answer
                && !same
            {
                let answer: String = answer.chars().take(300).collect();
                wrong.push(format!("seed {seed:#x}, {what}: {question}: {answer}"));
            }
        }
        fs::remove_file(copy).unwrap();
    }
    assert!(wrong.is_empty(), "{} results are wrong:\n{}", wrong.len(), wrong.join("\n"));
    // Damage to bytes that mean nothing cannot be noticed.
    assert!(noticed > COPIES / 2, "of {COPIES} only {noticed} were noticed");
}
