//! The arguments of the attribute, read by hand so that each mistake gets its own words.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Expr, ExprLit, Ident, Lit, LitBool, LitStr, Path, Token};

use crate::key::Key;
use crate::{duration, peel, suggest};

/// Everything between the parentheses of `#[redlock(...)]`.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) key: Option<Key>,
    pub(crate) ttl: Option<Time>,
    pub(crate) lock: Option<Expr>,
    pub(crate) wait: Option<Time>,
    pub(crate) refuse: bool,
    pub(crate) at_least: Option<Time>,
    pub(crate) dedupe_for: Option<Time>,
    pub(crate) extend: Option<bool>,
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
    /// The options as they were written, for what only their combination gets wrong.
    pub(crate) given: Vec<Ident>,
    /// Options that a mistake stands for: nothing is said to be missing in addition.
    meant: Vec<&'static str>,
}

/// What becomes of the body when the lock is lost.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum OnLost {
    #[default]
    Cancel,
    Signal,
}

/// A length of time: known now, or a `Duration` expression.
pub(crate) enum Time {
    Literal(Duration),
    Expr(Expr),
}

const OPTIONS: [&str; 18] = [
    "key", "ttl", "lock", "wait", "refuse", "at_least", "dedupe_for", "extend", "max_hold", "on_lost",
    "reentrant", "guard", "condition", "fail_open", "on_busy", "on_error", "fire", "crate",
];

/// What the option is called elsewhere, so that who comes from there finds it.
const ELSEWHERE: [(&str, &str); 20] = [
    ("name", "key"),
    ("keys", "key"),
    ("resource", "key"),
    ("expire", "ttl"),
    ("lease_time", "ttl"),
    ("lock_at_most_for", "ttl"),
    ("lock_at_least_for", "at_least"),
    ("acquire_timeout", "wait"),
    ("wait_time", "wait"),
    ("timeout", "wait"),
    ("no_wait", "refuse"),
    ("try_lock", "refuse"),
    ("client", "lock"),
    ("redlock", "lock"),
    ("renew", "extend"),
    ("watchdog", "extend"),
    ("auto_release", "dedupe_for"),
    ("fail_strategy", "on_error"),
    ("skip", "on_busy"),
    ("schedule", "fire"),
];

impl Args {
    /// Reads all that can be read; the error holds every mistake found on the way.
    pub(crate) fn parse(tokens: TokenStream) -> (Self, Result<(), syn::Error>) {
        let mut args = Self::default();
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

    /// One `name`, `name = value` or `key(...)`.
    fn option(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        if input.peek(LitStr) {
            self.meant.push("key");
            return Err(input.error("what is this text? The key is written `key = \"...\"`"));
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected an option such as `key = \"...\"` or `ttl = \"10s\"`"));
        }
        let name = input.call(Ident::parse_any)?;
        let text = name.to_string();
        if !OPTIONS.contains(&text.as_str()) {
            let meant = meant(&text);
            self.meant.extend(meant);
            return Err(unknown(&name, meant));
        }
        if self.given.contains(&name) {
            return Err(syn::Error::new(name.span(), format!("`{text}` is given twice")));
        }
        self.given.push(name.clone());
        match text.as_str() {
            "key" => self.key = Some(Key::parse(input)?),
            "ttl" => self.ttl = Some(Time::parse(&name, input)?),
            "wait" => self.wait = Some(Time::parse(&name, input)?),
            "at_least" => self.at_least = Some(Time::parse(&name, input)?),
            "dedupe_for" => self.dedupe_for = Some(Time::parse(&name, input)?),
            "max_hold" => self.max_hold = Some(Time::parse(&name, input)?),
            "lock" => self.lock = Some(value(&name, input)?),
            "condition" => self.condition = Some(value(&name, input)?),
            "on_error" => self.on_error = Some(value(&name, input)?),
            "fire" => self.fire = Some(value(&name, input)?),
            "refuse" => self.refuse = flag(input)?,
            "reentrant" => self.reentrant = flag(input)?,
            "fail_open" => self.fail_open = flag(input)?,
            "extend" => self.extend = Some(flag(input)?),
            "on_busy" => {
                word(&name, input, &["skip"], "to return the error, leave `on_busy` out; to wait, write `wait = \"2s\"`")?;
                self.skip_busy = true;
            }
            "on_lost" => {
                let words = ["cancel", "signal"];
                let signal = word(&name, input, &words, "`signal` leaves it to the body to look at its guard")? == 1;
                self.on_lost = if signal { OnLost::Signal } else { OnLost::Cancel };
            }
            "guard" => {
                input.parse::<Token![=]>()?;
                self.guard = Some(input.parse().map_err(|error| {
                    syn::Error::new(error.span(), "`guard` takes the name that the held lock has in the body: `guard = lock`")
                })?);
            }
            _ => {
                input.parse::<Token![=]>()?;
                self.krate = Some(input.call(Path::parse_mod_style)?);
            }
        }
        Ok(())
    }

    /// A key and a ttl there must be. One that is only written wrongly has its error already.
    fn require(&self, errors: &mut Errors) {
        let missing = |name: &str| !self.meant.contains(&name) && !self.given.iter().any(|given| given == name);
        if missing("key") {
            errors.push(syn::Error::new(
                Span::call_site(),
                "`key` is missing: what is locked? For example `key = \"order:{order_id}\"`",
            ));
        }
        if missing("ttl") {
            errors.push(syn::Error::new(
                Span::call_site(),
                "`ttl` is missing: how long may the lock outlive a crash? For example `ttl = \"10s\"`; \
                 the lock of a body that runs longer is extended",
            ));
        }
    }

    /// Options that are fine alone, and senseless together.
    fn contradictions(&self) -> syn::Result<()> {
        let on = |name: &str| match name {
            "refuse" => self.refuse,
            "reentrant" => self.reentrant,
            _ => self.given.iter().any(|given| given == name),
        };
        let mut errors = Errors::default();
        let mut clash = |name: &str, with: &str, message: &str| {
            let written = self.given.iter().find(|given| *given == name);
            if let Some(written) = written.filter(|_| on(name) && on(with)) {
                errors.push(syn::Error::new(written.span(), message));
            }
        };
        clash("refuse", "wait", "either `refuse` or `wait`: to refuse is to wait for no time at all");
        clash("wait", "fire", "`fire` does not wait: who holds the firing has it, and no other replica runs it");
        clash("dedupe_for", "fire", "a firing is never repeated; `at_least` says for how long it is remembered");
        for option in ["dedupe_for", "at_least", "fire"] {
            let message = format!(
                "`{option}` and `reentrant` contradict each other: a joined lock belongs to the caller, \
                 and cannot be kept busy from in here"
            );
            clash(option, "reentrant", &message);
        }
        if self.extend == Some(false) {
            clash("max_hold", "max_hold", "`max_hold` bounds the extension; with `extend = false` the lock ends with its `ttl`");
        }
        errors.finish()
    }
}

impl Time {
    fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let literal = match value(name, input)? {
            Expr::Lit(literal) => literal,
            other => return Ok(Self::Expr(other)),
        };
        let length = match &literal {
            ExprLit { lit: Lit::Str(text), .. } => {
                duration::parse(&text.value()).map_err(|message| syn::Error::new(text.span(), message))?
            }
            ExprLit { lit: Lit::Int(number), .. } => {
                let digits = number.base10_digits();
                let message = format!("{digits} of which unit? Write \"{digits}s\" or \"{digits}ms\"");
                return Err(syn::Error::new(number.span(), message));
            }
            other => {
                return Err(syn::Error::new_spanned(other, "expected a duration such as \"10s\", or a `Duration`"));
            }
        };
        if length.is_zero() && name != "wait" {
            return Err(syn::Error::new_spanned(&literal, zero(&name.to_string())));
        }
        Ok(Self::Literal(length))
    }
}

