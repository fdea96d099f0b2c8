//! Commands of the readers of a read/write lock.

mod acquire;
mod extend;
mod release;

pub(crate) use self::{acquire::AcquireRead, extend::ExtendRead, release::ReleaseRead};
