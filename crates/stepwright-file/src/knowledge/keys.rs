//! The keys of knowledge bases.

use crate::format::MODEL_WITH_PLACE;
use crate::format::form::{Form, Mapping, Member, key};

/// The maximum number of knowledge bases of a file.
pub(super) const BASES_MAX: usize = 100;

/// The maximum number of files and patterns of a knowledge base.
pub(super) const SOURCES_MAX: usize = 1_000;

/// The maximum number of passages of one search.
pub(super) const PASSAGES_MAX: u64 = 100;

const PASSAGES: Member = key(
    "passages",
    &Form::Whole(1, PASSAGES_MAX),
    "The number of passages that a search gives the model.",
);

/// The knowledge bases that a file declares.
pub(crate) const BASES: Form = Form::Names(&Form::Mapping(&BASE));

static BASE: Mapping = Mapping {
    name: "knowledge_base",
    what: "a knowledge base",
    required: &[&["database", "sources"]],
    members: &[
        key("database", &Form::Text, "The path of its database, beneath the folder of this file."),
        key(
            "sources",
            &Form::List(&Form::Text, 1, SOURCES_MAX),
            "Its documents: files and patterns such as `docs/**/*.md`, beneath that folder.",
        ),
        key(
            "embedder",
            &MODEL_WITH_PLACE,
            "The embedding model as `provider:model`. Without one, searches are by words alone.",
        ),
        key("description", &Form::Text, "What the documents are about, for the model."),
        PASSAGES,
    ],
};

/// The knowledge bases that an agent searches.
pub(crate) const SEARCHED: Form = Form::List(&ONE_SEARCHED, 1, BASES_MAX);

const ONE_SEARCHED: Form = Form::Either(&[Form::Text, Form::Mapping(&SEARCHED_WITH)]);

static SEARCHED_WITH: Mapping = Mapping {
    name: "searched_knowledge",
    what: "the knowledge of an agent",
    required: &[&["name"]],
    members: &[key("name", &Form::Text, "The name of the knowledge base."), PASSAGES],
};
