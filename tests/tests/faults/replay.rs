//! The first answer again: to whom, when, and what of it.

mod answer;
mod disconnect;
mod lifetime;
mod namespace;
mod outage;
mod request;
mod scope;
mod spelling;
mod store;
mod success;

use axum::body::{Body, Bytes};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt as _;
use redlock::{Redlock, memory};
use redlock_tower::key;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// No wait of these tests takes as long.
const SOON: Duration = Duration::from_secs(20);

/// A handle to three fresh memory nodes.
async fn locks() -> Redlock {
    Redlock::connect(memory::Cluster::new(3).nodes())
        .await
        .unwrap()
}

fn by_user() -> key::Identity<key::Header> {
    key::identity(key::header("x-user-id"))
}

/// A POST by ann under an `Idempotency-Key`.
fn submit(path: &str, key: &str, body: impl Into<Body>) -> Request<Body> {
    Request::post(path)
        .header("x-user-id", "ann")
        .header("idempotency-key", key)
        .body(body.into())
        .unwrap()
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
}

async fn read(response: Response<Body>) -> Answer {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.to_bytes(),
    }
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == "true"
}
