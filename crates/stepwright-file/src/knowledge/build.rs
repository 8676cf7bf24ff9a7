//! Builds the tools that search knowledge bases.

use super::place;
use crate::access::Home;
use crate::format::{Base, Searched};
use crate::options::Options;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_agent::AgentBuilder;
use stepwright_core::{Error, ErrorId, ErrorKind};
use stepwright_knowledge::{KnowledgeTool, LazyKnowledge};

impl Base {
    /// Returns the path of the database.
    pub(super) fn path(&self, options: &Options) -> Result<PathBuf, Error> {
        let home = Home::Named(self.folder.clone());
        place::of_database(&home, &self.database.text, options).map_err(|refused| {
            let message = format!("cannot use `{}`: {}", self.database.text, refused.why);
            let error = Error::new(ErrorKind::Definition, message);
            let error = error.with_id(ErrorId::INCLUDE_REFUSED);
            refused.help.into_iter().fold(error, Error::with_hint)
        })
    }

    /// Adds the tool that searches this base to an agent. A playback reaches no database.
    pub(crate) fn give_to(
        &self,
        agent: AgentBuilder,
        searched: &Searched,
        (options, secrets): (&Options, &BTreeMap<String, String>),
    ) -> Result<AgentBuilder, Error> {
        let name = &self.name.text;
        let path = self.path(options)?;
        if !options.playback && !path.exists() {
            let message = format!("the knowledge base `{name}` has no database yet");
            let error = Error::new(ErrorKind::Definition, message);
            let hint = "add its documents: `stepwright knowledge update FILE`";
            return Err(error.with_id(ErrorId::DATABASE_MISSING).with_hint(hint));
        }
        let embedder = match &self.embedder {
            Some(embedder) if !options.playback => {
                Some(crate::models::embedder(embedder, secrets)?)
            }
            _ => None,
        };
        let mut about = format!(
            "Searches the knowledge base `{name}` for passages that answer a \
            question."
        );
        if let Some(description) = &self.description {
            about = format!("{about} {description}");
        }
        // Opened by its first search.
        let lazy = LazyKnowledge::open_existing(path, embedder);
        let mut tool = KnowledgeTool::new(lazy).name(&searched.tool).description(about);
        if let Some(passages) = searched.passages.or(self.passages) {
            tool = tool.passages(passages);
        }
        // The documents are not part of it: searches are recorded.
        let content = json!({
            "database": self.database.text,
            "embedder": self.embedder.as_ref().map(|embedder| &embedder.text),
        });
        let source: Arc<str> = format!("knowledge base {name}").into();
        Ok(agent.tool(tool).source(source, content.to_string()))
    }
}
