//! `wikipedia`: articles, without a key.

use crate::effects;
use crate::format::form::{Form, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::Granted;
use stepwright_agent::AgentBuilder;
use stepwright_tools::{ARTICLES_MAX, Wikipedia};

pub(super) const KIND: ToolKind = ToolKind {
    name: "wikipedia",
    shown: "`wikipedia`",
    read,
    effects: effects::WIKIPEDIA,
    settings: &[
        key("language", &Form::Text, "The language, such as `de`."),
        key("base_url", &Form::Text, "The address of another wiki."),
        key("max_results", &Form::Whole(1, ARTICLES_MAX as u64), "The number of articles."),
    ],
    needs: &[],
};

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn read(
    reader: &mut Reader<'_>,
    _: &Word,
    fields: Option<&mut Fields<'_>>,
) -> Option<Box<dyn AgentTool>> {
    let mut kit = Wikipedia::new();
    let Some(fields) = fields else { return Some(Box::new(kit)) };
    if let Some(language) = fields.word(reader, "language") {
        reader.setting(&language, Wikipedia::new().language(&language.text).check().err());
        kit = kit.language(language.text);
    }
    if let Some(url) = fields.word(reader, "base_url") {
        reader.setting(&url, Wikipedia::new().base_url(&url.text).check().err());
        kit = kit.base_url(url.text);
    }
    let most = u64::try_from(ARTICLES_MAX).unwrap_or(u64::MAX);
    let results = fields.number(reader, "max_results", (1, most));
    if let Some(results) = results.and_then(|results| usize::try_from(results).ok()) {
        kit = kit.max_results(results);
    }
    Some(Box::new(kit))
}

impl AgentTool for Wikipedia {
    fn known_as(&self) -> &'static [&'static str] {
        &["search_wikipedia", "read_wikipedia"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}
