//! Reads `http` and `http_get`.

use super::super::{BYTES_DEFAULT, BYTES_MAX, TIMEOUT_DEFAULT};
use super::{Address, Auth, Body, Http, IDEMPOTENCY_KEY, Pairs, Whole};
use crate::format::form::{Form, Mapping, Member, key, words};
use crate::format::reader::{Fields, Reader};
use crate::format::{Builtin, Text, Word};
use crate::template::Flavour;
use crate::tree::{Key, Node, Yaml};
use serde_json::json;
use std::sync::Arc;
use stepwright_http::reqwest::Method;
use stepwright_http::reqwest::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};

const METHODS: [(&str, Method); 7] = [
    ("GET", Method::GET),
    ("HEAD", Method::HEAD),
    ("POST", Method::POST),
    ("PUT", Method::PUT),
    ("PATCH", Method::PATCH),
    ("DELETE", Method::DELETE),
    ("OPTIONS", Method::OPTIONS),
];

const RESULTS: [(&str, Whole); 2] = [("body", Whole::Body), ("full", Whole::Full)];

/// The headers that describe the connection or the length of the body.
const OWN: [HeaderName; 3] = [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION];

pub(super) const HTTP: Form = Form::Mapping(&REQUEST);
pub(super) const HTTP_GET: Form = Form::Either(&[Form::Text, Form::Mapping(&PAGE)]);

static PAGE: Mapping = Mapping {
    name: "http_get",
    what: "`http_get`",
    required: &[&["url"]],
    members: &[URL, TIMEOUT, BYTES],
};

const URL: Member = key("url", &Form::Text, "The address.");
const TIMEOUT: Member = key("timeout", &Form::Duration, "The maximum time. Default: 30s.");
const BYTES: Member =
    key("max_bytes", &Form::Whole(1, BYTES_MAX), "The maximum size of the answer.");

static REQUEST: Mapping = Mapping {
    name: "http",
    what: "`http`",
    required: &[&["url"]],
    members: &[
        key("method", &Form::Words(|| words(&METHODS)), "The method. Default: GET."),
        URL,
        key("query", &PAIRS, "The parameters of the address."),
        key("headers", &Form::Names(&SCALAR), "The headers."),
        key("auth", &Form::Mapping(&AUTH), "The credentials, from a secret."),
        key("body", &Form::Text, "The body as a text."),
        key("json", &Form::Any, "The body as JSON."),
        key("form", &PAIRS, "The body as a form."),
        key(
            "idempotency_key",
            &Form::Either(&[Form::Bool, Form::Text]),
            "Sends a key by which \
            the server recognises a repetition: true, or the name of the header.",
        ),
        key(
            "result",
            &Form::Words(|| words(&RESULTS)),
            "The body alone, or status, headers and \
            body, whatever the status is.",
        ),
        TIMEOUT,
        BYTES,
    ],
};

const SCALAR: Form = Form::Schema(|| json!({"type": ["string", "number", "boolean"]}));

/// Names with values, or an expression for them.
const PAIRS: Form = Form::Either(&[
    Form::Expression,
    Form::Names(&Form::Either(&[SCALAR, Form::List(&SCALAR, 0, usize::MAX)])),
]);

static AUTH: Mapping = Mapping {
    name: "auth",
    what: "`auth`",
    required: &[&["bearer"], &["basic"]],
    members: &[
        key("bearer", &Form::Text, "The token."),
        key("basic", &Form::Mapping(&BASIC), "A user and a password."),
    ],
};

static BASIC: Mapping = Mapping {
    name: "basic_auth",
    what: "`basic`",
    required: &[&["user", "password"]],
    members: &[
        key("user", &Form::Text, "The user."),
        key("password", &Form::Text, "The password."),
    ],
};

const BODIES: [&str; 3] = ["body", "json", "form"];

pub(super) fn http_get(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    if let Yaml::Text(_) = value.value {
        let url = reader.address(value, "http_get")?;
        return Some(Arc::new(Http::get(url)));
    }
    let mut fields = Fields::of(reader, value, "`http_get`")?;
    if !fields.has("url") {
        reader.lacks(value, "http_get", "url", "what to fetch: `url: https://example.org`");
    }
    let url = fields.take("url").and_then(|(_, node)| reader.address(node, "url"));
    let timeout = fields.duration(reader, "timeout").unwrap_or(TIMEOUT_DEFAULT);
    let max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX)).unwrap_or(BYTES_DEFAULT);
    fields.finish_with(reader, |key| {
        let more = ["method", "query", "headers", "auth", "body", "json", "form", "result"];
        let is_known = more.contains(&key) || key == "idempotency_key";
        is_known.then(|| format!("`http` has `{key}`; `http_get` is its short form for a page"))
    });
    Some(Arc::new(Http { timeout, max_bytes, ..Http::get(url?) }))
}

