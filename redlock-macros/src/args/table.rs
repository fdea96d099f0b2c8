//! Turns the table in `options.rs` into the parser, the documentation and the request of the attribute.

/// Every row has every part; a row that lacks one does not compile.
macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $field:ident, $name:literal: $value:ty {
            written: $written:literal,
            default: $default:literal,
            elsewhere: [$($elsewhere:literal),*],
            parse: $parse:expr,
            excludes: [$($other:ident => $reason:literal),*],
            statement: $statement:expr,
        }
    )*) => {
        /// The options that were given.
        #[derive(Default)]
        pub(crate) struct Options {
            $($(#[doc = $doc])+ pub(crate) $field: Option<$value>,)*
        }

        impl Options {
            pub(crate) const NAMES: &[&str] = &[$($name),*];

            /// Names of options in other libraries, and in earlier versions of this one, with ours.
            const ELSEWHERE: &[(&str, &str)] = &[$($(($elsewhere, $name),)*)*];

            /// Parses what follows the name of an option.
            pub(crate) fn parse(&mut self, name: &Ident, input: ParseStream<'_>) -> syn::Result<()> {
                match name.to_string().as_str() {
                    $($name => {
                        let parse: fn(&Ident, ParseStream<'_>) -> syn::Result<$value> = $parse;
                        self.$field = Some(parse(name, input)?);
                    })*
                    _ => return Err(syn::Error::new(name.span(), "unknown option")),
                }
                Ok(())
            }

            /// Pairs of options that were given and exclude each other: the name of one, and the reason.
            pub(crate) fn exclusions(&self) -> Vec<(&'static str, &'static str)> {
                let mut found = Vec::new();
                $($(
                    if is_on(&self.$field) && is_on(&self.$other) {
                        found.push(($name, $reason));
                    }
                )*)*
                found
            }

            /// The statements that set the options on `call`, in the order of the table.
            pub(crate) fn statements(&self, call: &Ident, krate: &TokenStream) -> TokenStream {
                let dated = self.catch_up.is_some();
                let target = Target { call, krate, dated };
                let mut statements = TokenStream::new();
                $(if let Some(value) = &self.$field {
                    let statement: fn(&$value, &Target<'_>) -> TokenStream = $statement;
                    statements.extend(statement(value, &target));
                })*
                statements
            }
        }

        /// The table of the options in the documentation of the attribute.
        macro_rules! options_table {
            () => { concat!(
                "\n| option | default | |\n|---|---|---|\n",
                $("| `", $written, "` | ", $default, " |", $($doc,)+ " |\n",)*
            ) };
        }
        pub(crate) use options_table;
    };
}

pub(super) use options;
