//! The commands that were in flight on a lost connection.

use super::{
    in_flight::{InFlight, dropped},
    shared::Shared,
};

/// The commands that were in flight on a lost connection. When it is dropped, for example by a
/// runtime that ends or by a panic, releases are deferred.
pub(super) struct Unanswered<'a> {
    pub(super) shared: &'a Shared,
    pub(super) in_flight: InFlight,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let fault = dropped();
        for lost in self.in_flight.drain() {
            self.shared.lost(&lost.op, &fault);
        }
    }
}
