use actix_web::{
    Error, body::MessageBody, dev::{ServiceRequest, ServiceResponse}, error, middleware::Next, web::Data,
};
use redlock::{Redlock, key};

/// Requests of a user run one at a time: `.app_data(Data::new(redlock)).wrap(from_fn(one_at_a_time))`.
pub async fn one_at_a_time(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let user = request.headers().get("x-user-id").and_then(|user| user.to_str().ok());
    let (Some(user), Some(redlock)) = (user, request.app_data::<Data<Redlock>>()) else {
        return next.call(request).await; // nobody's request: without a lock
    };
    let lock = redlock.lock(format!("orders:{}", key::part(user))).no_wait();
    match lock.run(async |_| next.call(request).await).await {
        Ok(response) => response,
        Err(busy) if busy.is_busy() => Err(error::ErrorConflict("a request of this user is running")),
        Err(_) => Err(error::ErrorServiceUnavailable("there is no lock, or it was lost")),
    }
}
