//! The body of an answer on the wire `ollama`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_models::fuzzing::read_answer;

fuzz_target!(|body: &[u8]| {
    let _ = read_answer("ollama", "application/x-ndjson", vec![body.to_vec()]);
});