pub(super) fn http(reader: &mut Reader<'_>, _: &Key, value: &Node) -> Option<Arc<dyn Builtin>> {
    if let Yaml::Text(text) = &value.value {
        let mistake = reader.mistake(value.span, "`http` is a mapping, with at least a `url`");
        let help = format!("write `http: {{method: POST, url: …}}`, or `http_get: {text}`");
        reader.push(mistake.label("a text").help(help));
        return None;
    }
    let mut fields = Fields::of(reader, value, "`http`")?;
    if !fields.has("url") {
        reader.lacks(value, "http", "url", "where to send it: `url: https://example.org`");
    }
    let written = fields.take("method");
    let method = written.and_then(|(_, node)| reader.method(node)).unwrap_or(Method::GET);
    let url = fields.take("url").and_then(|(_, node)| reader.address(node, "url"));
    let query = fields.take("query").and_then(|(_, node)| reader.pairs(node, "query"));
    let headers = fields.take("headers").map(|(_, node)| reader.headers(node));
    let headers = headers.unwrap_or_default();
    let auth = fields.take("auth").map(|(key, node)| (key, reader.auth(node)));
    if let Some((key, _)) = &auth
        && headers.iter().any(|(name, _)| name == "authorization")
    {
        let message = "`auth` and the header `authorization` are the same";
        let mistake = reader.mistake(key.span, message);
        reader.push(mistake.help("keep one of them"));
    }
    let body = reader.http_body(&mut fields, &method, written.is_some());
    let idempotency_key = fields.take("idempotency_key");
    let idempotency_key = idempotency_key.and_then(|(key, node)| {
        let name = reader.key_header(node);
        if matches!(method, Method::GET | Method::HEAD) {
            let mistake = reader.mistake(
                key.span,
                format!(
                    "a {method} changes nothing, so that \
                                                            it needs no idempotency key"
                ),
            );
            reader.push(mistake.help("leave it out"));
        }
        name
    });
    let result = fields.choice(reader, "result", &RESULTS).unwrap_or(Whole::Body);
    let timeout = fields.duration(reader, "timeout").unwrap_or(TIMEOUT_DEFAULT);
    let max_bytes = fields.number(reader, "max_bytes", (1, BYTES_MAX)).unwrap_or(BYTES_DEFAULT);
    fields.finish(reader);
    let auth = auth.and_then(|(_, auth)| auth);
    Some(Arc::new(Http {
        method,
        query,
        headers,
        auth,
        body,
        idempotency_key,
        result,
        timeout,
        max_bytes,
        ..Http::get(url?)
    }))
}

impl Http {
    /// Returns the request for a page.
    fn get(url: Address) -> Self {
        Self {
            method: Method::GET,
            url,
            query: None,
            headers: Vec::new(),
            auth: None,
            body: None,
            idempotency_key: None,
            result: Whole::Body,
            timeout: TIMEOUT_DEFAULT,
            max_bytes: BYTES_DEFAULT,
        }
    }
}

