//! The values of options: a time, an expression, a flag, a word, a name, a path.

use std::time::Duration;

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::spanned::Spanned as _;
use syn::{Expr, Ident, Lit, LitBool, LitStr, Path, Token};

use super::{duration, suggest};

/// The value of an option.
pub(crate) trait Value {
    /// Whether the option has an effect: `no_wait = false` has none.
    fn is_on(&self) -> bool {
        true
    }
}

impl Value for bool {
    fn is_on(&self) -> bool {
        *self
    }
}

impl Value for Expr {}
impl Value for Ident {}
impl Value for OnBusy {}
impl Value for OnLost {}

impl Value for OnCrash {
    fn is_on(&self) -> bool {
        *self == Self::Rerun
    }
}

impl Value for Path {}
impl Value for Time {}

/// Whether an option was given and has an effect.
pub(crate) fn is_on(option: &Option<impl Value>) -> bool {
    option.as_ref().is_some_and(Value::is_on)
}

/// `on_busy = ...`
pub(crate) enum OnBusy {
    Skip,
}

impl OnBusy {
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let hint =
            "to return the error, leave `on_busy` out; to wait for the lock, write `wait = \"2s\"`";
        parse_word(name, input, &["skip"], hint).map(|_| Self::Skip)
    }
}

/// `on_lost = ...`
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnLost {
    Cancel,
    Signal,
}

impl OnLost {
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let hint = "with `signal` the body continues and has to look at its guard";
        match parse_word(name, input, &["cancel", "signal"], hint)? {
            0 => Ok(Self::Cancel),
            _ => Ok(Self::Signal),
        }
    }
}

/// `on_crash = ...`
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCrash {
    Skip,
    Rerun,
}

impl OnCrash {
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let hint = "with `rerun` a firing whose replica crashed is run again";
        match parse_word(name, input, &["skip", "rerun"], hint)? {
            0 => Ok(Self::Skip),
            _ => Ok(Self::Rerun),
        }
    }
}

/// A length of time: a literal, which is checked during compilation, or an expression of type `Duration`.
pub(crate) enum Time {
    Literal(Duration, Span),
    Expr(Expr),
}

impl Time {
    pub(super) fn parse(name: &Ident, input: ParseStream<'_>) -> syn::Result<Self> {
        let literal = match parse_expr(name, input)? {
            Expr::Lit(literal) => literal,
            other => return Ok(Self::Expr(other)),
        };
        let span = literal.span();
        let parsed = match &literal.lit {
            Lit::Str(text) => duration::parse(&text.value()),
            Lit::Int(number) if number.suffix().is_empty() => {
                let digits = number.base10_digits();
                Err(format!(
                    "a time needs a unit; write \"{digits}s\" or \"{digits}ms\""
                ))
            }
            Lit::Int(number) => Err(without_quotes(&number.to_string())),
            Lit::Float(number) => Err(without_quotes(&number.to_string())),
            _ => Err("expected a time such as \"10s\", or a `Duration`".into()),
        };
        parsed
            .map(|length| Self::Literal(length, span))
            .map_err(|message| syn::Error::new(span, message))
    }

    pub(super) fn not_zero(self, message: &str) -> syn::Result<Self> {
        self.accept(|length| !length.is_zero(), message)
    }

    pub(super) fn not_below(self, least: Duration, message: &str) -> syn::Result<Self> {
        self.accept(|length| length >= least, message)
    }

    pub(super) fn at_most_a_year(self, name: &Ident) -> syn::Result<Self> {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
        let message = format!("`{name}` must be at most 365 days");
        self.accept(|length| length <= YEAR, &message)
    }

    /// Checks a literal; a client checks the value of an expression when the function is called.
    fn accept(self, accepts: impl Fn(Duration) -> bool, message: &str) -> syn::Result<Self> {
        match self {
            Self::Literal(length, span) if !accepts(length) => Err(syn::Error::new(span, message)),
            accepted => Ok(accepted),
        }
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
                // Parsed from whole milliseconds in a u64, so nothing is truncated.
                let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
                let millis = Literal::u64_unsuffixed(millis);
                quote!(::core::time::Duration::from_millis(#millis))
            }
        });
    }
}

/// `5m` without its quotes.
fn without_quotes(text: &str) -> String {
    match duration::parse(text) {
        Ok(_) => format!("a time is written in quotes: \"{text}\""),
        Err(message) => format!("a time is written in quotes, and {message}"),
    }
}

/// `= expression`
pub(super) fn parse_expr(name: &Ident, input: ParseStream<'_>) -> syn::Result<Expr> {
    let missing = format!("`{name}` needs a value: `{name} = ...`");
    parse_equals(name, input, &missing)?;
    let mut expr = input.parse()?;
    // `macro_rules!` leaves invisible brackets around what it substitutes.
    while let Expr::Group(group) = expr {
        expr = *group.expr;
    }
    Ok(expr)
}

/// Nothing, `= true` or `= false`
pub(super) fn parse_flag(_: &Ident, input: ParseStream<'_>) -> syn::Result<bool> {
    if !input.peek(Token![=]) {
        return Ok(true);
    }
    input.parse::<Token![=]>()?;
    input
        .parse::<LitBool>()
        .map(|value| value.value)
        .map_err(|error| syn::Error::new(error.span(), "expected `true` or `false`"))
}

/// `= name`, the name of a variable.
pub(super) fn parse_guard(name: &Ident, input: ParseStream<'_>) -> syn::Result<Ident> {
    let expected = format!("`{name}` takes the name of the held lock in the body: `{name} = lock`");
    parse_equals(name, input, &expected)?;
    input
        .parse()
        .map_err(|error| syn::Error::new(error.span(), expected))
}

/// `= path`, without quotes.
pub(super) fn parse_path(name: &Ident, input: ParseStream<'_>) -> syn::Result<Path> {
    let missing = format!("`{name}` takes the path of redlock: `{name} = my_crate::redlock`");
    parse_equals(name, input, &missing)?;
    if let Ok(text) = input.fork().parse::<LitStr>() {
        let message = format!(
            "a path is written without quotes: `{name} = {}`",
            text.value()
        );
        return Err(syn::Error::new(text.span(), message));
    }
    input.call(Path::parse_mod_style)
}

/// `= word`, one of those allowed; returns its position.
fn parse_word(
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
        let forms = suggest::list(forms.iter().map(String::as_str), "or");
        format!("expected {forms}; {hint}")
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

/// The `=` between an option and its value. `missing` is the error if both are missing.
fn parse_equals(name: &Ident, input: ParseStream<'_>, missing: &str) -> syn::Result<()> {
    if input.peek(Token![=]) && !input.peek(Token![==]) {
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            let message = format!("`{name}` needs a value after the `=`");
            return Err(syn::Error::new(name.span(), message));
        }
        return Ok(());
    }
    if input.is_empty() || input.peek(Token![,]) {
        return Err(syn::Error::new(name.span(), missing));
    }
    // `name: value`, `name == value`, `name(value)`, `name value`
    Err(input.error(format!("expected `=`: an option is written `{name} = ...`")))
}
