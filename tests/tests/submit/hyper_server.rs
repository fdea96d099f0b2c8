//! A hyper server without a framework: the key is in the body of the connection.

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use axum::body::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Collected, Full};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use redlock_tower::{RedlockLayer, RequestBody, key};
use tests::{
    web::{Orders, SOON, redlock},
    within,
};
use tokio::net::TcpListener;
use tower::{Layer as _, service_fn};

use crate::keys::FORM;

/// Serves forms, and responds with the body that the handler received.
async fn serve(orders: &Arc<Orders>) -> SocketAddr {
    let orders = Arc::clone(orders);
    let handler = service_fn(move |request: Request<RequestBody<Incoming>>| {
        let orders = Arc::clone(&orders);
        async move {
            orders.run().await;
            let body = request.into_body().collect().await;
            let body = body.map_or_else(|_| Bytes::new(), Collected::to_bytes);
            Ok::<_, Infallible>(Response::new(Full::new(body)))
        }
    });
    let layer = RedlockLayer::new(redlock().await, key::form("token"))
        .no_wait()
        .max_body(64);
    let service = TowerToHyperService::new(layer.layer(handler));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let connection = Builder::new(TokioExecutor::new());
                let _ = connection
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

/// Sends a body of unknown length in these chunks.
fn post(
    client: &reqwest::Client,
    to: SocketAddr,
    chunks: &[&'static str],
) -> reqwest::RequestBuilder {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok::<_, Infallible>(*chunk))
        .collect();
    client
        .post(format!("http://{to}/orders"))
        .header(FORM.0, FORM.1)
        .body(reqwest::Body::wrap_stream(futures_util::stream::iter(
            chunks,
        )))
}

#[tokio::test]
async fn forms_over_http_1_and_http_2() {
    for client in [
        reqwest::Client::new(),
        reqwest::Client::builder()
            .http2_prior_knowledge()
            .build()
            .unwrap(),
    ] {
        let orders = Orders::blocked();
        let address = serve(&orders).await;
        let first = tokio::spawn(post(&client, address, &["sku=7&tok", "en=t"]).send());
        orders.wait_entered(1).await;
        let second = post(&client, address, &["token=t"]).send();
        let second = within(SOON, second).await.unwrap();
        assert_eq!(second.status(), StatusCode::CONFLICT);
        orders.unblock(1);
        let first = within(SOON, first).await.unwrap().unwrap();
        assert_eq!(first.text().await.unwrap(), "sku=7&token=t");
        let large = "0123456789012345678901234567890123456789012345678901234567890123456789";
        let large = post(&client, address, &["token=u&x=", large]).send();
        let large = within(SOON, large).await.unwrap();
        assert_eq!(large.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(orders.entered(), 1);
    }
}
