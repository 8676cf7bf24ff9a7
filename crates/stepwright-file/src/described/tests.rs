//! Tests of the table of keys.

use super::{kinds, settings};
use crate::definition::KINDS;
use crate::format::form::{Form, Mapping};
use crate::format::keys::{FILE, USED_STEP};
use crate::format::read_text;
use crate::format::reader::State;
use crate::mcp::{SERVER_TOOLS, SERVER_TOOLS_SHOWN};
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
        Form::NamesBut(members, of) => {
            members.iter().for_each(|member| collect(member.form, all));
            collect(of, all);
        }
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
    if !cfg!(all(
        feature = "knowledge",
        feature = "mcp",
        feature = "duckduckgo",
        feature = "sqlite",
        feature = "postgres"
    )) {
        // Their keys are mistakes.
        return;
    }
    let variables = Variables::from([("REGION", "eu"), ("API_KEY", "hunter2hunter2")]);
    let options = Options { only_checks: true, variables, ..Options::default() };
    let mut asked = Keys::new();
    for (path, text) in [
        ("tests/it/every_key.yaml", include_str!("../../tests/it/every_key.yaml")),
        ("tests/it/every_key_tools.yaml", include_str!("../../tests/it/every_key_tools.yaml")),
    ] {
        let mut state = State::new(KINDS);
        read_text(Source::new(path, text), Path::new(path), &options, &mut state);
        state.mistakes.finish().unwrap();
        asked.extend(state.asked);
    }

    let mut described = Keys::new();
    collect_members(&FILE, &mut described);
    described.insert(("a step", USED_STEP.name));
    for kind in kinds() {
        for member in kind.members() {
            described.insert(("a step", member.name));
            collect(member.form, &mut described);
        }
    }
    let tools = TOOLS.iter().map(|kind| (kind.shown, kind.settings));
    for (shown, own) in tools.chain([(SERVER_TOOLS_SHOWN, SERVER_TOOLS)]) {
        for member in settings(own) {
            described.insert((shown, member.name));
            collect(member.form, &mut described);
        }
    }
    let unknown: Vec<_> = asked.difference(&described).collect();
    assert!(unknown.is_empty(), "describe these keys where they are read: {unknown:?}");
    let unread: Vec<_> = described.difference(&asked).collect();
    assert!(
        unread.is_empty(),
        "no mapping of the files of every key is read for these keys: {unread:?}"
    );
}
