//! The first statements: the key and the options. Each is evaluated in a statement of its own, so that nothing one of them
//! borrows is held while the next one awaits.

use proc_macro2::TokenStream;
use quote::quote;

use super::source::Source;
use super::{failure, key};
use crate::item::Params;
use crate::names::rename_self;
use crate::spans::local;

/// `let mut key = ...; let mut call = Call::new(...); call.on(...);`, and the options that are used later.
pub(super) fn statements(source: &Source<'_>) -> Option<TokenStream> {
    let Source {
        args,
        function,
        body,
        krate,
    } = source;
    let (key, call) = (local("key"), local("call"));
    let name = function.sig.ident.to_string();
    let params = Params::of(function, Some(body));
    let fill = key::statements(args.options.key.as_ref()?, &key, &params, krate);
    let ttl = args.options.ttl.as_ref()?;
    let options = args.options.statements(&call, krate);
    let mutable = (!options.is_empty()).then(|| quote!(mut));
    let window = args.options.dedupe_for.as_ref().map(|window| {
        let name = local("window");
        quote!(let #name: ::core::time::Duration = #window;)
    });
    let on_error = failure::evaluate(source);
    let tokens = quote! {
        let mut #key = #krate::__private::Key::new();
        #fill
        let #mutable #call = #krate::__private::Call::new(#name, #key, #ttl);
        #options
        #window
        #on_error
    };
    Some(rename_self(tokens, body.receiver.as_ref()))
}
