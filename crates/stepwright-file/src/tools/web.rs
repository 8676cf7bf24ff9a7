//! `web_page`, `http` and `http_get`: pages and other answers over HTTP.

use crate::effects;
use crate::format::form::{Form, Member, key};
use crate::format::reader::{Fields, Reader, ToolKind};
use crate::format::{AgentTool, Word};
use crate::system::Granted;
use crate::tree::{Node, Yaml};
use stepwright_agent::AgentBuilder;
use stepwright_tools::{Http, WebPage};

const PRIVATE: &[Member] = &[key(
    "private",
    &Form::Either(&[Form::Bool, Form::List(&Form::Text, 0, usize::MAX)]),
    "Whether addresses of this machine and its network may be reached, or which servers of it.",
)];

pub(super) const PAGE: ToolKind = ToolKind {
    name: "web_page",
    shown: "`web_page`",
    read: page,
    effects: effects::PAGE,
    settings: PRIVATE,
    needs: &[],
};

pub(super) const HTTP: ToolKind = ToolKind {
    name: "http",
    shown: "`http`",
    read: http,
    effects: effects::REQUEST,
    settings: PRIVATE,
    needs: &[],
};

pub(super) const GET: ToolKind = ToolKind {
    name: "http_get",
    shown: "`http_get`",
    read: get,
    effects: effects::HTTP,
    settings: PRIVATE,
    needs: &[],
};

type Read = Option<Box<dyn AgentTool>>;

/// The private addresses that a tool may reach.
enum Private {
    None,
    All,
    Hosts(Vec<String>),
}

/// Takes the setting that allows private addresses: all of them, or those of a list of servers.
fn private(reader: &mut Reader<'_>, fields: Option<&mut Fields<'_>>) -> Private {
    let Some(fields) = fields else { return Private::None };
    let is_list = |node: &Node| matches!(node.value, Yaml::List(_));
    if !fields.value("private").is_some_and(is_list) {
        let all = fields.bool(reader, "private") == Some(true);
        return if all { Private::All } else { Private::None };
    }
    let Some((_, node)) = fields.take("private") else { return Private::None };
    let hosts = reader.list(node, "private").unwrap_or_default();
    let hosts = hosts.iter().filter_map(|node| reader.word(node, "a server"));
    Private::Hosts(hosts.map(|host| host.text).collect())
}

/// Returns the toolkit with these private addresses.
macro_rules! reaching {
    ($kit:expr, $private:expr) => {
        match $private {
            Private::None => $kit,
            Private::All => $kit.private(true),
            Private::Hosts(hosts) => $kit.private_hosts(hosts),
        }
    };
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn page(reader: &mut Reader<'_>, _: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    Some(Box::new(reaching!(WebPage::new(), private(reader, fields))))
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn http(reader: &mut Reader<'_>, _: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    Some(Box::new(Requests(reaching!(Http::new().acts(true), private(reader, fields)))))
}

#[expect(clippy::unnecessary_wraps, reason = "the functions that read tools have one type")]
fn get(reader: &mut Reader<'_>, _: &Word, fields: Option<&mut Fields<'_>>) -> Read {
    Some(Box::new(reaching!(Http::new(), private(reader, fields))))
}

/// Requests with any method.
#[derive(Debug)]
struct Requests(Http);

impl AgentTool for Requests {
    fn known_as(&self) -> &'static [&'static str] {
        &["http_get", "http_request"]
    }

    fn only_reads(&self) -> bool {
        false
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.0.clone())
    }
}

impl AgentTool for Http {
    fn known_as(&self) -> &'static [&'static str] {
        &["http_get"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}

impl AgentTool for WebPage {
    fn known_as(&self) -> &'static [&'static str] {
        &["read_page"]
    }

    fn give_to(&self, agent: AgentBuilder, _: &Granted) -> AgentBuilder {
        agent.tool(self.clone())
    }
}
