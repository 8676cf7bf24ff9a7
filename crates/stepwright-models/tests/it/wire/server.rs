//! A server that says byte by byte what a test tells it to, on a real socket.

use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

/// The time that a test waits for what must happen before it gives up. Nothing is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// A door that a test opens when the server may go on.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets all that wait go on, now and later.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    async fn wait(&self) {
        // A semaphore that is closed is a gate that is open.
        drop(self.0.acquire().await);
    }
}

/// An action of the server while it answers.
#[derive(Clone, Debug)]
enum Act {
    /// Writes these bytes of the body, as one HTTP chunk and one packet.
    Write(Vec<u8>),
    /// Waits until the test lets it go on.
    Wait(Gate),
}

/// The way in which the server ends an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// As HTTP wants it.
    Clean,
    /// It says goodbye in the middle of a chunk.
    Fin,
    /// The connection is gone, without a word.
    Reset,
    /// It says nothing more, and waits for the client to go.
    Hold,
}

/// One answer of the server.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    acts: Vec<Act>,
    end: End,
    /// `true` if nothing is sent before the first act, not even the status.
    is_mute: bool,
    /// `true` if the length is said ahead; in chunks otherwise.
    has_length: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str) -> Self {
        let headers = vec![("content-type".into(), content_type.into())];
        let acts = Vec::new();
        Self { status, headers, acts, end: End::Clean, is_mute: false, has_length: false }
    }

    /// An answer of one JSON document.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        let mut reply = Self::new(status, "application/json").write(body.to_string());
        reply.has_length = true;
        reply
    }

    /// The server answers nothing at all, and waits for the client to go.
    pub(crate) fn silence() -> Self {
        let mut reply = Self::new(200, "text/event-stream").hold();
        reply.is_mute = true;
        reply
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(there, _)| there != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn write(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.acts.push(Act::Write(bytes.into()));
        self
    }

    /// Writes every piece on its own.
    pub(crate) fn writes<B: Into<Vec<u8>>>(self, pieces: impl IntoIterator<Item = B>) -> Self {
        pieces.into_iter().fold(self, Self::write)
    }

    pub(crate) fn wait(mut self, gate: &Gate) -> Self {
        self.acts.push(Act::Wait(gate.clone()));
        self
    }

    pub(crate) fn fin(mut self) -> Self {
        self.end = End::Fin;
        self
    }

    pub(crate) fn reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    pub(crate) fn hold(mut self) -> Self {
        self.end = End::Hold;
        self
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(there, _)| there == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "the header `{name}` came twice");
        value
    }
}

#[derive(Default)]
struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    requests: Mutex<Vec<Request>>,
    /// One permit for each connection that the client has closed.
    closed: Notify,
}

/// A server for one test. It ends with it.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// A server that gives these replies, in order, one for each request.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            replies: Mutex::new(replies.into_iter().collect()),
            ..Shared::default()
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, _tasks: tasks }
    }

    /// Where it is, with `path` behind it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The only request that came.
    pub(crate) fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }

    /// Comes back once the client has closed a connection on which the server holds its answer.
    pub(crate) async fn closed(&self) {
        let closed = tokio::time::timeout(PATIENCE, self.shared.closed.notified()).await;
        closed.expect("the client has not closed its connection");
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            // A client that goes away in the middle is what some tests are about.
            drop(serve(socket, &shared).await);
        });
    }
}

/// Answers the requests of one connection until either side ends it.
async fn serve(mut socket: TcpStream, shared: &Shared) -> io::Result<()> {
    socket.set_nodelay(true)?;
    while let Some(request) = read_request(&mut socket).await? {
        shared.requests.lock().unwrap().push(request);
        let reply = shared.replies.lock().unwrap().pop_front();
        let Some(reply) = reply else {
            let message = b"HTTP/1.1 599 Script Ended\r\ncontent-length: 0\r\n\r\n";
            socket.write_all(message).await?;
            continue;
        };
        write_reply(&mut socket, &reply).await?;
        match reply.end {
            End::Clean => {}
            End::Fin => return socket.shutdown().await,
            End::Reset => return socket.set_zero_linger(),
            End::Hold => {
                let mut rest = Vec::new();
                // An error is a client that has gone, too.
                drop(socket.read_to_end(&mut rest).await);
                assert!(rest.is_empty(), "the client spoke again before it was answered");
                shared.closed.notify_one();
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn write_reply(socket: &mut TcpStream, reply: &Reply) -> io::Result<()> {
    if reply.is_mute {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    if reply.has_length {
        let lengths = reply.acts.iter().map(|act| match act {
            Act::Write(bytes) => bytes.len(),
            Act::Wait(_) => 0,
        });
        write!(head, "content-length: {}\r\n\r\n", lengths.sum::<usize>()).unwrap();
    } else {
        head.push_str("transfer-encoding: chunked\r\n\r\n");
    }
    socket.write_all(head.as_bytes()).await?;
    for act in &reply.acts {
        match act {
            Act::Write(bytes) if reply.has_length => socket.write_all(bytes).await?,
            Act::Write(bytes) => {
                let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
                chunk.extend_from_slice(bytes);
                chunk.extend_from_slice(b"\r\n");
                socket.write_all(&chunk).await?;
            }
            Act::Wait(gate) => gate.wait().await,
        }
    }
    match reply.end {
        End::Clean if !reply.has_length => socket.write_all(b"0\r\n\r\n").await?,
        // A chunk of 255 bytes begins, and four of them come.
        End::Fin => socket.write_all(b"ff\r\ndata").await?,
        _ => {}
    }
    socket.flush().await
}

/// `None` if the client has closed the connection.
async fn read_request(socket: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head of text");
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let (method, path) = (method.to_owned(), path.to_owned());
    let split = |line: &str| {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.trim().to_lowercase(), value.trim().to_owned())
    };
    let headers: Vec<(String, String)> = lines.map(split).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, length)| length.parse().expect("a length"));
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if socket.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    assert_eq!(body.len(), length, "more came than the request is long");
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).expect("a body of JSON")
    };
    Ok(Some(Request { method, path, headers, body }))
}
