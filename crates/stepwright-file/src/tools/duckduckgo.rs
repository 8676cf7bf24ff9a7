//! `duckduckgo`: a search of the web and of news.

use crate::effects;
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};

pub(super) const KIND: ToolKind = ToolKind {
    name: "duckduckgo",
    shown: "`duckduckgo`",
    read,
    effects: effects::SEARCH,
    settings: SETTINGS,
    needs: &[],
};

#[cfg(not(feature = "duckduckgo"))]
const SETTINGS: &[crate::format::form::Member] = &[];

#[cfg(not(feature = "duckduckgo"))]
fn read(
    reader: &mut Reader<'_>,
    name: &Word,
    _: Option<&mut Fields<'_>>,
) -> Option<Box<dyn AgentTool>> {
    let mistake = reader.mistake(name.span, "the tool `duckduckgo` was left out of this program");
    reader.push(mistake.help("build it with the feature `duckduckgo`"));
    None
}

#[cfg(feature = "duckduckgo")]
use with_the_feature::{SETTINGS, read};

#[cfg(feature = "duckduckgo")]
mod with_the_feature {
    use super::{AgentTool, Fields, Reader, Word};
    use crate::format::form::{Form, Member, key};
    use crate::system::Granted;
    use stepwright_agent::AgentBuilder;
    use stepwright_tools::{DuckDuckGo, RESULTS_MAX};

    pub(super) const SETTINGS: &[Member] = &[
        key("max_results", &Form::Whole(1, RESULTS_MAX as u64), "The number of results."),
        key("timeout", &Form::Duration, "The maximum time of a search."),
        key("region", &Form::Text, "The region, such as `us-en`."),
        key("base_url", &Form::Text, "The address of another server."),
    ];

    #[derive(Debug)]
    struct Search(DuckDuckGo);

    impl AgentTool for Search {
        fn known_as(&self) -> &'static [&'static str] {
            &["web_search", "search_news"]
        }

        fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
            agent.tool(self.0.clone())
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
    pub(super) fn read(
        reader: &mut Reader<'_>,
        _: &Word,
        fields: Option<&mut Fields<'_>>,
    ) -> Option<Box<dyn AgentTool>> {
        let mut search = DuckDuckGo::new();
        let Some(fields) = fields else { return Some(Box::new(Search(search))) };
        let most = u64::try_from(RESULTS_MAX).unwrap_or(u64::MAX);
        let results = fields.number(reader, "max_results", (1, most));
        if let Some(results) = results.and_then(|results| usize::try_from(results).ok()) {
            search = search.max_results(results);
        }
        if let Some(timeout) = fields.duration(reader, "timeout") {
            search = search.timeout(timeout);
        }
        let wrong = |search: DuckDuckGo| search.check().err();
        if let Some(region) = fields.word(reader, "region") {
            reader.setting(&region, wrong(DuckDuckGo::new().region(&region.text)));
            search = search.region(region.text);
        }
        if let Some(url) = fields.word(reader, "base_url") {
            reader.setting(&url, wrong(DuckDuckGo::new().base_url(&url.text)));
            search = search.base_url(url.text);
        }
        Some(Box::new(Search(search)))
    }
}
