//! The arguments of the attribute, read by hand so that each mistake gets its own words.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, Ident, LitStr, Path, Token};

use crate::captures::names_in;
use crate::errors::Errors;
use crate::key::Key;
use crate::names;
use crate::value::{Time, equals, flag, value, word};

/// Everything between the parentheses of `#[redlock(...)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) key: Option<Key>,
    pub(crate) ttl: Option<Time>,
    pub(crate) lock: Option<Expr>,
    pub(crate) wait: Option<Time>,
    pub(crate) no_wait: bool,
    pub(crate) at_least: Option<Time>,
    pub(crate) dedupe_for: Option<Time>,
    pub(crate) success: Option<Expr>,
    pub(crate) keep_alive: Option<bool>,
    pub(crate) max_hold: Option<Time>,
    pub(crate) on_lost: OnLost,
    pub(crate) reentrant: bool,
    pub(crate) guard: Option<Ident>,
    pub(crate) condition: Option<Expr>,
    pub(crate) fail_open: bool,
    pub(crate) skip_busy: bool,
    pub(crate) on_error: Option<Expr>,
    pub(crate) fire: Option<Expr>,
    pub(crate) krate: Option<Path>,
    /// All of it as it was written, for the names in it.
    tokens: TokenStream,
    /// The options as they were written, for what only their combination gets wrong.
    pub(crate) given: Vec<Ident>,
    /// Options that a mistake stands for: nothing is said to be missing in addition.
    pub(crate) meant: Vec<&'static str>,
}

/// What becomes of the body when the lock is lost.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnLost {
    #[default]
    Cancel,
    Signal,
}

impl Args {
    /// Reads all that can be read; the error holds every mistake found on the way.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Result<(), syn::Error>) {
        let mut args = Self {
            tokens: tokens.clone(),
            ..Self::default()
        };
        let mut errors = Errors::default();
        let parsed = (|input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.option(input) {
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
        })
        .parse2(tokens);
        errors.extend(parsed);
        args.require(&mut errors);
        errors.extend(args.contradictions());
        (args, errors.finish())
    }

    /// All names that the options use.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        names_in(self.tokens.clone(), &mut names);
        names
    }

    /// One `name`, `name = value` or `key(...)`.
    fn option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            self.meant.push("key");
            return Err(input.error("what is this text? The key is written `key = \"...\"`"));
        }
        if !input.peek(Ident::peek_any) {
            return Err(
                input.error("expected an option such as `key = \"...\"` or `ttl = \"10s\"`")
            );
        }
        let name = input.call(Ident::parse_any)?;
        let text = name.to_string();
        if !names::OPTIONS.contains(&text.as_str()) {
            let meant = names::meant(&text);
            self.meant.extend(meant);
            return Err(names::unknown(&name, meant));
        }
        if self.given.contains(&name) {
            return Err(syn::Error::new(
                name.span(),
                format!("`{text}` is given twice"),
            ));
        }
        self.given.push(name.clone());
        match text.as_str() {
            "key" => self.key = Some(Key::parse(&name, input)?),
            "ttl" => self.ttl = Some(Time::parse(&name, input)?),
            "wait" => self.wait = Some(Time::parse(&name, input)?),
            "at_least" => self.at_least = Some(Time::parse(&name, input)?),
            "dedupe_for" => self.dedupe_for = Some(Time::parse(&name, input)?),
            "max_hold" => self.max_hold = Some(Time::parse(&name, input)?),
            "lock" => self.lock = Some(value(&name, input)?),
            "condition" => self.condition = Some(value(&name, input)?),
            "on_error" => self.on_error = Some(value(&name, input)?),
            "success" => self.success = Some(value(&name, input)?),
            "fire" => self.fire = Some(value(&name, input)?),
            "no_wait" => self.no_wait = flag(input)?,
            "reentrant" => self.reentrant = flag(input)?,
            "fail_open" => self.fail_open = flag(input)?,
            "keep_alive" => self.keep_alive = Some(flag(input)?),
            "on_busy" => {
                word(
                    &name,
                    input,
                    &["skip"],
                    "to return the error, leave `on_busy` out; to wait, write `wait = \"2s\"`",
                )?;
                self.skip_busy = true;
            }
            "on_lost" => {
                let words = ["cancel", "signal"];
                let signal = word(
                    &name,
                    input,
                    &words,
                    "`signal` leaves it to the body to look at its guard",
                )? == 1;
                self.on_lost = if signal {
                    OnLost::Signal
                } else {
                    OnLost::Cancel
                };
            }
            "guard" => {
                let needs =
                    "`guard` takes the name that the held lock has in the body: `guard = lock`";
                equals(&name, input, needs)?;
                self.guard = Some(
                    input
                        .parse()
                        .map_err(|error| syn::Error::new(error.span(), needs))?,
                );
            }
            _ => {
                equals(
                    &name,
                    input,
                    "`crate` takes the path to redlock: `crate = my_crate::redlock`",
                )?;
                self.krate = Some(path(input)?);
            }
        }
        Ok(())
    }
}

/// A path, without quotes.
fn path(input: ParseStream<'_>) -> syn::Result<Path> {
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!(
            "a path is written without quotes: `crate = {}`",
            text.value()
        );
        return Err(syn::Error::new(text.span(), message));
    }
    input.call(Path::parse_mod_style)
}

/// After a mistake, reading goes on with the next option.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}
