//! What stands behind an option: a time, an expression, a flag, a word.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, ExprLit, Ident, Lit, LitBool, Token};

use crate::{duration, peel, suggest};

/// A length of time: known now, or a `Duration` expression.
pub(crate) enum Time {
    Literal(Duration, Span),
    Expr(Expr),
}

impl Time {
    pub(crate) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let literal = match value(name, input)? {
            Expr::Lit(literal) => literal,
            other => return Ok(Self::Expr(other)),
        };
        let length = match &literal {
            ExprLit {
                lit: Lit::Str(text),
                ..
            } => duration::parse(&text.value())
                .map_err(|message| syn::Error::new(text.span(), message))?,
            ExprLit {
                lit: Lit::Int(number),
                ..
            } => {
                let message = if number.suffix().is_empty() {
                    let digits = number.base10_digits();
                    format!("{digits} of which unit? Write \"{digits}s\" or \"{digits}ms\"")
                } else {
                    unquoted(&number.to_string())
                };
                return Err(syn::Error::new(number.span(), message));
            }
            ExprLit {
                lit: Lit::Float(number),
                ..
            } => {
                return Err(syn::Error::new(
                    number.span(),
                    unquoted(&number.to_string()),
                ));
            }
            other => {
                return Err(syn::Error::new_spanned(
                    other,
                    "expected a duration such as \"10s\", or a `Duration`",
                ));
            }
        };
        if length.is_zero() && name != "wait" {
            return Err(syn::Error::new_spanned(&literal, zero(&name.to_string())));
        }
        if let Some(message) = beyond(&name.to_string(), length) {
            return Err(syn::Error::new_spanned(&literal, message));
        }
        Ok(Self::Literal(length, literal.span()))
    }
}

impl ToTokens for Time {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Expr(expr) => expr.to_token_stream(),
            Self::Literal(length, _) if length.subsec_nanos() == 0 => {
                let seconds = Literal::u64_unsuffixed(length.as_secs());
                quote!(::core::time::Duration::from_secs(#seconds))
            }
            Self::Literal(length, _) => {
                // Read from whole milliseconds in a u64, so nothing is cut off.
                let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
                let millis = Literal::u64_unsuffixed(millis);
                quote!(::core::time::Duration::from_millis(#millis))
            }
        });
    }
}

/// `5m` without its quotes.
fn unquoted(text: &str) -> String {
    match duration::parse(text) {
        Ok(_) => format!("a time is written in quotes: \"{text}\""),
        Err(message) => format!("a time is written in quotes, and {message}"),
    }
}

/// What no client accepts, whatever its settings.
fn beyond(name: &str, length: Duration) -> Option<String> {
    const LEAST: Duration = Duration::from_millis(10);
    const MOST: Duration = Duration::from_secs(365 * 24 * 3600);
    if name == "ttl" && !length.is_zero() && length < LEAST {
        return Some(format!(
            "a `ttl` of {length:?} is over before the nodes have answered; 10 ms is the least"
        ));
    }
    let keeps = matches!(name, "ttl" | "at_least" | "dedupe_for");
    (keeps && length > MOST).then(|| format!("`{name}` has at most 365 days"))
}

fn zero(name: &str) -> String {
    match name {
        "ttl" => "a `ttl` of zero is over before it begins; write for example \"10s\"".into(),
        "max_hold" => {
            "a `max_hold` of zero loses the lock at once; write for example \"5m\"".into()
        }
        _ => format!("`{name}` of zero does nothing; leave it out"),
    }
}

/// `= expression`
pub(crate) fn value(name: &Ident, input: ParseStream<'_>) -> syn::Result<Expr> {
    equals(
        name,
        input,
        &format!("`{name}` needs a value: `{name} = ...`"),
    )?;
    input.parse().map(peel)
}

/// The `=` between an option and its value. `needs` says what is missing where there is nothing.
pub(crate) fn equals(name: &Ident, input: ParseStream<'_>, needs: &str) -> syn::Result<()> {
    if input.peek(Token![=]) && !input.peek(Token![==]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let message = format!("`{name}` needs a value after the `=`");
            return Err(syn::Error::new(name.span(), message));
        }
        return Ok(());
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), needs));
    }
    // `name: value`, `name == value`, `name(value)`, `name value`
    Err(input.error(format!("expected `=`: an option is written `{name} = ...`")))
}

/// Nothing, `= true` or `= false`
pub(crate) fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    input
        .parse::<LitBool>()
        .map(|value| value.value)
        .map_err(|error| syn::Error::new(error.span(), "expected `true` or `false`"))
}

/// `= one of the words`; gives its position.
pub(crate) fn word(
    name: &Ident,
    input: ParseStream<'_>,
    words: &[&str],
    hint: &str,
) -> syn::Result<usize> {
    let expected = || {
        let forms: Vec<_> = words
            .iter()
            .map(|word| format!("{name} = {word}"))
            .collect();
        format!(
            "expected {}; {hint}",
            suggest::list(forms.iter().map(String::as_str), "or")
        )
    };
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), expected()));
    }
    input.parse::<Token![=]>()?;
    let given: Ident = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), expected()))?;
    words
        .iter()
        .position(|word| given == word)
        .ok_or_else(|| syn::Error::new(given.span(), expected()))
}
