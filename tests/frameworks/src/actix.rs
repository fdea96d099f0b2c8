//! actix-web has services of its own, so the lock is a middleware.

pub use self::middleware::one_at_a_time;

#[rustfmt::skip]
mod middleware;

#[cfg(test)]
mod tests {
    use super::one_at_a_time;
    use crate::{Work, connect, within};
    use actix_web::{
        App, HttpResponse,
        middleware::from_fn,
        test::{TestRequest, init_service, try_call_service},
        web::{Data, post},
    };

    #[actix_web::test]
    async fn a_duplicate_is_rejected() {
        let work = Work::default();
        let order = {
            let work = work.clone();
            move || {
                let work = work.clone();
                async move {
                    work.run().await;
                    HttpResponse::Created()
                }
            }
        };
        let app = App::new()
            .app_data(Data::new(connect().await))
            .wrap(from_fn(one_at_a_time))
            .route("/orders", post().to(order));
        let app = init_service(app).await;
        let send = async |user: &str| {
            let request = TestRequest::post().uri("/orders");
            let request = request.insert_header(("x-user-id", user)).to_request();
            match try_call_service(&app, request).await {
                Ok(response) => response.status().as_u16(),
                Err(error) => error.as_response_error().status_code().as_u16(),
            }
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
