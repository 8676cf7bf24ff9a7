//! Generates a tool from a function.

use crate::argument::{self, Argument, ArgumentDefault, ModelArgument};
use crate::settings::{self, ToolSettings};
use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, Ident, ItemFn, Lit, LitStr, Meta, Path, ReturnType,
    Safety,
};

pub(crate) fn expand(settings: TokenStream, item: &TokenStream) -> TokenStream {
    let (settings, mut mistakes) = settings::read(settings);
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        let message = "`#[tool]` needs a function; for your own type, implement `Tool`";
        let mistake = Error::new_spanned(item, message).into_compile_error();
        return quote!(#mistake #item);
    };
    let tool = ToolItem::read(function, settings, &mut mistakes);
    let Some(all) = mistakes.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    }) else {
        return tool.written();
    };
    let (all, stand_in) = (all.into_compile_error(), tool.stand_in());
    quote!(#all #stand_in)
}

struct ToolItem {
    function: ItemFn,
    arguments: Vec<Argument>,
    name: String,
    description: String,
    confirmed: bool,
    effect: Option<Ident>,
    on_interrupted: Option<Ident>,
    home: Path,
}

impl ToolItem {
    fn read(mut function: ItemFn, settings: ToolSettings, mistakes: &mut Vec<Error>) -> Self {
        form_mistakes(&function, mistakes);
        let ident = function.sig.ident.unraw();
        let name = settings.name.as_ref().map_or_else(|| ident.to_string(), LitStr::value);
        let named_at = settings.name.as_ref().map_or_else(|| ident.span(), LitStr::span);
        mistakes.extend(settings::name_mistake(&name, named_at));
        let description = match &settings.description {
            Some(text) => text.value(),
            None => comment(&function.attrs),
        };
        if description.trim().is_empty() {
            let message = "a tool needs a description for the model; write a comment with `///` \
                           above it, or `#[tool(description = \"…\")]`";
            mistakes.push(Error::new(function.sig.ident.span(), message));
        }
        let arguments = argument::read(function.sig.inputs.iter_mut(), mistakes);
        let ToolSettings { confirmed, effect, on_interrupted, home, .. } = settings;
        Self { function, arguments, name, description, confirmed, effect, on_interrupted, home }
    }

