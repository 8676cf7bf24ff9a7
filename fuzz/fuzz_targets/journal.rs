//! A row of a journal: it is an event, or damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|row: &[u8]| {
    let _ = stepwright_store::decode_row(row);
});
