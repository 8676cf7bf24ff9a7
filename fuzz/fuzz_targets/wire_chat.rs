//! The body of an answer on the wire `chat`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_models::fuzzing::read_answer;

fuzz_target!(|body: &[u8]| {
    let _ = read_answer("openrouter", "text/event-stream", vec![body.to_vec()]);
});
