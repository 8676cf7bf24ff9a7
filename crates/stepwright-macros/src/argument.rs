//! The arguments of a tool function.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, quote};
use syn::ext::IdentExt as _;
use syn::{
    Attribute, Error, Expr, FnArg, GenericArgument, Pat, PatType, PathArguments, Token, Type,
};

/// An argument, in the order of the function.
pub(crate) enum Argument {
    /// The context of the step, or a value that it has. The model does not see it.
    Context(Box<Type>),
    /// An argument that the model provides.
    FromModel(Box<ModelArgument>),
}

pub(crate) struct ModelArgument {
    pub(crate) name: Ident,
    pub(crate) of: Type,
    pub(crate) comments: Vec<Attribute>,
    pub(crate) default: Option<ArgumentDefault>,
}

pub(crate) enum ArgumentDefault {
    OfType,
    Value(Expr),
}

impl ModelArgument {
    /// Returns the name without `r#`.
    pub(crate) fn bare_name(&self) -> String {
        self.name.unraw().to_string()
    }
}

/// Parses the arguments and removes the attributes that only `#[tool]` understands.
pub(crate) fn read<'a>(
    inputs: impl Iterator<Item = &'a mut FnArg>,
    mistakes: &mut Vec<Error>,
) -> Vec<Argument> {
    let mut arguments = Vec::new();
    for input in inputs {
        let typed = match input {
            FnArg::Typed(typed) => typed,
            FnArg::Receiver(receiver) => {
                let message = "a tool is a function and not a method; take what it needs from a \
                               closure with `FunctionTool::new`, or implement `Tool` for the type";
                mistakes.push(Error::new_spanned(receiver, message));
                continue;
            }
        };
        let before = mistakes.len();
        let context = context(&typed.ty);
        if let Some(context) = context {
            let written_as = |of: &Type| of.to_token_stream().to_string();
            let this = written_as(&typed.ty);
            let twice =
                |other: &Argument| matches!(other, Argument::Context(of) if written_as(of) == this);
            if arguments.iter().any(twice) {
                let message = match context {
                    "State" => "a tool takes one `State` of each type; remove this one",
                    _ => "a tool takes one `StepContext`; remove this one",
                };
                mistakes.push(Error::new_spanned(&*typed, message));
            }
            let (_, default) = own_attributes(typed, mistakes);
            if default.is_some() {
                let message = format!("the `{context}` is always passed and takes no default");
                mistakes.push(Error::new_spanned(&*typed, message));
            }
            arguments.push(Argument::Context(typed.ty.clone()));
            continue;
        }
        let (comments, default) = own_attributes(typed, mistakes);
        let name = match &*typed.pat {
            Pat::Ident(name) if name.subpat.is_none() && name.by_ref.is_none() => {
                Some(name.ident.clone())
            }
            pattern => {
                let message = "models pass arguments by name; write a name here, and destructure \
                               the value inside the function";
                mistakes.push(Error::new_spanned(pattern, message));
                None
            }
        };
        mistakes.extend(type_mistake(&typed.ty));
        if let (Some(name), true) = (name, mistakes.len() == before) {
            let of = (*typed.ty).clone();
            arguments.push(Argument::FromModel(Box::new(ModelArgument {
                name,
                of,
                comments,
                default,
            })));
        }
    }
    arguments
}

/// Returns the name of a type that the context provides: `StepContext`, or `State` of something.
fn context(of: &Type) -> Option<&'static str> {
    let Type::Path(of) = of else { return None };
    let last = of.path.segments.last()?;
    if last.ident == "StepContext" {
        return Some("StepContext");
    }
    let is_state = last.ident == "State"
        && matches!(&last.arguments, PathArguments::AngleBracketed(list) if list.args.len() == 1);
    is_state.then_some("State")
}

/// Takes the comments and the default from an argument and leaves other attributes in place.
fn own_attributes(
    argument: &mut PatType,
    mistakes: &mut Vec<Error>,
) -> (Vec<Attribute>, Option<ArgumentDefault>) {
    let (mut comments, mut default, mut left) = (Vec::new(), None, Vec::new());
    for attribute in argument.attrs.drain(..) {
        if attribute.path().is_ident("doc") {
            comments.push(attribute);
        } else if attribute.path().is_ident("tool") {
            let read = attribute.parse_nested_meta(|meta| {
                if !meta.path.is_ident("default") {
                    return Err(
                        meta.error("unknown setting; an argument of a tool has only `default`")
                    );
                }
                let has_value = meta.input.peek(Token![=]);
                default = Some(if has_value {
                    ArgumentDefault::Value(meta.value()?.parse()?)
                } else {
                    ArgumentDefault::OfType
                });
                Ok(())
            });
            mistakes.extend(read.err());
        } else if ["cfg", "cfg_attr"].iter().any(|name| attribute.path().is_ident(name)) {
            let message = "an argument of a tool cannot have `#[cfg]`; write the function twice, \
                           each with its own `#[cfg]`";
            mistakes.push(Error::new_spanned(attribute, message));
        } else {
            left.push(attribute);
        }
    }
    argument.attrs = left;
    (comments, default)
}

/// Returns an error for a type that no model can provide.
fn type_mistake(of: &Type) -> Option<Error> {
    let message = match of {
        Type::Reference(borrowed) => {
            let owned = match &*borrowed.elem {
                Type::Path(text) if text.path.is_ident("str") => quote!(String),
                Type::Slice(slice) => {
                    let of = &slice.elem;
                    quote!(Vec<#of>)
                }
                other => other.to_token_stream(),
            };
            let owned = written(&owned);
            format!("an argument of a tool cannot be a reference; take `{owned}` instead")
        }
        Type::ImplTrait(_) => "an argument of a tool cannot be `impl …`; name its type".to_owned(),
        Type::Path(path) => {
            let arguments =
                path.path.segments.iter().flat_map(|segment| match &segment.arguments {
                    PathArguments::AngleBracketed(list) => list.args.iter().collect(),
                    _ => Vec::new(),
                });
            return arguments.filter_map(inner_type).find_map(|inner| {
                // A `'static` reference needs no owner.
                type_mistake(inner).filter(|_| !is_static(inner))
            });
        }
        _ => return None,
    };
    Some(Error::new_spanned(of, message))
}

fn inner_type(argument: &GenericArgument) -> Option<&Type> {
    match argument {
        GenericArgument::Type(of) => Some(of),
        _ => None,
    }
}

fn is_static(of: &Type) -> bool {
    let Type::Reference(borrowed) = of else { return false };
    borrowed.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

/// Formats a type as a person writes it: `Vec<u8>` instead of `Vec < u8 >`.
fn written(tokens: &TokenStream) -> String {
    tokens.to_string().replace(" < ", "<").replace(" >", ">").replace(" :: ", "::")
}
