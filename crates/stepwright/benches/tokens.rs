//! What a token costs on its way from a model through an agent and a workflow's stream to a reader:
//! from a model in this process, and over HTTP from a provider, beside the model library alone.
//! Prints the median of several rounds, one kind after the other in one run, because timings on a
//! shared machine are only good for comparing; where the system tells it, the time that the reading
//! thread worked. `cargo bench -p stepwright --bench tokens`.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use futures_util::stream;
use rig_core::completion::CompletionRequest;
use rig_core::message::Message;
use rig_core::providers::openai::wire::{OPENAI, OpenAIConfig};
use rig_reqwest::ReqwestClient;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use stepwright::models::{
    AssistantTurn, Completion, Model, ModelEvent, ModelRequest, ModelStream, Provider,
};
use stepwright::prelude::*;

const TOKENS: usize = 100_000;
const ROUNDS: usize = 9;

/// A model in this process that says `word` again and again.
struct Words {
    /// Whether it lets its reader have each token before it says the next one, as a model does that
    /// takes its time. Otherwise it says all of them at once.
    paced: bool,
}

impl Model for Words {
    fn id(&self) -> &'static str {
        "bench:words"
    }

    fn stream(&self, _: ModelRequest) -> ModelStream {
        let paced = self.paced;
        let words = stream::iter(0..TOKENS).then(move |_| async move {
            if paced {
                tokio::task::yield_now().await;
            }
            Ok(ModelEvent::TextDelta("word ".to_owned()))
        });
        let done = async {
            let turn = AssistantTurn::text_only("word ".repeat(TOKENS));
            Ok(ModelEvent::Done(Completion { turn, ..Completion::default() }))
        };
        words.chain(stream::once(done)).boxed()
    }
}

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("{TOKENS} tokens, median of {ROUNDS} rounds, microseconds each");
        in_process(true).await;
        in_process(false).await;
        over_http().await;
    });
}

/// The model alone beside the same model in an agent in a workflow.
async fn in_process(paced: bool) {
    let workflow = Workflow::builder("w")
        .step(
            Agent::builder("a").model(Words { paced }).expect("a model").build().expect("an agent"),
        )
        .build()
        .expect("no mistakes");
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        alone.push(drained(Words { paced }.stream(ModelRequest::default())).await);
        through.push(drained(workflow.run("in").stream()).await);
    }
    let how = if paced { "one at a time" } else { "in a burst" };
    report(how, &mut alone, &mut through);
}

/// The model library alone, our model on top of it, and that in an agent in a workflow: all of them
/// on the same bytes from the same server.
async fn over_http() {
    // The library's HTTP client wants to know one, although nothing is encrypted here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = format!("http://{}/v1", provider());
    let library = OpenAIConfig::with_key(&OPENAI, "key").with_base_url(address.as_str());
    let library = rig_core::Model::new(library.chat("small"), ReqwestClient::default());
    let model = Provider::named("openai-chat")
        .and_then(|provider| provider.base_url(address).api_key("key").model("small"))
        .expect("a model");
    let agent = Agent::builder("a").model(model.clone()).expect("a model").build();
    let workflow = Workflow::builder("w").step(agent.expect("an agent")).build();
    let workflow = workflow.expect("no mistakes");

    let (mut alone, mut ours, mut through) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let request = CompletionRequest::from(vec![Message::user("in")]);
        alone.push(drained(library.stream(request).expect("a request")).await);
        let messages = vec![stepwright::models::Message::user("in")];
        ours.push(
            drained(model.stream(ModelRequest { messages, ..ModelRequest::default() })).await,
        );
        through.push(drained(workflow.run("in").stream()).await);
    }
    report("over HTTP, our model beside the library", &mut alone, &mut ours);
    report("over HTTP, the workflow beside the library", &mut alone, &mut through);
}

/// A server that speaks OpenAI's chat completions and says `word` again and again, to everybody.
fn provider() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let chunk = |delta: &str, stop: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
             \"model\":\"small\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
             \"finish_reason\":{stop}}}]}}\n\n"
        )
    };
    let mut body = chunk("{\"content\":\"word \"}", "null").repeat(TOKENS);
    body += &chunk("{}", "\"stop\"");
    body += "data: [DONE]\n\n";
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = body.clone();
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                while let Some(()) = asked(&mut reader) {
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                    let mut stream = &stream;
                    let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
                }
            });
        }
    });
    address
}

/// Reads one request.
fn asked(reader: &mut BufReader<TcpStream>) -> Option<()> {
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
    reader.read_exact(&mut vec![0; length]).ok()
}

/// How long this thread has worked: other programs on the machine do not count, and neither does
/// the server, which has threads of its own. Where the system does not tell, how long it has been.
fn worked() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = told.split(' ').next().and_then(|number| number.parse().ok());
    let elapsed = || BEGAN.get_or_init(Instant::now).elapsed();
    nanoseconds.map_or_else(elapsed, Duration::from_nanos)
}

/// How long it takes to read all of it.
async fn drained<T>(stream: impl futures_util::Stream<Item = T> + Unpin) -> Duration {
    let mut stream = stream;
    let began = worked();
    while let Some(item) = stream.next().await {
        black_box(item);
    }
    worked().saturating_sub(began)
}

#[expect(clippy::cast_precision_loss, reason = "there are not that many tokens")]
fn report(how: &str, alone: &mut [Duration], through: &mut [Duration]) {
    let median = |times: &mut [Duration]| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e6 / TOKENS as f64
    };
    let (alone, through) = (median(alone), median(through));
    println!("{how}: {alone:.3} alone, {through:.3} through, {:.3} on top", through - alone);
}
