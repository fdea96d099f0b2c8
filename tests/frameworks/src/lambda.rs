//! AWS Lambda: a handler of `lambda_http` is a tower service, so the layer fits.

use crate::{Work, connect, within};
use lambda_http::{
    Body, Error, IntoResponse as _, Request, Response, request::from_str, tower::Layer,
};
use redlock_tower::{RedlockLayer, key};
use tower::{Service, ServiceExt as _, service_fn};

fn event(user: &str) -> Request {
    let event = serde_json::json!({
        "version": "2.0", "routeKey": "$default", "rawPath": "/orders", "rawQueryString": "",
        "headers": { "x-user-id": user }, "isBase64Encoded": false, "body": "item=7",
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "a", "domainPrefix": "a", "requestId": "r",
            "routeKey": "$default", "stage": "$default", "time": "t", "timeEpoch": 1,
            "http": { "method": "POST", "path": "/orders", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "u" },
        },
    });
    from_str(&event.to_string()).unwrap()
}

/// Compiles if `lambda_http::run` accepts the service.
fn runs<S>(service: S)
where
    S: Service<Request, Response: lambda_http::IntoResponse, Error = Error, Future: Send>,
{
    drop(lambda_http::run(service));
}

#[tokio::test]
async fn a_duplicate_is_rejected() {
    let work = Work::default();
    let handler = {
        let work = work.clone();
        service_fn(move |request: Request| {
            let work = work.clone();
            async move {
                work.run().await;
                assert_eq!(request.body().as_ref(), b"item=7");
                Ok::<_, Error>(
                    Response::builder()
                        .status(201)
                        .body(Body::from("ordered"))?,
                )
            }
        })
    };
    let lock = RedlockLayer::new(connect().await, key::header("x-user-id"))
        .namespace("orders")
        .no_wait();
    let service = lock.layer(handler);
    let send = async |user: &str| {
        let response = service.clone().oneshot(event(user)).await.unwrap();
        let response = response.into_response().await;
        (
            response.status().as_u16(),
            String::from_utf8_lossy(response.body()).into_owned(),
        )
    };
    let duplicates = async {
        work.begun.notified().await;
        let (status, body) = send("ann").await;
        assert!(
            status == 409 && body.contains("urn:problem-type:redlock:busy"),
            "{status} {body}"
        );
        work.finish.notify_one();
    };
    let both = async { tokio::join!(send("ann"), duplicates) };
    let (first, ()) = within(both).await;
    assert_eq!(first, (201, "ordered".to_owned()));
    runs(service);
}
