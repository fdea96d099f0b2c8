//! What stands between the lock and the service: nothing, or the replay of first answers.

use super::Policy;
use std::sync::Arc;

/// What a [`RedlockLayer`](crate::RedlockLayer) puts between the lock and the service. Sealed.
pub trait Inside<S>: sealed::Sealed {
    /// The service with it.
    type Service;

    #[doc(hidden)]
    fn wrap(&self, service: S, policy: &Arc<sealed::Shared>) -> Self::Service;
}

/// Nothing: the service stands directly under the lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl<S> Inside<S> for Nothing {
    type Service = S;

    fn wrap(&self, service: S, _: &Arc<sealed::Shared>) -> S {
        service
    }
}

impl sealed::Sealed for Nothing {}

#[allow(unnameable_types)]
pub(crate) mod sealed {
    //! Names of this crate's own in a public signature.

    use super::Policy;

    /// The options, for the layer inside.
    #[derive(Debug)]
    pub struct Shared(pub(crate) Policy);

    pub trait Sealed {
        /// Whether answers are kept. Then a duplicate is refused by default, since it would gain nothing from running
        /// behind the first, and the handler outlives its client.
        const RECORDS: bool = false;
    }
}
