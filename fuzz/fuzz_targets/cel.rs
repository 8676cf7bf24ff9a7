//! An expression: it gives a value or a failure, within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = stepwright_file::fuzz::expression(text);
});
