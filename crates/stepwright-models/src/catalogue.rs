//! The providers that are built in: what they are called, where they are, what they can do.

/// A provider.
#[derive(Debug)]
pub(crate) struct Spec {
    /// The name before the `:`.
    pub(crate) name: &'static str,
    pub(crate) alias: Option<&'static str>,
    pub(crate) wire: Wire,
    /// The variables of its key, best first.
    pub(crate) key_variables: &'static [&'static str],
    /// `true` if its own address requires a key.
    pub(crate) needs_key: bool,
    /// The variables of its address, best first.
    pub(crate) base_variables: &'static [&'static str],
    /// The default address. Empty if each account has its own.
    pub(crate) base_url: &'static str,
    /// A model of it, for errors, and what `auto` takes.
    pub(crate) example: &'static str,
    pub(crate) schema: Schema,
}

/// The protocol of a provider, with its peculiarities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    OpenAi,
    OpenAiChat,
    Anthropic,
    Gemini,
    Ollama,
    Groq,
    Mistral,
    DeepSeek,
    Xai,
    OpenRouter,
    Azure,
}

/// The way in which a provider receives the schema of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// As a parameter, and it holds its models to it.
    Always,
    /// As a parameter, but not beside tools, where a parameter would keep the model from calling
    /// them or be refused; then within the instructions.
    WithoutTools,
    /// Within the instructions.
    Told,
}

/// All of them. `auto` asks for their keys in this order.
pub(crate) static PROVIDERS: [Spec; 11] = [
    Spec {
        name: "openai",
        alias: None,
        wire: Wire::OpenAi,
        key_variables: &["OPENAI_API_KEY"],
        needs_key: true,
        base_variables: &["OPENAI_BASE_URL"],
        base_url: "https://api.openai.com/v1",
        example: "gpt-5-mini",
        schema: Schema::Always,
    },
    Spec {
        name: "anthropic",
        alias: None,
        wire: Wire::Anthropic,
        key_variables: &["ANTHROPIC_API_KEY"],
        needs_key: true,
        base_variables: &["ANTHROPIC_BASE_URL"],
        base_url: "https://api.anthropic.com",
        example: "claude-sonnet-5",
        schema: Schema::Always,
    },
    Spec {
        name: "google",
        alias: Some("gemini"),
        wire: Wire::Gemini,
        key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
        needs_key: true,
        base_variables: &["GEMINI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"],
        base_url: "https://generativelanguage.googleapis.com",
        example: "gemini-2.5-flash",
        schema: Schema::WithoutTools,
    },
    Spec {
        name: "mistral",
        alias: None,
        wire: Wire::Mistral,
        key_variables: &["MISTRAL_API_KEY"],
        needs_key: true,
        base_variables: &["MISTRAL_BASE_URL"],
        base_url: "https://api.mistral.ai/v1",
        example: "mistral-medium-latest",
        schema: Schema::Always,
    },
    Spec {
        name: "groq",
        alias: None,
        wire: Wire::Groq,
        key_variables: &["GROQ_API_KEY"],
        needs_key: true,
        base_variables: &["GROQ_BASE_URL"],
        base_url: "https://api.groq.com/openai/v1",
        example: "openai/gpt-oss-120b",
        schema: Schema::WithoutTools,
    },
    Spec {
        name: "deepseek",
        alias: None,
        wire: Wire::DeepSeek,
        key_variables: &["DEEPSEEK_API_KEY"],
        needs_key: true,
        base_variables: &["DEEPSEEK_BASE_URL"],
        base_url: "https://api.deepseek.com",
        example: "deepseek-chat",
        schema: Schema::Told,
    },
    Spec {
        name: "xai",
        alias: None,
        wire: Wire::Xai,
        key_variables: &["XAI_API_KEY"],
        needs_key: true,
        base_variables: &["XAI_BASE_URL"],
        base_url: "https://api.x.ai/v1",
        example: "grok-4",
        schema: Schema::Always,
    },
    Spec {
        name: "openrouter",
        alias: None,
        wire: Wire::OpenRouter,
        key_variables: &["OPENROUTER_API_KEY"],
        needs_key: true,
        base_variables: &["OPENROUTER_BASE_URL"],
        base_url: "https://openrouter.ai/api/v1",
        example: "openrouter/auto",
        schema: Schema::Always,
    },
    Spec {
        name: "ollama",
        alias: None,
        wire: Wire::Ollama,
        key_variables: &["OLLAMA_API_KEY"],
        needs_key: false,
        base_variables: &["OLLAMA_HOST"],
        base_url: "http://localhost:11434",
        example: "llama3.2",
        schema: Schema::WithoutTools,
    },
    Spec {
        name: "openai-chat",
        alias: None,
        wire: Wire::OpenAiChat,
        key_variables: &["OPENAI_API_KEY"],
        needs_key: true,
        base_variables: &["OPENAI_BASE_URL"],
        base_url: "https://api.openai.com/v1",
        example: "gpt-5-mini",
        schema: Schema::Always,
    },
    Spec {
        name: "azure",
        alias: None,
        wire: Wire::Azure,
        key_variables: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
        needs_key: true,
        base_variables: &["AZURE_OPENAI_ENDPOINT", "AZURE_ENDPOINT"],
        base_url: "",
        example: "the-name-of-your-deployment",
        schema: Schema::Always,
    },
];

impl Spec {
    /// The provider of this name or alias.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|spec| spec.name == name || spec.alias == Some(name))
    }
}
