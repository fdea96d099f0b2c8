//! The response in place of the handler's.

use super::{ResponseBody, policy::Policy};
use crate::reject::{self, Reason, RejectContext, Rejection};
use http::Response;

impl Policy {
    /// The response in place of the handler's.
    pub(crate) fn reject<B>(
        &self,
        mut rejection: Rejection,
        context: &RejectContext,
    ) -> Response<ResponseBody<B>> {
        rejection.log();
        rejection.describe_at(self.problem_types.as_ref());
        let mut response = match (&self.on_reject, &context.head) {
            (Some(on_reject), Some(head)) => on_reject(&rejection, head).map(ResponseBody::custom),
            _ => reject::response(&rejection, context.grpc).map(ResponseBody::full),
        };
        response.extensions_mut().insert(rejection);
        response
    }

    /// The lock was lost, to a newer request if it was `superseded`.
    pub(super) fn lost<B>(
        &self,
        superseded: bool,
        context: &RejectContext,
    ) -> Response<ResponseBody<B>> {
        let reason = match superseded {
            true => Reason::Superseded,
            false => Reason::Lost,
        };
        self.reject(Rejection::new(reason), context)
    }
}
