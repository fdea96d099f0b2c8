//! salvo takes layers of tower, once the body of their responses is one that it can share between threads.

pub use self::middleware::one_at_a_time;

#[rustfmt::skip]
mod middleware;

#[cfg(test)]
mod tests {
    use super::one_at_a_time;
    use crate::{Work, connect, within};
    use salvo::{
        Response, Router, Service, async_trait,
        http::StatusCode,
        prelude::{Depot, FlowCtrl, Handler, Request},
        test::{ResponseExt as _, TestClient},
    };

    struct Order(Work);

    #[async_trait]
    impl Handler for Order {
        async fn handle(
            &self,
            _: &mut Request,
            _: &mut Depot,
            response: &mut Response,
            _: &mut FlowCtrl,
        ) {
            self.0.run().await;
            response.status_code(StatusCode::CREATED);
            response.render("ordered");
        }
    }

    #[tokio::test]
    async fn a_duplicate_is_rejected() {
        let work = Work::default();
        let lock = one_at_a_time(connect().await);
        let router = Router::with_path("orders").hoop(lock);
        let service = Service::new(router.post(Order(work.clone())));
        let send = async |user: &str| {
            let request = TestClient::post("http://127.0.0.1/orders");
            let request = request.add_header("x-user-id", user, true);
            let mut response = request.send(&service).await;
            let status = response.status_code.map_or(0, |status| status.as_u16());
            (status, response.take_string().await.unwrap())
        };
        let duplicates = async {
            work.begun.notified().await;
            let (status, text) = send("ann").await;
            assert_eq!(status, 409, "{text}");
            assert!(text.contains("urn:problem-type:redlock:busy"), "{text}");
            work.finish.notify_one();
        };
        let both = async { tokio::join!(send("ann"), duplicates) };
        let (first, ()) = within(both).await;
        assert_eq!(first, (201, "ordered".to_owned()));
        work.finish.notify_one();
        assert_eq!(within(send("ann")).await.0, 201);
    }
}
