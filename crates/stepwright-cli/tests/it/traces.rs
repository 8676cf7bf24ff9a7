//! Traces: what a collector receives.

use crate::support::Place;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// A collector that takes what it is sent, and hands over the spans and the service's name.
fn collector() -> (String, Receiver<(String, Vec<Span>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut seen, mut piece) = (Vec::new(), [0; 8192]);
            let body = loop {
                let n = stream.read(&mut piece).unwrap();
                assert!(n > 0, "the request ended early");
                seen.extend_from_slice(&piece[..n]);
                let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
                assert!(head.starts_with("post /v1/traces "), "{head}");
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
                let length: usize = length.unwrap().trim().parse().unwrap();
                if seen.len() >= end + 4 + length {
                    break seen[end + 4..end + 4 + length].to_vec();
                }
            };
            let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            let request = ExportTraceServiceRequest::decode(&*body).unwrap();
            let resource = request.resource_spans[0].resource.clone().unwrap();
            let service = resource.attributes.iter().find(|a| a.key == "service.name").unwrap();
            let service = format!("{:?}", service.value);
            let spans = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
            let spans = spans.flat_map(|scope| scope.spans).collect();
            if tell.send((service, spans)).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn a_collector_receives_the_spans_of_a_run_in_the_callers_trace() {
    let flow = "\
format: 1
name: Traced
model: offline
agents: {writer: {}}
steps:
  - {name: facts, template: 'Ants are small. They carry much.'}
  - {agent: writer}
  - {name: whose, shell: {command: 'printf %s \"$TRACEPARENT\"'}}
";
    let (address, told) = collector();
    let place = Place::with(flow);
    let mut command = place.command(["run", "flow.yaml", "ants", "--allow-shell", "--no-db"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &address).env("TRACEPARENT", TRACEPARENT);
    let ran = crate::support::Ran::of(&mut command).ended(0);
    let (service, mut spans) = told.recv().unwrap();
    while let Ok((_, more)) = told.try_recv() {
        spans.extend(more);
    }
    assert!(service.contains("stepwright"), "{service}");
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
    let root = named("invoke_workflow Traced");
    let hex = |bytes: &[u8]| {
        let digits = |byte: u8| [byte >> 4, byte & 15].map(|n| char::from_digit(n.into(), 16));
        bytes.iter().flat_map(|byte| digits(*byte)).flatten().collect::<String>()
    };
    assert_eq!(hex(&root.trace_id), &TRACEPARENT[3..35]);
    assert_eq!(hex(&root.parent_span_id), &TRACEPARENT[36..52]);
    let step = named("step whose");
    assert_eq!(hex(&step.parent_span_id), hex(&root.span_id));
    let in_command = format!("00-{}-{}-01", hex(&step.trace_id), hex(&step.span_id));
    assert_eq!(ran.stdout.trim(), in_command, "a command continues the trace of its step");
    assert!(named("invoke_agent writer").end_time_unix_nano >= root.start_time_unix_nano);
}

#[test]
fn a_collector_that_is_away_delays_no_run_and_is_told() {
    let place = Place::with("format: 1\nname: Away\nsteps: [{name: a, template: done}]\n");
    let mut command = place.command(["run", "flow.yaml", "x", "--no-db"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let ran = crate::support::Ran::of(&mut command).ended(0);
    assert_eq!(ran.stdout.trim(), "done");
    assert!(ran.stderr.contains("note: traces were lost"), "{ran:#?}");
}

#[test]
fn an_exporter_that_is_not_there_is_an_error_with_a_code() {
    let place = Place::with("format: 1\nname: Zip\nsteps: [{name: a, template: done}]\n");
    let mut command = place.command(["run", "flow.yaml", "x", "--no-db"]);
    command.env("OTEL_TRACES_EXPORTER", "zipkin");
    let ran = crate::support::Ran::of(&mut command).ended(2);
    assert!(ran.stderr.contains("error[SW0127]: `OTEL_TRACES_EXPORTER=zipkin`"), "{ran:#?}");
}

/// A server that is not ours: Arize Phoenix. `STEPWRIGHT_TEST_PHOENIX` names its command, which
/// `scripts/test-phoenix.sh` installs.
#[test]
fn a_receiver_of_traces_that_is_not_ours_has_the_trace() {
    let Some(program) = std::env::var_os("STEPWRIGHT_TEST_PHOENIX") else {
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("skipped: STEPWRIGHT_TEST_PHOENIX names no receiver");
        }
        return;
    };
    let flow = "\
format: 1
name: Traced
model: offline
agents: {writer: {}}
steps:
  - {name: facts, template: 'Ants are small. They carry much.'}
  - {agent: writer}
";
    let place = Place::with(flow);
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (port, grpc) = (free(), free());
    let mut server = std::process::Command::new(program);
    server.arg("serve").env("PHOENIX_WORKING_DIR", place.path("phoenix"));
    server.env("PHOENIX_HOST", "127.0.0.1").env("PHOENIX_PORT", port.to_string());
    server.env("PHOENIX_GRPC_PORT", grpc.to_string()).env("PHOENIX_TELEMETRY_ENABLED", "false");
    let log = std::fs::File::create(place.path("phoenix.log")).unwrap();
    server.stdout(log.try_clone().unwrap()).stderr(log);
    let _server = Killed(server.spawn().unwrap());
    let asked = |path: &str| {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
        let request = format!("GET {path} HTTP/1.0\r\nhost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned())
    };
    let until = |what: &str, path: &str, is_there: &dyn Fn(&str) -> bool| {
        // It takes its time to start, and to file what it has received.
        for _ in 0..1_200 {
            if let Some(answer) = asked(path).filter(|answer| is_there(answer)) {
                return answer;
            }
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        let log = std::fs::read_to_string(place.path("phoenix.log")).unwrap_or_default();
        panic!("{what} within 5 minutes: {:?}\n{log}", asked(path));
    };
    until("it did not start", "/v1/projects", &|answer| answer.contains("default"));
    let mut command = place.command(["run", "flow.yaml", "ants", "--no-db"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://127.0.0.1:{port}"));
    command.env("TRACEPARENT", TRACEPARENT);
    crate::support::Ran::of(&mut command).ended(0);
    let spans = "/v1/projects/default/spans?limit=100";
    let has_all = |answer: &str| {
        ["invoke_workflow Traced", "step facts", "invoke_agent writer", "chat extract"]
            .iter()
            .all(|name| answer.contains(name))
    };
    let answer = until("it has no trace", spans, &has_all);
    assert!(answer.contains(&TRACEPARENT[3..35]), "the trace is that of the caller: {answer}");
}

/// A process that ends with the test.
struct Killed(std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
