//! Answers in place of the handler's: why, and how they are written.

mod asker;
mod grpc;
mod problem;
mod reason;
mod rejection;

pub(crate) use self::{
    asker::Asker,
    grpc::{is_grpc, status_failed},
    problem::answer,
};
pub use self::{
    reason::Reason,
    rejection::{BusyStatus, Rejection},
};
