use http_body_util::BodyExt as _;
use redlock::Redlock;
use redlock_tower::{RedlockLayer, ResponseBody, key};
use salvo::{Handler, http::{ReqBody, ResBody}, hyper::Response, prelude::TowerLayerCompat as _};
use tower::ServiceBuilder;

/// Requests of a user run one at a time: `Router::with_path("orders").hoop(one_at_a_time(redlock)).post(order)`.
pub fn one_at_a_time(redlock: Redlock) -> impl Handler {
    let lock = RedlockLayer::new(redlock, key::header("x-user-id")).namespace("orders").no_wait();
    let layer = ServiceBuilder::new().map_response(|response: Response<_>| response.map(sync)).layer(lock);
    layer.into_inner().compat::<ReqBody>()
}

/// salvo wants a body that is `Sync` and whose error implements `Error`. Trailers are left out.
fn sync(body: ResponseBody<ResBody>) -> ResBody {
    ResBody::stream(body.into_data_stream())
}
