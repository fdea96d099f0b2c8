//! Rejections: why a request did not get the handler's response, and the response that it gets.

mod context;
mod grpc;
mod page;
mod problem;
mod reason;
mod rejection;

pub(crate) use self::{
    context::RejectContext,
    grpc::{is_grpc, status_failed},
    problem::response,
};
pub use self::{
    reason::Reason,
    rejection::{BusyStatus, Rejection},
};
