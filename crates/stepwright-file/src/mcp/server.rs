//! Builds the servers.

use super::ServerTools;
use crate::budget::Budget;
use crate::format::{Choice, Declaration, Login, Recipe, Text};
use crate::reference::OwnedValues;
use crate::system::Granted;
use stepwright_core::StepInput;
use stepwright_mcp::{McpServer, OAuth};

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
    pub(super) fn built(&self, granted: &Granted) -> McpServer {
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
            Recipe::Url { url, headers, oauth } => {
                let url = rendered(url);
                let server = McpServer::url(name, &url).login_help(self.login_help());
                let server = match oauth {
                    Some(login) => server.oauth(self.login(login, &url, granted)),
                    None => server,
                };
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

impl Declaration {
    /// Returns `true` if a person can log in at the server.
    pub(crate) fn has_login(&self) -> bool {
        matches!(&self.recipe, Recipe::Url { oauth: Some(login), .. } if login.is_by_person)
    }

    fn login_help(&self) -> String {
        let Recipe::Url { oauth, .. } = &self.recipe else { return String::new() };
        match oauth {
            Some(login) if login.is_by_person => {
                let (file, name) = (self.file.display(), &self.name.text);
                format!("log in with `stepwright login {file} {name}`")
            }
            Some(_) => "check `client_id` and `client_secret`".to_owned(),
            None => "give it `headers` with a token, or `oauth: true` and log in".to_owned(),
        }
    }

    fn login(&self, login: &Login, url: &str, granted: &Granted) -> OAuth {
        let client = login.client.as_ref();
        let client = client.map(|it| (rendered(&it.id), it.secret.as_ref().map(rendered)));
        let oauth = if login.is_by_person {
            // Another file, which may not be trustworthy, cannot use the login of this one.
            let of = [&*self.name.text, &self.file.to_string_lossy(), url];
            let oauth = match &granted.token_dir {
                Some(dir) => OAuth::within(dir, &of),
                // A mistake, which is reported when the agent is built.
                None => OAuth::new(""),
            };
            match client {
                Some((id, secret)) => oauth.client(id, secret),
                None => oauth,
            }
        } else {
            let (id, secret) = client.unwrap_or_default();
            OAuth::client_credentials(id, secret.unwrap_or_default())
        };
        oauth.scopes(&login.scopes)
    }
}

/// Renders a text that refers to nothing but what the file declares. The reader has checked that,
/// and that the variables are there has been checked before anything is built.
fn rendered(text: &Text) -> String {
    let values = OwnedValues::of(StepInput::of(""));
    text.render(&values.values(), &Budget::default()).unwrap_or_default()
}
