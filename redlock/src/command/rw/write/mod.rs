//! Commands of the writer of a read/write lock.

mod acquire;
mod extend;
mod leave;
mod release;

pub(crate) use self::{
    acquire::AcquireWrite, extend::ExtendWrite, leave::LeaveWrite, release::ReleaseWrite,
};
