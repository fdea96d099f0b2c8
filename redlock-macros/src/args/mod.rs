//! The arguments of the attribute, parsed by hand, so that each mistake gets an error of its own.

mod duration;
mod key;
mod options;
mod placeholders;
mod suggest;
mod table;
mod template;
mod value;

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Ident, LitStr, Token};

pub(crate) use self::key::Key;
pub(crate) use self::options::{Options, options_table};
pub(crate) use self::suggest::{list, nearest};
pub(crate) use self::template::{Piece, Source, Template};
pub(crate) use self::value::{OnLost, Time, is_on};
use crate::errors::Errors;
use crate::names::names_in;

/// Everything between the parentheses of `#[redlock(...)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) options: Options,
    /// The names of the options, in the order in which they were given.
    given: Vec<Ident>,
    /// Options that were given under a wrong name. They are not reported as missing too.
    misspelt: Vec<&'static str>,
    /// All tokens as they were given.
    tokens: TokenStream,
}

impl Args {
    /// Parses as many options as possible, so that the rest can be checked as well.
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self {
            tokens: tokens.clone(),
            ..Self::default()
        };
        let parser = |input: ParseStream<'_>| args.parse_all(input, errors);
        if let Err(error) = parser.parse2(tokens) {
            errors.push(error);
        }
        args
    }

    /// All names that the options use.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        names_in(self.tokens.clone(), &mut names);
        names
    }

    /// Where an option was given.
    pub(crate) fn given(&self, name: &str) -> Option<&Ident> {
        self.given.iter().find(|given| *given == name)
    }

    /// The place of an option among those that were given.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.given.iter().position(|given| given == name)
    }

    /// Whether an option was given, under its own name or one that was corrected.
    pub(crate) fn attempted(&self, name: &str) -> bool {
        self.given(name).is_some() || self.misspelt.contains(&name)
    }

    fn parse_all(&mut self, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        while !input.is_empty() {
            if let Err(error) = self.parse_option(input) {
                errors.push(error);
                skip_to_comma(input)?;
            }
            if !input.is_empty() && input.parse::<Token![,]>().is_err() {
                errors.push(input.error("expected `,` between two options"));
                if !input.peek(Ident::peek_any) {
                    skip_to_comma(input)?;
                    let _: Option<Token![,]> = input.parse()?;
                }
            }
        }
        Ok(())
    }

    /// One `name`, `name = value` or `key(...)`.
    fn parse_option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            self.misspelt.push("key");
            return Err(input.error("expected a named option; the key is written `key = \"...\"`"));
        }
        if !input.peek(Ident::peek_any) {
            return Err(
                input.error("expected an option such as `key = \"...\"` or `ttl = \"10s\"`")
            );
        }
        let name = input.call(Ident::parse_any)?;
        if self.given(&name.to_string()).is_some() {
            let message = format!("`{name}` is given twice");
            return Err(syn::Error::new(name.span(), message));
        }
        if Options::NAMES.iter().any(|known| name == known) {
            self.given.push(name.clone());
            return self.options.parse(&name, input);
        }
        let meant = Options::meant(&name.to_string());
        self.misspelt.extend(meant);
        Err(unknown(&name, meant))
    }
}

/// Options of a job that a single call cannot have, with the reason and the way without a job.
const OF_JOBS: [(&str, &str); 4] = [
    (
        "overlap",
        "a call knows one firing, and each firing has a lock of its own; or let the body call a second function with a plain key \
         and `on_busy = skip`",
    ),
    (
        "missed",
        "a call knows one firing and not those before it; or call the function for each firing that was missed, with `catch_up`",
    ),
    (
        "jitter",
        "the scheduler that calls the function says when it runs",
    ),
    (
        "retry",
        "a call runs its body once; or repeat the work in the body, under the same lock",
    ),
];

fn unknown(name: &Ident, meant: Option<&str>) -> syn::Error {
    if let Some((option, why)) = OF_JOBS.iter().find(|(option, _)| name == option) {
        let message = format!(
            "`{option}` is an option of a job, `redlock.job(name, schedule).{option}(..)`: {why}"
        );
        return syn::Error::new(name.span(), message);
    }
    let message = match meant {
        Some("on_busy") => format!("unknown option `{name}`; did you mean `on_busy = skip`?"),
        Some(near) => format!("unknown option `{name}`; did you mean `{near}`?"),
        None => format!(
            "unknown option `{name}`; the options are {}",
            list(Options::NAMES.iter().copied(), "and")
        ),
    };
    syn::Error::new(name.span(), message)
}

/// Skips the rest of an option that is wrong.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
