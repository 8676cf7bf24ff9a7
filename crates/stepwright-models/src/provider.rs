//! A provider of models: where it is, and how to get in.

use crate::catalogue::{PROVIDERS, Spec, Wire};
use crate::connection::Connection;
use crate::environment::Environment;
use crate::failure::{Speaker, variables};
use crate::guard::guarded;
use crate::key::Key;
use crate::rig::RigModel;
use crate::secret;
use crate::transport;
use crate::unknown::{UnknownModel, unknown_provider};
use stepwright_core::model::AnyModel;
use stepwright_core::redact::redact;

/// A provider of language models, such as `openai` or `ollama`.
///
/// Settings that are not given here come from the provider's usual environment variables:
/// `OPENAI_API_KEY`, `OPENAI_BASE_URL` and so on. `docs/models.md` lists them. A program that needs
/// no more than that names its models by text: [`model`](crate::model).
///
/// ```
/// use stepwright_core::model::Model as _;
/// use stepwright_models::Provider;
///
/// // Any server that speaks the wire of OpenAI's chat completions; many need no key.
/// let provider = Provider::named("openai-chat")?.base_url("http://localhost:4000/v1");
/// assert_eq!(provider.model("qwen3")?.id(), "openai-chat:qwen3");
/// # Ok::<(), stepwright_models::UnknownModel>(())
/// ```
#[derive(Clone, Debug)]
pub struct Provider {
    spec: &'static Spec,
    environment: Environment,
    base_url: Option<String>,
    proxy: Option<String>,
    key: Option<Key>,
    /// `true` if address and proxy may come from another author: a key from the environment is not
    /// sent there.
    is_untrusted: bool,
}

/// The way to a model.
pub(crate) struct Way {
    /// The model as `provider:model`.
    pub(crate) text: String,
    pub(crate) name: String,
    pub(crate) base_url: String,
    api_version: Option<String>,
    pub(crate) key: Option<Key>,
}

impl Provider {
    /// The provider of this name.
    ///
    /// ```
    /// use stepwright_models::Provider;
    /// let unknown = Provider::named("antropic").unwrap_err();
    /// assert_eq!(unknown.to_string(), "there is no model provider `antropic`");
    /// assert!(unknown.hint().unwrap().starts_with("did you mean `anthropic`?"));
    /// ```
    ///
    /// # Errors
    /// If there is none; the error suggests what was probably meant.
    pub fn named(name: &str) -> Result<Self, UnknownModel> {
        Self::with_environment(name, Environment::process())
    }

    pub(crate) fn with_environment(
        name: &str,
        environment: Environment,
    ) -> Result<Self, UnknownModel> {
        match Spec::named(name.trim()) {
            Some(spec) => Ok(Self {
                spec,
                environment,
                base_url: None,
                proxy: None,
                key: None,
                is_untrusted: false,
            }),
            None => Err(unknown_provider(name.trim(), "", Self::names())),
        }
    }

