//! Builds the servers.

use super::ServerTools;
use crate::budget::Budget;
use crate::format::{Choice, Declaration, Recipe, Text};
use crate::reference::OwnedValues;
use crate::system::Granted;
use stepwright_core::StepInput;
use stepwright_mcp::McpServer;

impl ServerTools {
    pub(super) fn server(&self, granted: &Granted) -> McpServer {
        let shared = self.declaration.server.get_or_init(|| self.declaration.built(granted));
        chosen(shared.clone(), &self.choice)
    }
}

fn chosen(mut server: McpServer, choice: &Choice) -> McpServer {
    if let Some(tools) = &choice.tools {
        server = server.only(tools);
    }
    if let Some(prefix) = &choice.prefix {
        server = server.prefix(prefix);
    }
    server.exclude(&choice.exclude).confirm(&choice.confirm)
}

impl Declaration {
    fn built(&self, granted: &Granted) -> McpServer {
        let name = &self.name.text;
        let server = match &self.recipe {
            Recipe::Command { program, args, env } => {
                let args = args.iter().map(rendered);
                let mut server = McpServer::command(name, rendered(program), args);
                for (name, value) in env {
                    let has_secret =
                        value.template.references().iter().any(|it| it.root == "secrets");
                    server = if has_secret {
                        server.secret_env(name, rendered(value))
                    } else {
                        server.env(name, rendered(value))
                    };
                }
                for name in &granted.pass_env {
                    server = server.pass_env(name);
                }
                match granted.folder.root() {
                    Ok(dir) => server.dir(dir),
                    Err(_) => server,
                }
            }
            Recipe::Url { url, headers } => {
                let server = McpServer::url(name, rendered(url));
                headers
                    .iter()
                    .fold(server, |server, (name, value)| server.header(name, rendered(value)))
            }
        };
        let server = chosen(server, &self.choice).answer_questions(self.answers_questions);
        let server = if self.resources { server.resources() } else { server };
        let server = self.timeout.into_iter().fold(server, McpServer::timeout);
        self.on_interrupted.into_iter().fold(server, McpServer::on_interrupted)
    }
}

/// Renders a text that refers to nothing but what the file declares. The reader has checked that,
/// and that the variables are there has been checked before anything is built.
fn rendered(text: &Text) -> String {
    let values = OwnedValues::of(StepInput::of(""));
    text.render(&values.values(), &Budget::default()).unwrap_or_default()
}
