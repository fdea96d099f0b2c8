//! poem has endpoints of its own, so the lock is a middleware.

pub use self::middleware::one_at_a_time;

#[rustfmt::skip]
mod middleware;

#[cfg(test)]
mod tests {
    use super::one_at_a_time;
    use crate::{Work, connect, within};
    use poem::{EndpointExt as _, Route, endpoint::make, http::StatusCode, post, test::TestClient};

    #[tokio::test]
    async fn a_duplicate_is_rejected() {
        let (work, redlock) = (Work::default(), connect().await);
        let order = {
            let work = work.clone();
            make(move |_| {
                let work = work.clone();
                async move {
                    work.run().await;
                    StatusCode::CREATED
                }
            })
        };
        let app = Route::new()
            .at("/orders", post(order))
            .around(move |next, request| one_at_a_time(redlock.clone(), next, request));
        let client = TestClient::new(app);
        let send = async |user: &str| {
            let response = client
                .post("/orders")
                .header("x-user-id", user)
                .send()
                .await;
            response.0.status().as_u16()
        };
        let duplicates = async {
            work.begun.notified().await;
            assert_eq!(send("ann").await, 409);
            work.finish.notify_one();
        };
        let both = async { tokio::join!(send("ann"), duplicates) };
        let (first, ()) = within(both).await;
        assert_eq!(first, 201);
        work.finish.notify_one();
        assert_eq!(within(send("ann")).await, 201);
    }
}
