//! The cost of a token on its way from a model through an agent and a workflow's stream to a
//! reader: from a model in this process, and over HTTP from a provider, compared with the model
//! library alone. Prints the mean of many rounds, alternating the kinds in one run, because timings
//! on a shared machine are only good for comparison. It measures the time that the reading thread
//! works. `cargo bench -p stepwright --bench tokens`; arguments are parts of the names of the lines
//! that are measured. `FIGURES_SHORT=1` measures a fifth of the rounds.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod work;

use futures_util::stream;
use rig_core::completion::CompletionRequest;
use rig_core::message::Message;
use rig_core::providers::openai::wire::{OPENAI, OpenAIConfig};
use rig_reqwest::ReqwestClient;
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;
use stepwright::models::{
    AssistantTurn, Completion, Model, ModelEvent, ModelRequest, ModelStream, Provider,
};
use stepwright::prelude::*;
use work::{asked, drained, parks, unparks};

const TOKENS: usize = 20_000;
/// The number of tokens that a provider sends at once, and the interval: like a model, but a
/// hundred times as fast. Libraries that receive more at once than they can read copy the rest
/// again and again.
const PACKET: usize = 40;
const PAUSE: Duration = Duration::from_millis(2);

fn rounds() -> usize {
    if std::env::var_os("FIGURES_SHORT").is_some() { 5 } else { 25 }
}

/// Returns `true` if the line of this name is measured.
fn is_asked_for(name: &str) -> bool {
    // Cargo passes options of its own.
    let mut parts = std::env::args().skip(1).filter(|part| !part.starts_with('-')).peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

/// A model in this process that repeats `word`.
struct Words {
    /// `true` if the reader can take each token before the next one, as with a slow model.
    /// Otherwise all tokens come at once.
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(parks)
        .on_thread_unpark(unparks)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        println!("{TOKENS} tokens, mean of {} rounds, microseconds each", rounds());
        for (name, paced) in [("one at a time", true), ("in a burst", false)] {
            if is_asked_for(name) {
                in_process(name, paced).await;
            }
        }
        if is_asked_for(MODEL) || is_asked_for(WORKFLOW) {
            over_http().await;
        }
    });
}

/// Compares the model alone with the same model in an agent in a workflow.
async fn in_process(name: &str, paced: bool) {
    let workflow = Workflow::builder("w")
        .step(
            Agent::builder("a").model(Words { paced }).expect("a model").build().expect("an agent"),
        )
        .build()
        .expect("no mistakes");
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        alone.push(drained(Words { paced }.stream(ModelRequest::default())).await);
        through.push(drained(workflow.run("in").stream()).await);
    }
    report(name, &alone, &through);
}

const MODEL: &str = "over HTTP, our model beside the library";
const WORKFLOW: &str = "over HTTP, the workflow beside the library";

/// Compares the model library alone, our model on top of it, and that model in an agent in a
/// workflow, all with the same bytes from the same server.
async fn over_http() {
    // The library's HTTP client requires a TLS provider, although nothing is encrypted here.
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
    for _ in 0..rounds() {
        let request = CompletionRequest::from(vec![Message::user("in")]);
        alone.push(drained(library.stream(request).expect("a request")).await);
        let messages = vec![stepwright::models::Message::user("in")];
        ours.push(
            drained(model.stream(ModelRequest { messages, ..ModelRequest::default() })).await,
        );
        through.push(drained(workflow.run("in").stream()).await);
    }
    report(MODEL, &alone, &ours);
    report(WORKFLOW, &alone, &through);
}

/// Starts a server that speaks OpenAI's chat completions and repeats `word` for every client.
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
    let packet = chunk("{\"content\":\"word \"}", "null").repeat(PACKET);
    let last = chunk("{}", "\"stop\"") + "data: [DONE]\n\n";
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (packet, last) = (packet.clone(), last.clone());
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().expect("a socket"));
                while asked(&mut reader).is_some() {
                    let length = packet.len() * (TOKENS / PACKET) + last.len();
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                    let mut stream = &stream;
                    let _ = write!(stream, "{head}content-length: {length}\r\n\r\n");
                    for _ in 0..TOKENS / PACKET {
                        let _ = stream.write_all(packet.as_bytes());
                        std::thread::sleep(PAUSE);
                    }
                    let _ = stream.write_all(last.as_bytes());
                }
            });
        }
    });
    address
}

/// Prints both times and their difference, with its standard error: single rounds differ by more
/// than the effect.
#[expect(clippy::cast_precision_loss, reason = "there are not that many tokens")]
fn report(how: &str, alone: &[Duration], through: &[Duration]) {
    let each = |time: &Duration| time.as_secs_f64() * 1e6 / TOKENS as f64;
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let alone: Vec<f64> = alone.iter().map(each).collect();
    let through: Vec<f64> = through.iter().map(each).collect();
    let more: Vec<f64> = alone.iter().zip(&through).map(|(alone, all)| all - alone).collect();
    let middle = mean(&more);
    let spread: f64 = more.iter().map(|one| (one - middle).powi(2)).sum();
    let count = more.len() as f64;
    let error = (spread / (count - 1.0) / count).sqrt();
    let (alone, through) = (mean(&alone), mean(&through));
    println!("{how}: {alone:.2} alone, {through:.2} through, {middle:.2} ± {error:.2} on top");
}
