//! A wire between a store and its server that can be cut at a certain moment.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The fault on the wire, counted in round trips from the moment of arming: 1 is the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The request does not get through.
    Request(u32),
    /// The request gets through, and its answer does not.
    Answer(u32),
    /// The request gets through, and the store is cut off before there is an answer. The server
    /// does not notice.
    Orphan(u32),
}

#[derive(Default)]
struct State {
    armed: Mutex<Option<Cut>>,
    /// Something was cut, and the store does not know it yet.
    caught: Notify,
    /// The store may know it now.
    release: Notify,
}

pub(super) struct Proxy {
    port: u16,
    state: Arc<State>,
}

impl Proxy {
    pub(super) async fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::<State>::default();
        let shared = state.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                tokio::spawn(wire(client, server, shared.clone()));
            }
        });
        Self { port, state }
    }

    /// The address of the database with the wire in between.
    pub(super) fn through(&self, address: &str, server: u16) -> String {
        address.replace(&format!(":{server}/"), &format!(":{}/", self.port))
    }

    /// Cuts once. The store learns of it at once.
    pub(super) fn cut(&self, cut: Cut) {
        self.hold(cut);
        self.state.release.notify_one();
    }

    /// Cuts once. The store learns of it when it is released.
    pub(super) fn hold(&self, cut: Cut) {
        *self.state.armed.lock().unwrap() = Some(cut);
    }

    /// Waits until something was cut.
    pub(super) async fn caught(&self) {
        self.state.caught.notified().await;
    }

    pub(super) fn release(&self) {
        self.state.release.notify_one();
    }

    /// Returns `true` if there was nothing to cut; then nothing will be.
    pub(super) fn disarm(&self) -> bool {
        self.state.armed.lock().unwrap().take().is_some()
    }
}

impl State {
    /// Counts a round trip, and says what to cut in this one.
    fn next(&self) -> Option<Cut> {
        let mut armed = self.armed.lock().unwrap();
        let (Cut::Request(left) | Cut::Answer(left) | Cut::Orphan(left)) = armed.as_mut()?;
        *left -= 1;
        if *left == 0 { armed.take() } else { None }
    }
}

/// Carries round trips, one after the other, as the store makes them.
async fn wire(mut client: TcpStream, mut server: TcpStream, state: Arc<State>) {
    let (mut asked, mut said) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut cut = None;
    loop {
        tokio::select! {
            length = client.read(&mut asked) => {
                let Ok(length @ 1..) = length else { return };
                cut = cut.or_else(|| state.next());
                if let Some(Cut::Request(_)) = cut {
                    state.caught.notify_one();
                    state.release.notified().await;
                    return;
                }
                if server.write_all(&asked[..length]).await.is_err() { return }
                if let Some(Cut::Orphan(_)) = cut {
                    state.caught.notify_one();
                    state.release.notified().await;
                    drop(client);
                    // Until the server has said an answer that no caller hears any more.
                    let _ = server.read(&mut said).await;
                    return;
                }
            }
            length = server.read(&mut said) => {
                let Ok(length @ 1..) = length else { return };
                if let Some(Cut::Answer(_)) = cut {
                    // `ReadyForQuery` is the end of an answer: what was to be done is done.
                    if length >= 6 && said[length - 6..length - 1] == [b'Z', 0, 0, 0, 5] {
                        state.caught.notify_one();
                        state.release.notified().await;
                        return;
                    }
                    continue;
                }
                if client.write_all(&said[..length]).await.is_err() { return }
            }
        }
    }
}
