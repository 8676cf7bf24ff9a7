//! Workflow files of Stepwright: YAML or JSON, parsed, checked and built.

mod diagnostic;
mod duration;
mod expression;
mod reference;
mod source;
mod suggest;
mod template;
mod tree;
