//! A template: it gives a text or a failure, within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = stepwright_file::fuzz::template(text);
});
