//! The parts that benchmarks share: the time that the thread of the runtime works, and requests of
//! a provider of the benchmark.

use futures_util::StreamExt as _;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Reads one request, and returns its body.
pub(crate) fn asked(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// Measures the time that the reading thread works. The time in which it waits for the next packet
/// does not count; the runtime's park callbacks exclude it.
struct Work {
    idle: Duration,
    parked: Option<Instant>,
}

static WORK: Mutex<Work> = Mutex::new(Work { idle: Duration::ZERO, parked: None });

pub(crate) fn parks() {
    WORK.lock().expect("one thread").parked = Some(Instant::now());
}

pub(crate) fn unparks() {
    let mut work = WORK.lock().expect("one thread");
    if let Some(parked) = work.parked.take() {
        work.idle += parked.elapsed();
    }
}

pub(crate) fn idle() -> Duration {
    WORK.lock().expect("one thread").idle
}

/// Returns the time needed to read everything.
pub(crate) async fn drained<T>(stream: impl futures_util::Stream<Item = T> + Unpin) -> Duration {
    let mut stream = stream;
    worked(async {
        while let Some(item) = stream.next().await {
            black_box(item);
        }
    })
    .await
}

/// Returns the time that the thread worked on this.
pub(crate) async fn worked(work: impl Future<Output = ()>) -> Duration {
    let (began, waited) = (Instant::now(), idle());
    work.await;
    began.elapsed().saturating_sub(idle().saturating_sub(waited))
}
