//! A balancer of connections, as workers of Restate have one before them.

use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Leads each connection to the next worker that takes it.
#[derive(Clone)]
pub(crate) struct Balancer {
    port: u16,
    workers: Arc<Mutex<Vec<u16>>>,
}

impl Balancer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (port, workers) = (listener.local_addr().unwrap().port(), Arc::default());
        let balancer = Self { port, workers };
        let known = balancer.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if let Some(worker) = known.next() {
                    let (from, to) = (stream.try_clone().unwrap(), worker.try_clone().unwrap());
                    thread::spawn(move || pass(from, to));
                    thread::spawn(move || pass(worker, stream));
                }
            }
        });
        balancer
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Adds a worker, which may be about to start.
    pub(crate) fn add(&self, port: u16) {
        self.workers.lock().unwrap().push(port);
    }

    fn next(&self) -> Option<TcpStream> {
        let mut workers = self.workers.lock().unwrap();
        for _ in 0..workers.len() {
            workers.rotate_left(1);
            let at = (Ipv4Addr::LOCALHOST, *workers.last()?);
            if let Ok(stream) = TcpStream::connect(at) {
                return Some(stream);
            }
        }
        None
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
