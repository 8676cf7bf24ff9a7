//! Tests of the table of keys.

use super::{kinds, settings_of};
use crate::definition::KINDS;
use crate::format::form::{Form, Mapping};
use crate::format::keys::{FILE, USED_STEP};
use crate::format::read_text;
use crate::format::reader::State;
use crate::mcp::SERVER_TOOLS;
use crate::options::{Options, Variables};
use crate::source::Source;
use crate::tools::TOOLS;
use std::collections::BTreeSet;
use std::path::Path;

type Keys = BTreeSet<(&'static str, &'static str)>;

/// Collects the keys of a form and of those in it.
fn collect(form: &Form, all: &mut Keys) {
    match form {
        Form::List(of, ..) | Form::Names(of) => collect(of, all),
        Form::Either(forms) => forms.iter().for_each(|form| collect(form, all)),
        Form::Mapping(mapping) => collect_members(mapping, all),
        _ => {}
    }
}

fn collect_members(mapping: &Mapping, all: &mut Keys) {
    for member in mapping.members {
        all.insert((mapping.what, member.name));
        collect(member.form, all);
    }
}

#[test]
fn every_key_of_the_reader_is_described_and_no_other() {
    let text = include_str!("../../tests/it/every_key.yaml");
    let path = Path::new("tests/it/every_key.yaml");
    let variables = Variables::from([("REGION", "eu"), ("API_KEY", "hunter2hunter2")]);
    let options = Options { only_checks: true, variables, ..Options::default() };
    let mut state = State::new(KINDS);
    let source = Source::new("tests/it/every_key.yaml", text);
    read_text(source, path, &options, &mut state);
    state.mistakes.finish().unwrap();

    let mut described = Keys::new();
    collect_members(&FILE, &mut described);
    described.insert(("a step", USED_STEP.name));
    for kind in kinds() {
        for member in kind.members() {
            described.insert(("a step", member.name));
            collect(member.form, &mut described);
        }
    }
    for kind in TOOLS {
        for member in settings_of(kind) {
            described.insert((kind.shown, member.name));
            collect(member.form, &mut described);
        }
    }
    collect_members(&SERVER_TOOLS, &mut described);
    let unknown: Vec<_> = state.asked.difference(&described).collect();
    assert!(unknown.is_empty(), "describe these keys where they are read: {unknown:?}");
    let unread: Vec<_> = described.difference(&state.asked).collect();
    assert!(unread.is_empty(), "no mapping of every_key.yaml is read for these keys: {unread:?}");
}
