//! Reads `oauth` of a server at an address.

use super::keys::GRANTS;
use crate::format::reader::{Fields, Reader};
use crate::format::{Login, LoginClient};
use crate::tree::{Node, Yaml};

impl Reader<'_> {
    /// Parses `oauth: true`, or `oauth: {client_id: …, scopes: […]}`.
    pub(super) fn mcp_oauth(&mut self, node: &Node) -> Option<Login> {
        if let Yaml::Bool(is_on) = node.value {
            return is_on.then(Login::default);
        }
        let Yaml::Map(_) = &node.value else {
            self.wrong_type(node, "`oauth` is `true`, or has `client_id`, `scopes` and others");
            return None;
        };
        let mut fields = Fields::of(self, node, "`oauth`")?;
        let (id, secret) = (fields.take("client_id"), fields.take("client_secret"));
        let scopes = fields.take("scopes").and_then(|(_, node)| self.list(node, "scopes"));
        let grant = fields.choice(self, "grant", &GRANTS);
        fields.finish(self);
        let scopes = scopes.unwrap_or_default();
        let scopes = scopes.iter().filter_map(|one| self.word(one, "a scope"));
        let scopes = scopes.map(|word| word.text).collect();
        let is_by_person = grant.unwrap_or(true);
        let client = match (id, secret) {
            (Some((_, id)), secret) => {
                let id = self.mcp_text(id, "client_id", false);
                let has_secret = secret.is_some();
                let secret =
                    secret.and_then(|(_, node)| self.mcp_text(node, "client_secret", true));
                if !is_by_person && !has_secret {
                    let message = "`grant: client_credentials` needs `client_secret`";
                    let help = "write `client_secret: \"{{ secrets.NAME }}\"`";
                    self.push(self.mistake(node.span, message).help(help));
                }
                Some(LoginClient { id: id?, secret })
            }
            (None, Some((key, _))) => {
                let message = "`client_secret` is the secret of a client, and there is none";
                self.push(self.mistake(key.span, message).help("add `client_id`"));
                return None;
            }
            (None, None) if !is_by_person => {
                let message = "`grant: client_credentials` needs `client_id` and `client_secret`";
                let help = "without `grant`, a person logs in and the client registers itself";
                self.push(self.mistake(node.span, message).help(help));
                return None;
            }
            (None, None) => None,
        };
        Some(Login { client, scopes, is_by_person })
    }
}