impl Reader<'_> {
    fn method(&mut self, node: &Node) -> Option<Method> {
        if let Yaml::Text(text) = &node.value
            && METHODS.iter().any(|(name, _)| *name == text.to_ascii_uppercase())
            && METHODS.iter().all(|(name, _)| name != text)
        {
            let message = format!("`{text}` is not a method: methods are in upper case");
            let mistake = self.mistake(node.span, message);
            self.push(mistake.help(format!("write `{}`", text.to_ascii_uppercase())));
            return None;
        }
        self.one_of(node, "method", &METHODS)
    }

    /// Parses names with values, which are templates, numbers, booleans or lists of these; or an
    /// expression for all of them.
    fn pairs(&mut self, node: &Node, name: &str) -> Option<Pairs> {
        let map = match &node.value {
            Yaml::Map(map) => map,
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                return self.computed(node).map(Pairs::Computed);
            }
            _ => {
                let expected = format!("`{name}` maps names to texts, or is an expression");
                self.wrong_type(node, &expected);
                return None;
            }
        };
        let mut pairs = Vec::with_capacity(map.len());
        for (nth, (key, value)) in map.iter().enumerate() {
            if let Some((first, _)) = map[..nth].iter().find(|(other, _)| other.name == key.name) {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                let mistake = mistake.label("again here").also(first.span, "first here");
                self.push(mistake.help(format!("list its values: `{}: [a, b]`", key.name)));
                continue;
            }
            let values = match &value.value {
                Yaml::List(list) => list.as_slice(),
                _ => std::slice::from_ref(value),
            };
            for one in values {
                pairs.extend(
                    self.constant_or_template(one, &key.name).map(|t| (key.name.clone(), t)),
                );
            }
        }
        Some(Pairs::Written(pairs))
    }

    /// Parses a template, a number or a boolean.
    fn constant_or_template(&mut self, node: &Node, name: &str) -> Option<Text> {
        let text = match &node.value {
            Yaml::Number(number) => number.to_string(),
            Yaml::Bool(value) => value.to_string(),
            Yaml::Text(text) if text.trim_start().starts_with("= ") => {
                let message = format!("`{name}` is a template, not an expression");
                let inner = text.trim_start().trim_start_matches('=').trim();
                let help = format!(
                    "write `{name}: \"{{{{ {inner} }}}}\"`, or one expression for \
                                    all of them"
                );
                let mistake = self.mistake(node.span, message).help(help);
                self.push(mistake);
                return None;
            }
            _ => return self.template(node, name, Flavour::Plain),
        };
        let word = Word { text, span: node.span };
        let written = self.written(&word, 0);
        self.text(&word.text, Flavour::Plain, written)
    }

    fn headers(&mut self, node: &Node) -> Vec<(HeaderName, Text)> {
        let Yaml::Map(map) = &node.value else {
            self.wrong_type(node, "`headers` maps names to texts");
            return Vec::new();
        };
        let mut headers: Vec<(HeaderName, Text)> = Vec::new();
        for (key, value) in map {
            let Some(name) = self.header_name(&key.name, key.span) else { continue };
            if headers.iter().any(|(other, _)| *other == name) {
                let mistake = self.mistake(key.span, format!("`{}` is there twice", key.name));
                self.push(mistake.label("again here").help("case does not count in a header"));
                continue;
            }
            if let Some(text) = self.constant_or_template(value, &key.name) {
                headers.push((name, text));
            }
        }
        headers
    }

    fn header_name(&mut self, name: &str, span: crate::source::Span) -> Option<HeaderName> {
        match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) if OWN.contains(&name) => {
                let mistake = self.mistake(span, format!("`{name}` is set by the request itself"));
                self.push(mistake.help("leave it out"));
                None
            }
            Ok(name) => Some(name),
            Err(_) => {
                let mistake = self.mistake(span, format!("`{name}` cannot name a header"));
                self.push(mistake.help("names are made of letters, digits and `-`"));
                None
            }
        }
    }

    /// Parses `{bearer: …}` or `{basic: {user: …, password: …}}`.
    fn auth(&mut self, node: &Node) -> Option<Auth> {
        let mut fields = Fields::of(self, node, "`auth`")?;
        let bearer = fields.take("bearer");
        let basic = fields.take("basic");
        fields.finish(self);
        match (bearer, basic) {
            (Some((_, node)), None) => {
                self.template(node, "bearer", Flavour::Plain).map(Auth::Bearer)
            }
            (None, Some((_, node))) => {
                let mut fields = Fields::of(self, node, "`basic`")?;
                let help = "write `basic: {user: …, password: \"{{ secrets.PASSWORD }}\"}`";
                let user = fields.need(self, "user", help);
                let password = fields.need(self, "password", help);
                fields.finish(self);
                let user = self.template(user?.1, "user", Flavour::Plain);
                let password = self.template(password?.1, "password", Flavour::Plain);
                Some(Auth::Basic { user: user?, password: password? })
            }
            (None, None) => {
                let mistake = self.mistake(node.span, "`auth` is either `bearer` or `basic`");
                self.push(mistake.help("write `auth: {bearer: \"{{ secrets.API_KEY }}\"}`"));
                None
            }
            (Some(_), Some((key, _))) => {
                let mistake = self.mistake(key.span, "`auth` is either `bearer` or `basic`");
                self.push(mistake.label("both").help("keep one of them"));
                None
            }
        }
    }

    fn http_body(
        &mut self,
        fields: &mut Fields<'_>,
        method: &Method,
        is_method_written: bool,
    ) -> Option<Body> {
        let [text, json, form] = BODIES.map(|name| fields.take(name));
        let written: Vec<&Key> = [text, json, form].iter().flatten().map(|(key, _)| *key).collect();
        if let [first, second, ..] = written[..] {
            let message =
                format!("a request has one body, not `{}` and `{}`", first.name, second.name);
            let mistake = self.mistake(second.span, message).label("another body");
            self.push(mistake.also(first.span, "one body"));
        } else if let [only] = written[..]
            && matches!(*method, Method::GET | Method::HEAD)
        {
            let mistake = self.mistake(only.span, format!("a {method} has no body"));
            let help = if is_method_written {
                "choose another `method`, or pass it with `query`"
            } else {
                "add `method: POST`"
            };
            self.push(mistake.help(help));
        }
        if let Some((_, node)) = text {
            return self.template(node, "body", Flavour::Plain).map(Body::Text);
        }
        if let Some((_, node)) = json {
            if let Yaml::Text(text) = &node.value
                && text.contains("{{")
            {
                let mistake = self.mistake(node.span, "`json` is a value, not a template");
                let help = "write a mapping, in which texts that begin with `=` are expressions: \
                            `json: {text: \"= input\"}`; `body` is a template";
                self.push(mistake.help(help));
                return None;
            }
            return self.computed(node).map(Body::Json);
        }
        form.and_then(|(_, node)| self.pairs(node, "form")).map(Body::Form)
    }

    /// Parses `true`, or the name of a header.
    fn key_header(&mut self, node: &Node) -> Option<HeaderName> {
        match &node.value {
            Yaml::Bool(true) => Some(HeaderName::from_static(IDEMPOTENCY_KEY)),
            Yaml::Bool(false) => None,
            Yaml::Text(name) => self.header_name(name, node.span),
            _ => {
                let expected = "`idempotency_key` is true, or the name of a header";
                self.wrong_type(node, expected);
                None
            }
        }
    }
}
