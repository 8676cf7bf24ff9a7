//! Models that are silent, and callers that leave.

use super::seen::{Verdicts, hello, watch};
use super::server::{Gate, Reply, Server};
use super::speech::{Script, Wire};
use futures_util::StreamExt as _;
use std::time::Duration;
use stepwright_core::model::{Model as _, ModelEvent};
use stepwright_models::guarded;

/// Short, because the server waits for it to pass. How long it takes is not asked.
const IDLE: Duration = Duration::from_millis(50);

/// Returns what a model says before it falls silent for ever.
fn silences(wire: Wire) -> Vec<(&'static str, Reply, Vec<&'static str>)> {
    let mut events = wire.events(&Script::text(&["Half an ", "answer."]));
    let said = events.iter().position(|event| event.data.contains("Half an ")).unwrap();
    events.truncate(said + 1);
    let half = wire.bytes(&events[said]);
    vec![
        ("nothing", Reply::silence(), vec![]),
        ("the status", wire.ok().hold(), vec![]),
        ("a word", wire.speaks(&events).hold(), vec!["text \"Half an \""]),
        ("half an error", Reply::new(500, "application/json").write("{\"error\":").hold(), vec![]),
        ("half an event", wire.ok().write(&half[..half.len() / 2]).hold(), vec![]),
    ]
}

#[tokio::test]
async fn silence_becomes_a_timeout_and_closes_the_connection() {
    let mut verdicts = Verdicts::default();
    for wire in Wire::ALL {
        for (name, reply, mut expected) in silences(wire) {
            let server = Server::start([reply]).await;
            let model = guarded(wire.model(&server)).idle_timeout(IDLE);
            expected.push("error Timeout retryable");
            let seen = watch(model, hello(), None).await;
            verdicts.check(&format!("{wire:?}, after {name}"), &seen, &expected);
            server.closed().await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_closes_its_connection() {
    for wire in Wire::ALL {
        for (_, reply, _) in silences(wire).into_iter().filter(|(name, ..)| *name == "a word") {
            let server = Server::start([reply]).await;
            let mut stream = wire.model(&server).stream(hello());
            let first = loop {
                match stream.next().await.unwrap().unwrap() {
                    ModelEvent::Heartbeat => {}
                    event => break event,
                }
            };
            assert_eq!(first, ModelEvent::TextDelta("Half an ".into()), "{wire:?}");
            drop(stream);
            server.closed().await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_dropped_before_it_is_answered_closes_its_connection() {
    for wire in Wire::ALL {
        let server = Server::start([Reply::silence()]).await;
        let mut stream = wire.model(&server).stream(hello());
        let arrived = async {
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        // The request is only sent while a caller polls for the answer.
        tokio::select! {
            item = stream.next() => panic!("{wire:?}: {item:?}"),
            () = arrived => {}
        }
        drop(stream);
        server.closed().await;
    }
}

#[tokio::test]
async fn nothing_is_sent_until_somebody_asks() {
    for wire in Wire::ALL {
        let server = Server::start([wire.says(&Script::text(&["Yes."]))]).await;
        let model = wire.model(&server);
        drop(model.stream(hello()));
        let seen = watch(model, hello(), None).await;
        assert!(seen.answer.is_ok(), "{wire:?}");
        server.request();
    }
}

/// Every fragment is handed on when it comes, and not when the answer is whole.
#[tokio::test]
async fn fragments_do_not_wait_for_each_other() {
    for wire in Wire::ALL {
        let events = wire.events(&Script::text(&["One, ", "two."]));
        let second = events.iter().position(|event| event.data.contains("two.")).unwrap();
        let gate = Gate::new();
        let mut reply = wire.speaks(&events[..second]).wait(&gate);
        for event in &events[second..] {
            reply = reply.write(wire.bytes(event));
        }
        let server = Server::start([reply]).await;
        // The gate opens at the first event; if that waited for the second, nothing would come.
        let seen = watch(wire.model(&server), hello(), Some(gate)).await;
        assert_eq!(seen.lines[..2], ["text \"One, \"", "text \"two.\""], "{wire:?}");
    }
}

/// Twenty answers at once, of one model.
#[tokio::test]
async fn answers_at_the_same_time_do_not_mix() {
    for wire in Wire::ALL {
        let texts: Vec<String> = (0..20).map(|n| format!("answer {n}")).collect();
        let replies = texts.iter().map(|text| wire.says(&Script::text(&[text])));
        let server = Server::start(replies).await;
        let model = wire.model(&server);
        let all = texts.iter().map(|_| watch(model.clone(), hello(), None));
        let seen = futures_util::future::join_all(all).await;
        let mut got: Vec<String> =
            seen.into_iter().map(|s| s.answer.unwrap().turn.text()).collect();
        let mut expected = texts.clone();
        got.sort();
        expected.sort();
        assert_eq!(got, expected, "{wire:?}");
    }
}
