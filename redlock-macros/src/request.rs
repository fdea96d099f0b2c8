//! The first half of the expansion: the key and the options, each evaluated by a statement of its own, so that what one
//! of them borrows is gone before the next one awaits.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Ident;
use syn::spanned::Spanned as _;

use crate::attr::{Args, OnLost};
use crate::function::{Core, Function};
use crate::params::Params;
use crate::returns;
use crate::tokens::{here, local, rename_self};

/// `let mut key = ...; let mut call = Call::new(...); call.on(...);` and what is evaluated for later.
pub(crate) fn statements(
    args: &Args,
    function: &Function,
    core: &Core,
    krate: &TokenStream,
) -> Option<TokenStream> {
    let (key, call) = (local("key"), local("call"));
    let name = function.sig.ident.to_string();
    let params = Params::of(&function.sig);
    let fill = args.key.as_ref()?.statements(&key, &params, krate);
    let ttl = args.ttl.as_ref()?;
    let options = options(args, &call, krate);
    let mutable = (!options.is_empty()).then(|| quote!(mut));
    let window = args.dedupe_for.as_ref().map(|window| {
        let name = local("window");
        quote!(let #name: ::core::time::Duration = #window;)
    });
    let on_error = returns::on_error(args, core, krate);
    let tokens = quote! {
        let mut #key = #krate::__private::Key::new();
        #fill
        let #mutable #call = #krate::__private::Call::new(#name, #key, #ttl);
        #options
        #window
        #on_error
    };
    Some(match &core.receiver {
        Some(receiver) => rename_self(tokens, receiver),
        None => tokens,
    })
}

/// `call.on(&(lock));` and so on.
fn options(args: &Args, call: &Ident, krate: &TokenStream) -> TokenStream {
    let mut statements = TokenStream::new();
    let mut option = |tokens: TokenStream| statements.extend(tokens);
    if let Some(lock) = &args.lock {
        option(quote_spanned!(here(lock.span())=> #call.on(&(#lock));));
    }
    if let Some(fire) = &args.fire {
        let span = here(fire.span());
        let value = Ident::new("value", Span::mixed_site().located_at(fire.span()));
        let name = local("firing");
        option(quote_spanned! {span=> let #name = match &(#fire) {
            #value => {
                #[allow(unused_imports)]
                use #krate::__private::{
                    FiringSince as _, FiringSinceRef as _, FiringText as _, FiringTime as _, FiringTimeRef as _,
                };
                (&&&&&#krate::__private::Firing(#value)).__redlock_firing()
            }
        };});
        option(quote!(#call.fire(#name);));
    }
    if args.no_wait || (args.skip_busy && args.wait.is_none() && args.fire.is_none()) {
        option(quote!(#call.no_wait();));
    }
    for (name, time) in [
        ("wait", &args.wait),
        ("at_least", &args.at_least),
        ("max_hold", &args.max_hold),
    ] {
        if let Some(time) = time {
            let name = Ident::new(name, Span::call_site());
            option(quote!(#call.#name(#time);));
        }
    }
    if args.keep_alive == Some(false) {
        option(quote!(#call.no_renewal();));
    }
    if args.on_lost == OnLost::Signal {
        option(quote!(#call.signal_lost();));
    }
    if args.reentrant {
        option(quote!(#call.reentrant();));
    }
    if let Some(condition) = &args.condition {
        option(quote_spanned!(here(condition.span())=> #call.only_if(#condition);));
    }
    if args.fail_open {
        option(quote!(#call.fail_open();));
    }
    statements
}
