//! The types that `lock = expression` accepts.

use std::ops::Deref;

use crate::Redlock;

/// A `Redlock`, or anything that dereferences to one.
#[diagnostic::on_unimplemented(
    message = "`lock` needs a `Redlock`, not `{Self}`",
    label = "not a `Redlock`",
    note = "write an expression of type `Redlock`, or of a type that dereferences to it: `&Redlock`, `Arc<Redlock>`, `State<Redlock>`"
)]
pub trait Handle {
    /// The handle to lock with.
    fn redlock(&self) -> &Redlock;
}

impl Handle for Redlock {
    fn redlock(&self) -> &Redlock {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<T: Deref<Target: Handle> + ?Sized> Handle for T {
    fn redlock(&self) -> &Redlock {
        (**self).redlock()
    }
}