    fn given(&self) -> impl Iterator<Item = &ModelArgument> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::FromModel(given) => Some(&**given),
            Argument::Context(_) => None,
        })
    }

    /// Generates the type, the function as its `run`, and the implementation of `Tool`.
    fn written(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, block, .. } = &self.function;
        // Attributes about the item go to the type, the others to the function.
        let about_item = |attribute: &&Attribute| {
            let path = attribute.path();
            path.is_ident("doc") || path.is_ident("deprecated")
        };
        let conditions: Vec<_> = attrs.iter().filter(|a| a.path().is_ident("cfg")).collect();
        let about: Vec<_> = attrs.iter().filter(about_item).collect();
        let others = attrs.iter().filter(|a| !about_item(a) && !a.path().is_ident("cfg"));
        let (name, asyncness, inputs) = (&sig.ident, &sig.asyncness, &sig.inputs);
        let output = &sig.output;
        let as_a_tool = self.as_a_tool();
        quote! {
            #(#conditions)* #(#about)*
            #[allow(non_camel_case_types)]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis struct #name;

            #(#conditions)*
            #[allow(deprecated)]
            impl #name {
                /// Runs the tool's function.
                // Tools are async, even if they never wait.
                #[allow(clippy::unused_async)]
                #(#others)*
                #vis #asyncness fn run(#inputs) #output #block
            }

            #(#conditions)*
            #[allow(deprecated)]
            const _: () = { #as_a_tool };
        }
    }

    fn as_a_tool(&self) -> TokenStream {
        let (name, called, description) = (&self.function.sig.ident, &self.name, &self.description);
        let confirmed = self.confirmed;
        let home = &self.home;
        let private = quote!(#home::__private);
        let effect = self.effect.as_ref().map(|effect| {
            quote! {
                fn effect(&self) -> #private::ToolEffect {
                    #private::ToolEffect::#effect
                }
            }
        });
        let on_interrupted = self.on_interrupted.as_ref().map(|policy| {
            quote! {
                fn on_interrupted(&self) -> ::core::option::Option<#private::OnInterrupted> {
                    ::core::option::Option::Some(#private::OnInterrupted::#policy)
                }
            }
        });
        let serde = quote!(#private::serde).to_string();
        let schemars = quote!(#private::schemars).to_string();
        let (mut fields, mut defaults) = (Vec::new(), Vec::new());
        for given in self.given() {
            let ModelArgument { name, of, comments, .. } = given;
            let default = default_of(given);
            let setting = default.as_ref().map(|(path, _)| quote!(#[serde(default = #path)]));
            defaults.extend(default.map(|(_, function)| function));
            fields.push(quote!(#(#comments)* #setting #name: #of));
        }
        let values = self.arguments.iter().map(|argument| match argument {
            Argument::Context(of) => quote_spanned! {of.span()=>
                match <#of as #private::FromContext>::from_context(&__cx) {
                    ::core::result::Result::Ok(given) => given,
                    ::core::result::Result::Err(error) => {
                        return ::core::result::Result::Err(#private::ToolError::Fatal(error));
                    }
                }
            },
            Argument::FromModel(given) => {
                let name = &given.name;
                quote!(__arguments.#name)
            }
        });
        let call = quote!(#name::run(#(#values),*));
        let done = match self.function.sig.asyncness {
            Some(_) => quote!(#call.await),
            None => call,
        };
        // Report a return type that is no `ToolReply` at the type itself.
        let output = match &self.function.sig.output {
            ReturnType::Type(_, of) => of.span(),
            ReturnType::Default => name.span(),
        };
        let there = home.to_token_stream().into_iter().map(|mut token| {
            token.set_span(output);
            token
        });
        let there: TokenStream = there.collect();
        let told = quote_spanned!(output=> #there::__private::ToolReply::into_text(__done));
        quote! {
            #[derive(#private::serde::Deserialize, #private::schemars::JsonSchema)]
            #[serde(crate = #serde, deny_unknown_fields)]
            #[schemars(crate = #schemars)]
            struct __Arguments { #(#fields),* }

            #(#defaults)*

            fn __tool() -> &'static #private::FunctionTool {
                static TOOL: ::std::sync::OnceLock<#private::FunctionTool> =
                    ::std::sync::OnceLock::new();
                TOOL.get_or_init(|| {
                    #private::FunctionTool::new(
                        #called,
                        #description,
                        |__arguments: __Arguments, __cx: #private::StepContext| async move {
                            let _ = (&__arguments, &__cx);
                            let __done = #done;
                            #told
                        },
                    )
                })
            }

            impl #private::Tool for #name {
                fn spec(&self) -> &#private::ToolSpec {
                    #private::Tool::spec(__tool())
                }
                fn call(
                    &self,
                    arguments: #private::Value,
                    cx: #private::StepContext,
                ) -> #private::ToolFuture<'_> {
                    #private::Tool::call(__tool(), arguments, cx)
                }
                fn requires_confirmation(&self) -> bool {
                    #confirmed
                }
                #effect
                #on_interrupted
            }
        }
    }

    /// Generates a placeholder for an invalid tool, so that only its own mistakes are reported.
    fn stand_in(&self) -> TokenStream {
        let ItemFn { vis, sig, .. } = &self.function;
        if sig.inputs.iter().any(|input| matches!(input, FnArg::Receiver(_))) {
            return TokenStream::new();
        }
        let (name, home) = (&sig.ident, &self.home);
        let private = quote!(#home::__private);
        quote! {
            #[allow(missing_docs, non_camel_case_types)]
            #[derive(::core::clone::Clone, ::core::marker::Copy, ::core::fmt::Debug)]
            #vis struct #name;

            impl #private::Tool for #name {
                fn spec(&self) -> &#private::ToolSpec {
                    ::core::unreachable!()
                }
                fn call(
                    &self,
                    _: #private::Value,
                    _: #private::StepContext,
                ) -> #private::ToolFuture<'_> {
                    ::core::unreachable!()
                }
            }
        }
    }
}

/// Reports what a tool function cannot have.
fn form_mistakes(function: &ItemFn, mistakes: &mut Vec<Error>) {
    let sig = &function.sig;
    let generics = &sig.generics;
    if !generics.params.is_empty() {
        let message = "a tool cannot be generic; name the types, and own values instead of \
                       borrowing them";
        mistakes.push(Error::new_spanned(generics, message));
    }
    if let Some(bounds) = &generics.where_clause {
        mistakes.push(Error::new_spanned(bounds, "a tool cannot be generic; remove `where`"));
    }
    let words = [
        sig.constness.map(|word| word.span()),
        sig.abi.as_ref().map(Spanned::span),
        sig.variadic.as_ref().map(Spanned::span),
        match &sig.safety {
            Safety::Unsafe(word) => Some(word.span()),
            _ => None,
        },
    ];
    for at in words.into_iter().flatten() {
        mistakes.push(Error::new(at, "a tool must be a plain `async fn` or `fn`; remove this"));
    }
}

/// Returns the doc comment of an item, without the leading space of its lines.
fn comment(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines
        .flat_map(|text| text.split('\n').map(ToOwned::to_owned).collect::<Vec<_>>())
        .map(|line| line.strip_prefix(' ').unwrap_or(&line).trim_end().to_owned())
        .collect();
    lines.join("\n").trim().to_owned()
}

/// Generates the function that returns an argument's default. Returns its name with it.
fn default_of(given: &ModelArgument) -> Option<(String, TokenStream)> {
    let (of, path) = (&given.of, format_ident!("__default_{}", given.bare_name()));
    let value = match given.default.as_ref()? {
        ArgumentDefault::OfType => quote!(::core::default::Default::default()),
        ArgumentDefault::Value(value) => quote!(#value),
    };
    Some((path.to_string(), quote!(fn #path() -> #of { #value })))
}
