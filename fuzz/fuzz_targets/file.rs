//! The text of a workflow file: it is a workflow, or it has mistakes that can be reported.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stepwright_file::{Definition, Options, ReportStyle};

fuzz_target!(|text: &str| {
    let options = Options { allow_shell: true, ..Options::default() };
    match Definition::parse(text, "/nowhere/flow.yaml", &options) {
        Ok(definition) => {
            let _ = definition.explain().to_string();
        }
        Err(mistakes) => {
            let _ = mistakes.report(ReportStyle::default());
        }
    }
});
