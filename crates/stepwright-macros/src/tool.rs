//! From a function to a tool.

use crate::argument::{self, Argument, Default, Given};
use crate::settings::{self, Settings};
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
        let message = "`#[tool]` stands above a function; for a type of your own, implement `Tool`";
        let mistake = Error::new_spanned(item, message).into_compile_error();
        return quote!(#mistake #item);
    };
    let tool = Tool::read(function, settings, &mut mistakes);
    let Some(all) = mistakes.into_iter().reduce(|mut all, next| {
        all.combine(next);
        all
    }) else {
        return tool.written();
    };
    let (all, stand_in) = (all.into_compile_error(), tool.stand_in());
    quote!(#all #stand_in)
}

struct Tool {
    function: ItemFn,
    arguments: Vec<Argument>,
    name: String,
    description: String,
    confirmed: bool,
    effect: Option<Ident>,
    on_interrupted: Option<Ident>,
    home: Path,
}

impl Tool {
    fn read(mut function: ItemFn, settings: Settings, mistakes: &mut Vec<Error>) -> Self {
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
            let message = "a model must know what a tool does and when to use it: write a comment \
                           with `///` above it, or `#[tool(description = \"…\")]`";
            mistakes.push(Error::new(function.sig.ident.span(), message));
        }
        let arguments = argument::read(function.sig.inputs.iter_mut(), mistakes);
        let Settings { confirmed, effect, on_interrupted, home, .. } = settings;
        Self { function, arguments, name, description, confirmed, effect, on_interrupted, home }
    }

    fn given(&self) -> impl Iterator<Item = &Given> {
        self.arguments.iter().filter_map(|argument| match argument {
            Argument::Given(given) => Some(&**given),
            Argument::Context => None,
        })
    }

    /// The tool: its type, the function as `run` of it, and what makes it a tool.
    fn written(&self) -> TokenStream {
        let ItemFn { attrs, vis, sig, block, .. } = &self.function;
        // What is about the item goes with the type, and the rest with what is done.
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
                /// Does what the tool does.
                // A tool is async, whether or not it waits for anything.
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
            let Given { name, of, comments, .. } = given;
            let default = default_of(given);
            let setting = default.as_ref().map(|(path, _)| quote!(#[serde(default = #path)]));
            defaults.extend(default.map(|(_, function)| function));
            fields.push(quote!(#(#comments)* #setting #name: #of));
        }
        let values = self.arguments.iter().map(|argument| match argument {
            Argument::Context => quote!(__cx),
            Argument::Given(given) => {
                let name = &given.name;
                quote!(__arguments.#name)
            }
        });
        let call = quote!(#name::run(#(#values),*));
        let done = match self.function.sig.asyncness {
            Some(_) => quote!(#call.await),
            None => call,
        };
        // What cannot be told to a model is a mistake in the type that the function gives.
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

    /// Stands where the tool would, so that its mistakes are told and not what follows from them.
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

/// What no function can have that becomes a tool.
fn form_mistakes(function: &ItemFn, mistakes: &mut Vec<Error>) {
    let sig = &function.sig;
    let generics = &sig.generics;
    if !generics.params.is_empty() {
        let message = "a model calls one function, and not a generic one; name the types, or own \
                       what has a lifetime";
        mistakes.push(Error::new_spanned(generics, message));
    }
    if let Some(bounds) = &generics.where_clause {
        mistakes.push(Error::new_spanned(bounds, "a tool is not generic, and has no `where`"));
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
        mistakes.push(Error::new(at, "a tool is an `async fn` or a `fn`, and nothing else"));
    }
}

/// The comment on an item, without the blank that most of its lines begin with.
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

/// The function that gives the default of an argument, and its name.
fn default_of(given: &Given) -> Option<(String, TokenStream)> {
    let (of, path) = (&given.of, format_ident!("__default_{}", given.bare_name()));
    let value = match given.default.as_ref()? {
        Default::OfType => quote!(::core::default::Default::default()),
        Default::Value(value) => quote!(#value),
    };
    Some((path.to_string(), quote!(fn #path() -> #of { #value })))
}