    /// The names of all providers that are built in.
    pub fn names() -> impl Iterator<Item = &'static str> {
        PROVIDERS.iter().flat_map(|spec| [Some(spec.name), spec.alias]).flatten()
    }

    /// The name of the provider.
    pub fn name(&self) -> &'static str {
        self.spec.name
    }

    /// Says where it is: a gateway, a proxy, a server that speaks the same wire. The address ends
    /// where the provider's own would: `https://api.openai.com/v1`, `http://localhost:11434`. For
    /// Azure it may end in `?api-version=…`.
    #[must_use]
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// Sets the proxy of its requests: `http://proxy.example.org:3128`, with `user:password@` if it
    /// asks for them. Without this, the environment names the proxy: `HTTPS_PROXY`, `HTTP_PROXY`
    /// and `NO_PROXY`.
    ///
    /// ```
    /// use stepwright_models::Provider;
    /// let provider = Provider::named("openai")?.api_key("sk-1").proxy("http://proxy.test:3128");
    /// assert!(provider.model("gpt-5-mini").is_ok());
    /// assert!(provider.proxy("ftp://proxy.test").model("gpt-5-mini").is_err());
    /// # Ok::<(), stepwright_models::UnknownModel>(())
    /// ```
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Says that address and proxy were written by another author, as in a file from elsewhere. A
    /// key from the environment is then sent only to the provider's own address, and to the one in
    /// its variable; through a proxy only over HTTPS. A key from [`Provider::api_key`] is sent.
    ///
    /// ```
    /// use stepwright_models::Provider;
    /// // No key of the environment goes to this server, which may work without one.
    /// let provider = Provider::named("openai-chat")?.base_url("http://localhost:8000/v1");
    /// assert!(provider.untrusted().model("qwen3").is_ok());
    /// # Ok::<(), stepwright_models::UnknownModel>(())
    /// ```
    #[must_use]
    pub fn untrusted(mut self) -> Self {
        self.is_untrusted = true;
        self
    }

    /// Sets the key. It is sent to the provider and is in no log, error or `Debug` output.
    #[must_use]
    pub fn api_key(mut self, key: impl AsRef<str>) -> Self {
        self.key = Some(Key::new(key.as_ref()));
        self
    }

    /// A model of this provider. Nothing is asked of the provider before the model is.
    ///
    /// # Errors
    /// If the key or the address is missing: the error says where they may stand. Whether there is
    /// a model of this name only the provider knows; it says so when the model is asked.
    pub fn model(&self, name: &str) -> Result<AnyModel, UnknownModel> {
        self.rig_model(name).map(|model| AnyModel::new(guarded(model)))
    }

    /// The model, without a guard.
    pub(crate) fn rig_model(&self, name: &str) -> Result<RigModel, UnknownModel> {
        let spec = self.spec;
        let Way { text, name, base_url, api_version, key } = self.way(name)?;
        let speaker =
            Speaker { provider: spec.name, model: name, key_variables: spec.key_variables, key };
        let proxy = self.proxy.as_ref().map(|proxy| proxy.trim().into());
        let connection = Connection { spec, base_url, api_version, proxy, speaker };
        Ok(RigModel::new(text, connection))
    }

    /// Returns the protocol of the provider.
    pub(crate) fn wire(&self) -> Wire {
        self.spec.wire
    }

    /// Returns the way to a model: its address, and the key to send there.
    pub(crate) fn way(&self, name: &str) -> Result<Way, UnknownModel> {
        let spec = self.spec;
        let name = name.trim();
        let text = format!("{}:{name}", spec.name);
        if name.is_empty() {
            return Err(UnknownModel::NoName { provider: spec.name, example: spec.example });
        }
        let (base_url, api_version) = self.address(&text)?;
        let key = self.key(&base_url);
        let key = key.map_err(|reason| UnknownModel::Key { provider: spec.name, reason })?;
        if key.is_none() && spec.needs_key && self.is_own_address(&base_url) {
            return Err(UnknownModel::NoKey { provider: spec.name, variables: spec.key_variables });
        }
        if key.as_ref().is_some_and(|key| !key.expose().bytes().all(|byte| byte.is_ascii_graphic()))
        {
            let reason = "its key has a space, a line break or another character that no key has";
            return Err(UnknownModel::Model { text, reason: reason.to_owned() });
        }
        if let Some(proxy) = self.proxy.as_ref().filter(|proxy| !transport::is_proxy(proxy)) {
            return Err(no_proxy(text, proxy));
        }
        Ok(Way { text, name: name.to_owned(), base_url, api_version, key })
    }

    /// The model that `rest` names, with or without an address: `NAME`, `NAME@http://host:port/v1`.
    pub(crate) fn model_at(mut self, rest: &str) -> Result<AnyModel, UnknownModel> {
        let at = ["@http://", "@https://"].iter().filter_map(|mark| rest.rfind(mark)).max();
        match at {
            None => self.model(rest),
            Some(at) => {
                self.base_url = Some(rest[at + 1..].to_owned());
                self.untrusted().model(&rest[..at])
            }
        }
    }

    /// Returns `true` if its key is available, so that `auto` may choose it.
    pub(crate) fn has_key(&self) -> bool {
        secret::is_set(&self.environment, self.spec.key_variables)
    }

    /// The address, and the version of the interface where it has one.
    fn address(&self, text: &str) -> Result<(String, Option<String>), UnknownModel> {
        let spec = self.spec;
        let said = self.base_url.as_ref().map(|url| url.trim().to_owned());
        let url = said.or_else(|| self.usual_address());
        let Some(mut url) =
            url.or_else(|| Some(spec.base_url.to_owned()).filter(|u| !u.is_empty()))
        else {
            return Err(UnknownModel::Model {
                text: text.to_owned(),
                reason: format!(
                    "where is it? set {}, or say it in code with `Provider::base_url`",
                    variables(spec.base_variables)
                ),
            });
        };
        let mut version = self.environment.first(&["OPENAI_API_VERSION", "AZURE_API_VERSION"]);
        if let Some((address, query)) = url.clone().split_once('?') {
            match query.strip_prefix("api-version=").filter(|_| spec.wire == Wire::Azure) {
                Some(said) => version = Some(said.to_owned()),
                None => return Err(no_address(text, &url)),
            }
            address.clone_into(&mut url);
        }
        let parsed: Option<http::Uri> = url.parse().ok();
        let is_http = parsed.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some_and(|host| !host.is_empty())
        });
        if !is_http {
            return Err(no_address(text, &url));
        }
        let version = version.filter(|_| spec.wire == Wire::Azure);
        Ok((url.trim_end_matches('/').to_owned(), version))
    }

    /// Returns the address in the environment, if one is set.
    fn usual_address(&self) -> Option<String> {
        let url = self.environment.first(self.spec.base_variables)?;
        Some(if self.spec.wire == Wire::Ollama { ollama_address(&url) } else { url })
    }

    /// Returns `true` if this is the provider's own address.
    fn is_own_address(&self, url: &str) -> bool {
        self.spec.wire == Wire::Azure || same_place(url, self.spec.base_url)
    }

    /// The key to send to this address.
    fn key(&self, url: &str) -> Result<Option<Key>, String> {
        if let Some(key) = &self.key {
            return Ok(Some(key.clone()).filter(|key| !key.is_empty()));
        }
        let is_known = || {
            let known = self.usual_address();
            (!self.spec.base_url.is_empty() && same_place(url, self.spec.base_url))
                || known.is_some_and(|known| same_place(url, &known))
        };
        let is_read_by_proxy = self.proxy.is_some() && !url.starts_with("https://");
        let is_trusted =
            !self.is_untrusted || (!is_read_by_proxy && (self.base_url.is_none() || is_known()));
        if !is_trusted {
            return Ok(None);
        }
        let key = secret::first(&self.environment, self.spec.key_variables)?;
        Ok(key.map(|key| Key::new(&key)))
    }
}

