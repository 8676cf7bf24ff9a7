//! The settings in `#[tool(…)]` above a function.

use proc_macro2::{Span, TokenStream};
use syn::parse::Parser as _;
use syn::{Error, Ident, LitStr, Path, meta};

pub(crate) struct ToolSettings {
    pub(crate) name: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    /// `true` if each call needs a confirmation.
    pub(crate) confirmed: bool,
    /// The effect of a call, as a variant of `ToolEffect`.
    pub(crate) effect: Option<Ident>,
    /// The policy for interrupted calls, as a variant of `OnInterrupted`.
    pub(crate) on_interrupted: Option<Ident>,
    /// The path of the Stepwright crate.
    pub(crate) home: Path,
}

impl Default for ToolSettings {
    fn default() -> Self {
        let home = syn::parse_quote!(::stepwright);
        Self {
            name: None,
            description: None,
            confirmed: false,
            effect: None,
            on_interrupted: None,
            home,
        }
    }
}

/// Parses the settings and returns them with the mistakes found.
pub(crate) fn read(tokens: TokenStream) -> (ToolSettings, Vec<Error>) {
    let (mut settings, mut mistakes) = (ToolSettings::default(), Vec::new());
    let parser = meta::parser(|meta| {
        if meta.path.is_ident("name") {
            settings.name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("description") {
            settings.description = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("requires_confirmation") {
            settings.confirmed = true;
        } else if meta.path.is_ident("read_only") || meta.path.is_ident("idempotent") {
            if settings.effect.is_some() {
                let message = "a tool is either `read_only` or `idempotent`; remove one of them";
                return Err(meta.error(message));
            }
            let effect = if meta.path.is_ident("read_only") { "ReadOnly" } else { "Idempotent" };
            settings.effect = Some(Ident::new(effect, Span::call_site()));
        } else if meta.path.is_ident("on_interrupted") {
            let text: LitStr = meta.value()?.parse()?;
            let policy = match text.value().as_str() {
                "retry" => "Retry",
                "fail" => "Fail",
                "ask" => "Ask",
                _ => {
                    let message = "`on_interrupted` must be \"retry\", \"fail\" or \"ask\"";
                    return Err(Error::new(text.span(), message));
                }
            };
            settings.on_interrupted = Some(Ident::new(policy, Span::call_site()));
        } else if meta.path.is_ident("crate") {
            let text: LitStr = meta.value()?.parse()?;
            settings.home = text.parse_with(Path::parse_mod_style)?;
        } else {
            let message = "unknown setting; a tool has `name`, `description`, `on_interrupted` and \
                           `crate`, each with a string, and `requires_confirmation`, `read_only` \
                           and `idempotent`, without a value";
            return Err(meta.error(message));
        }
        Ok(())
    });
    mistakes.extend(parser.parse2(tokens).err());
    (settings, mistakes)
}

/// Returns an error for a name that some provider rejects.
pub(crate) fn name_mistake(name: &str, at: Span) -> Option<Error> {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(is_letter);
    let message = "the name of a tool must have 1 to 64 letters, digits, `_` and `-`; set one \
                   with `#[tool(name = \"…\")]`";
    (!is_name).then(|| Error::new(at, message))
}
