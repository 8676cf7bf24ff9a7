use std::sync::Arc;
use std::time::Instant;
use stepwright_core::{event::*, journal::*, *};
use stepwright_store::*;
fn start() -> EventKind {
    serde_json::from_value(serde_json::json!({"event":"WorkflowStarted","workflow_id":"w","workflow_name":"W","digest":"d1","session_id":"s","input":{"content":"in"}})).unwrap()
}
fn ap(run: &RunId, n: u64, kind: EventKind) -> Append {
    Append {
        run: run.clone(),
        facts: vec![Event {
            sequence: n,
            delta: 0,
            time: Timestamp(1_780_000_000_000 + n),
            run: run.clone(),
            path: "facts/web".into(),
            kind,
        }],
        close: None,
    }
}
fn body(n: usize) -> EventKind {
    EventKind::StepCompleted { output: Arc::new(StepOutput::from("x".repeat(n))) }
}
fn id(n: usize) -> RunId {
    format!("01998f6e-1111-7222-8333-{n:012}").parse().unwrap()
}
fn pct(v: &mut [u128]) -> String {
    v.sort();
    let p = |q: usize| v[(v.len() - 1) * q / 100];
    format!("p50 {} p99 {} max {} us", p(50), p(99), v[v.len() - 1])
}
fn main() {
    let dir = tempfile::tempdir_in(std::env::var("DIR").unwrap_or("/work".into())).unwrap();
    for (name, d, sync) in
        [("FULL", Durability::Full, "FULL"), ("NORMAL", Durability::Normal, "NORMAL")]
    {
        for size in [300, 2048] {
            let json = serde_json::to_string(&body(size)).unwrap();
            // bare
            {
                let c = rusqlite::Connection::open(dir.path().join(format!("bare{name}{size}")))
                    .unwrap();
                c.execute_batch(&format!("PRAGMA journal_mode=WAL; PRAGMA synchronous={sync}; CREATE TABLE journal (run INTEGER NOT NULL, seq INTEGER NOT NULL, path TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT")).unwrap();
                let n = 5000;
                let mut lat = vec![];
                let t = Instant::now();
                for i in 0..n {
                    let t = Instant::now();
                    c.prepare_cached("BEGIN IMMEDIATE").unwrap().raw_execute().unwrap();
                    c.prepare_cached(
                        "INSERT INTO journal VALUES (1, ?1, 'facts/web', 1780000000000, ?2)",
                    )
                    .unwrap()
                    .execute((i, &json))
                    .unwrap();
                    c.prepare_cached("COMMIT").unwrap().raw_execute().unwrap();
                    lat.push(t.elapsed().as_micros());
                }
                println!(
                    "{name} {size} bare insert, one per commit: {:.1} us/append; {}",
                    t.elapsed().as_micros() as f64 / n as f64,
                    pct(&mut lat)
                );
                let t = Instant::now();
                let n = 64 * 300;
                for b in 0..300 {
                    c.prepare_cached("BEGIN IMMEDIATE").unwrap().raw_execute().unwrap();
                    for r in 0..64 {
                        c.prepare_cached(
                            "INSERT INTO journal VALUES (?3, ?1, 'facts/web', 1780000000000, ?2)",
                        )
                        .unwrap()
                        .execute((b, &json, r + 2))
                        .unwrap();
                    }
                    c.prepare_cached("COMMIT").unwrap().raw_execute().unwrap();
                }
                println!(
                    "{name} {size} bare insert, 64 per commit:  {:.1} us/append",
                    t.elapsed().as_micros() as f64 / n as f64
                );
            }
            for threads in [0, 1] {
                let rt = if threads == 0 {
                    tokio::runtime::Builder::new_current_thread().build().unwrap()
                } else {
                    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
                };
                rt.block_on(async {
                    let s = Sqlite::options(dir.path().join(format!("s{name}{size}{threads}")))
                        .durability(d)
                        .open()
                        .await
                        .unwrap();
                    let r = id(0);
                    s.append(ap(&r, 0, start())).await.unwrap();
                    let n = 5000;
                    let mut lat = vec![];
                    let t = Instant::now();
                    for i in 1..=n {
                        let t = Instant::now();
                        s.append(ap(&r, i, body(size))).await.unwrap();
                        lat.push(t.elapsed().as_micros());
                    }
                    println!(
                        "{name} {size} threads={threads} store, alone: {:.1} us/append; {}",
                        t.elapsed().as_micros() as f64 / n as f64,
                        pct(&mut lat)
                    );
                    let n = 300;
                    let t = Instant::now();
                    let hs: Vec<_> = (1..=64)
                        .map(|k| {
                            let s = s.clone();
                            tokio::spawn(async move {
                                let r = id(k);
                                s.append(ap(&r, 0, start())).await.unwrap();
                                let mut lat = vec![];
                                for i in 1..=n {
                                    let t = Instant::now();
                                    s.append(ap(&r, i, body(size))).await.unwrap();
                                    lat.push(t.elapsed().as_micros());
                                }
                                lat
                            })
                        })
                        .collect();
                    let mut lat = vec![];
                    for h in hs {
                        lat.extend(h.await.unwrap());
                    }
                    println!(
                        "{name} {size} threads={threads} store, 64 runs: {:.1} us/append; {}",
                        t.elapsed().as_micros() as f64 / (64.0 * n as f64),
                        pct(&mut lat)
                    );
                    let t = Instant::now();
                    let l = s.load(&r, 0, 1000).await.unwrap();
                    println!("   load {}: {} us", l.len(), t.elapsed().as_micros());
                    let t = Instant::now();
                    let l = s.runs(Default::default()).await.unwrap();
                    println!("   runs {}: {} us", l.len(), t.elapsed().as_micros());
                });
            }
        }
    }
}