fn no_address(text: &str, url: &str) -> UnknownModel {
    UnknownModel::Model {
        text: text.to_owned(),
        reason: format!(
            "`{}` is not the address of a server: write `https://host:port/path`",
            redact(url)
        ),
    }
}

fn no_proxy(text: String, proxy: &str) -> UnknownModel {
    let reason = format!(
        "`{}` is not the address of a proxy: write `http://host:port` or `https://host:port`",
        redact(proxy)
    );
    UnknownModel::Model { text, reason }
}

/// Returns `true` if two addresses belong to one server: the same scheme, host and port.
fn same_place(one: &str, other: &str) -> bool {
    let place = |url: &str| {
        let uri: http::Uri = url.parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some((scheme, uri.host()?.to_lowercase(), port))
    };
    place(one).is_some_and(|one| Some(one) == place(other))
}

/// Returns the address in `OLLAMA_HOST` as Ollama reads it: scheme and port may be missing, and an
/// address that means all interfaces is replaced by one that a client can use.
pub(crate) fn ollama_address(host: &str) -> String {
    let (scheme, rest) = host.split_once("://").unwrap_or(("http", host));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let authority = authority.replace("0.0.0.0", "127.0.0.1");
    let authority =
        if authority.starts_with(':') { format!("localhost{authority}") } else { authority };
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok())
        && !authority.ends_with(']');
    let port = if has_port || host.contains("://") { "" } else { ":11434" };
    format!("{scheme}://{authority}{port}{path}").trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_core::model::Model as _;

    fn provider<const N: usize>(name: &str, variables: [(&'static str, &str); N]) -> Provider {
        Provider::with_environment(name, Environment::of(variables)).unwrap()
    }

    /// Returns the address and the key that a text leads to.
    fn way<const N: usize>(
        text: &str,
        variables: [(&'static str, &str); N],
    ) -> (String, Option<String>) {
        let (name, rest) = text.split_once(':').unwrap();
        let mut provider = provider(name, variables);
        if let Some((_, url)) = rest.split_once('@') {
            provider = provider.base_url(url).untrusted();
        }
        let (url, _) = provider.address(text).unwrap();
        let key = provider.key(&url).unwrap().map(|key| key.expose().to_owned());
        (url, key)
    }

    #[test]
    fn every_provider_is_found_by_its_names() {
        let names: Vec<&str> = Provider::names().collect();
        for name in ["openai", "openai-chat", "anthropic", "google", "gemini", "ollama", "groq"] {
            assert!(names.contains(&name), "{name}");
        }
        for name in ["mistral", "deepseek", "xai", "openrouter", "azure"] {
            assert!(names.contains(&name), "{name}");
        }
        assert_eq!(provider("gemini", []).name(), "google");
    }

    #[test]
    fn keys_and_addresses_come_from_the_environment() {
        let mine = [("OPENAI_API_KEY", " sk-1 "), ("OPENAI_BASE_URL", "https://proxy.test/v1/")];
        assert_eq!(way("openai:m", mine), ("https://proxy.test/v1".into(), Some("sk-1".into())));
        let google = [("GOOGLE_API_KEY", "g-1")];
        let (url, key) = way("google:m", google);
        assert_eq!(
            (url.as_str(), key.as_deref()),
            ("https://generativelanguage.googleapis.com", Some("g-1"),)
        );
        let both = [("GOOGLE_API_KEY", "second"), ("GEMINI_API_KEY", "first")];
        assert_eq!(way("google:m", both).1.as_deref(), Some("first"));
    }

    #[test]
    fn a_key_of_the_environment_does_not_go_to_an_address_in_a_text() {
        let key = [("OPENAI_API_KEY", "sk-1")];
        assert_eq!(way("openai:m@https://elsewhere.test/v1", key).1, None);
        assert_eq!(way("openai:m@http://api.openai.com/v1", key).1, None);
        assert_eq!(way("openai:m@https://api.openai.com/v1", key).1.as_deref(), Some("sk-1"));
        let known = [("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://localhost:4000/v1")];
        assert_eq!(way("openai:m@http://localhost:4000", known).1.as_deref(), Some("sk-1"));
        assert_eq!(way("openai:m@http://localhost:4001", known).1, None);

        let in_code = provider("openai", key).base_url("https://elsewhere.test/v1");
        assert_eq!(in_code.key("https://elsewhere.test/v1"), Ok(Some(Key::new("sk-1"))));
        let by_proxy = provider("openai", key).untrusted().proxy("http://proxy.test");
        assert_eq!(by_proxy.key("https://api.openai.com/v1"), Ok(Some(Key::new("sk-1"))));
        let known = provider("openai", known).untrusted().proxy("http://proxy.test");
        assert_eq!(known.key("http://localhost:4000/v1"), Ok(None));
    }

    #[test]
    fn a_missing_key_says_where_it_may_stand() {
        let error = provider("google", []).model("gemini-2.5-flash").unwrap_err();
        assert_eq!(error.to_string(), "there is no key for provider `google`");
        assert_eq!(
            error.hint().unwrap(),
            "set `GEMINI_API_KEY` or `GOOGLE_API_KEY`, or give it in code: \
             `Provider::named(\"google\")?.api_key(…)`"
        );
    }

    #[test]
    fn a_server_elsewhere_and_ollama_need_no_key() {
        let model = provider("openai-chat", []).model_at("a@b:c@http://localhost:1/v1").unwrap();
        assert_eq!(model.id(), "openai-chat:a@b:c");
        assert_eq!(provider("ollama", []).model("qwen3:4b").unwrap().id(), "ollama:qwen3:4b");
        let home = "m@https://api.openai.com/v1";
        assert!(matches!(
            provider("openai-chat", []).model_at(home),
            Err(UnknownModel::NoKey { provider: "openai-chat", .. })
        ));
    }

    #[test]
    fn a_missing_name_is_told_with_an_example() {
        for rest in ["", "@http://localhost:1/v1"] {
            let error = provider("openai", []).model_at(rest).unwrap_err();
            assert_eq!(error.hint().unwrap(), "write `openai:gpt-5-mini`");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["localhost:4000", "ftp://a.test", "http://", "http://a.test?x=1", "not one"] {
            let error = provider("openai", []).base_url(url).model("m").unwrap_err();
            assert!(error.to_string().contains("not the address of a server"), "{url}: {error}");
        }
    }

    #[test]
    fn azure_needs_to_know_where_it_is_and_may_be_told_its_version() {
        let error = provider("azure", [("AZURE_OPENAI_API_KEY", "k")]).model("mine").unwrap_err();
        assert!(error.to_string().contains("`AZURE_OPENAI_ENDPOINT`"), "{error}");

        let endpoint = [
            ("AZURE_OPENAI_ENDPOINT", "https://me.openai.azure.com/"),
            ("AZURE_OPENAI_API_KEY", "k"),
            ("OPENAI_API_VERSION", "2025-01-01"),
        ];
        let azure = provider("azure", endpoint);
        let home = "https://me.openai.azure.com".to_owned();
        assert_eq!(azure.address("t").unwrap(), (home.clone(), Some("2025-01-01".into())));
        let said = azure.base_url("https://me.openai.azure.com?api-version=2");
        assert_eq!(said.address("t").unwrap(), (home, Some("2".into())));
    }

    #[test]
    fn ollama_hosts_are_read_as_ollama_reads_them() {
        for (host, url) in [
            ("localhost", "http://localhost:11434"),
            ("0.0.0.0:8080", "http://127.0.0.1:8080"),
            (":8080", "http://localhost:8080"),
            ("http://box.test", "http://box.test"),
            ("https://box.test:444/ollama/", "https://box.test:444/ollama"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:8080", "http://[::1]:8080"),
        ] {
            assert_eq!(ollama_address(host), url, "{host}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_not_repeated() {
        let error = provider("openai", []).api_key("sk-1\nsk-2").model("m").unwrap_err();
        assert!(error.to_string().contains("a line break"), "{error}");
        assert!(!format!("{error} {error:?}").contains("sk-"));
    }

    #[test]
    fn nobody_reads_the_key_by_accident() {
        let provider = provider("openai", [("OPENAI_API_KEY", "sk-env")]).api_key("sk-said");
        let shown = format!("{provider:?} {:?}", provider.model("m").unwrap());
        assert!(!shown.contains("sk-"), "{shown}");
    }
}