impl ToTokens for Time {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Expr(expr) => expr.to_token_stream(),
            Self::Literal(length) if length.subsec_nanos() == 0 => {
                let seconds = Literal::u64_unsuffixed(length.as_secs());
                quote!(::core::time::Duration::from_secs(#seconds))
            }
            Self::Literal(length) => {
                // Read from whole milliseconds in a u64, so nothing is cut off.
                let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
                let millis = Literal::u64_unsuffixed(millis);
                quote!(::core::time::Duration::from_millis(#millis))
            }
        });
    }
}

fn zero(name: &str) -> String {
    match name {
        "ttl" => "a `ttl` of zero is over before it begins; write for example \"10s\"".into(),
        "max_hold" => "a `max_hold` of zero loses the lock at once; write for example \"5m\"".into(),
        _ => format!("`{name}` of zero does nothing; leave it out"),
    }
}

/// The option that an unknown name stands for: a slip, or a word of another library.
fn meant(text: &str) -> Option<&'static str> {
    let plain = text.replace('_', "").to_lowercase();
    let elsewhere = ELSEWHERE.iter().find(|(other, _)| other.replace('_', "") == plain);
    elsewhere.map(|(_, option)| *option).or_else(|| suggest::nearest(text, OPTIONS))
}

fn unknown(name: &Ident, meant: Option<&str>) -> syn::Error {
    let message = match meant {
        Some("on_busy") => format!("unknown option `{name}`; did you mean `on_busy = skip`?"),
        Some(near) => format!("unknown option `{name}`; did you mean `{near}`?"),
        None => format!("unknown option `{name}`; there are {}", suggest::list(OPTIONS, "and")),
    };
    syn::Error::new(name.span(), message)
}

/// `= expression`
fn value(name: &Ident, input: ParseStream<'_>) -> syn::Result<Expr> {
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value: `{name} = ...`")));
    }
    input.parse::<Token![=]>()?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), format!("`{name}` needs a value after the `=`")));
    }
    input.parse().map(peel)
}

/// Nothing, `= true` or `= false`
fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
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
fn word(name: &Ident, input: ParseStream<'_>, words: &[&str], hint: &str) -> syn::Result<usize> {
    let expected = || {
        let forms: Vec<_> = words.iter().map(|word| format!("{name} = {word}")).collect();
        format!("expected {}; {hint}", suggest::list(forms.iter().map(String::as_str), "or"))
    };
    if !input.peek(Token![=]) {
        return Err(syn::Error::new(name.span(), expected()));
    }
    input.parse::<Token![=]>()?;
    let given: Ident = input.call(Ident::parse_any).map_err(|error| syn::Error::new(error.span(), expected()))?;
    words
        .iter()
        .position(|word| given == word)
        .ok_or_else(|| syn::Error::new(given.span(), expected()))
}

/// After a mistake, reading goes on with the next option.
fn skip_to_comma(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    Ok(())
}

/// All mistakes, as one error.
#[derive(Default)]
pub(crate) struct Errors(Option<syn::Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: syn::Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            none => *none = Some(error),
        }
    }

    pub(crate) fn extend(&mut self, result: syn::Result<()>) {
        if let Err(error) = result {
            self.push(error);
        }
    }

    pub(crate) fn finish(self) -> syn::Result<()> {
        self.0.map_or(Ok(()), Err)
    }
}
