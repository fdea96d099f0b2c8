//! Who holds locks, as the nodes report it, and how operators take locks away.

mod ask;
mod force;
mod holder;
mod look;
mod trust;

pub use self::holder::{Holder, PermitHolder, RwLockHolders};
pub(crate) use self::{
    force::{force_release, force_release_permits, force_release_side},
    look::{holder, permit_holders, permits, rw_lock_holders},
    trust::trust_nodes,
};
