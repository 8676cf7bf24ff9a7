//! Names in the surrounding program do not affect `#[tool]`.

#![allow(dead_code, reason = "these names only stand in the way")]

use serde_json::json;
use stepwright_agent::tool;
use stepwright_core::StepContext;
use stepwright_core::tool::Tool as _;

// Everything that generated code might mean, as something else.
struct Result;
struct Option;
struct String;
struct Vec;
struct Box;
struct Ok;
struct Tool;
struct Value;
struct FunctionTool;
struct Arguments;
struct Default;
mod serde {}
mod schemars {}
mod std {}
mod core {}
mod stepwright {}

/// Adds.
#[tool(crate = "stepwright_agent")]
pub(crate) fn add(
    /// The first.
    a: i64,
    /// The second.
    #[tool(default)]
    b: i64,
    #[tool(default = 40 + 2)] c: i64,
) -> ::std::string::String {
    (a + b + c).to_string()
}

mod inside {
    use super::tool;

    /// Says nothing.
    #[tool(crate = "stepwright_agent")]
    pub(super) async fn nothing() {}

    pub(super) mod deeper {
        /// Knows its step.
        #[stepwright_agent::tool(crate = "stepwright_agent", name = "my-step")]
        pub(in super::super) async fn step(
            r#type: ::std::string::String,
            mut n: u8,
            cx: stepwright_core::StepContext,
        ) -> ::std::string::String {
            n += 1;
            ::std::format!("{} {} {n}", cx.path(), r#type)
        }
    }
}

#[tokio::test]
async fn tools_work_among_names_that_mean_something_else() {
    let cx = || StepContext::detached("here");
    let told = add.call(json!({"a": 1}), cx()).await.unwrap();
    assert_eq!(told, "43");
    assert_eq!(add::run(1, 2, 3), "6");
    assert_eq!(inside::nothing.call(json!({}), cx()).await.unwrap(), "done");
    let step = inside::deeper::step;
    assert_eq!(step.spec().name, "my-step");
    assert_eq!(step.call(json!({"type": "t", "n": 1}), cx()).await.unwrap(), "here t 2");
}

#[tokio::test]
async fn a_tool_may_be_made_inside_of_a_function() {
    struct Local(i64);
    impl Local {
        fn double(&self) -> i64 {
            self.0 * 2
        }
    }
    /// Doubles.
    #[tool(crate = "stepwright_agent")]
    fn double(n: i64) -> ::std::string::String {
        Local(n).double().to_string()
    }
    let told = double.call(json!({"n": 4}), StepContext::detached("here")).await.unwrap();
    assert_eq!(told, "8");
}
