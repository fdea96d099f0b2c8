//! The timeline as JSON, and live as server-sent events.

use axum::{
    Json, Router,
    extract::State,
    http::HeaderMap,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::get,
};
use futures_util::{Stream, StreamExt, stream};

use super::Entry;
use crate::Shop;

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/timeline", get(list))
        .route("/timeline/live", get(live))
}

async fn list(State(shop): State<Shop>) -> Json<Vec<Entry>> {
    Json(shop.timeline.list())
}

/// All entries, and each new one when it happens. A browser that connects again sends the id of the last one that it has seen.
async fn live(
    State(shop): State<Shop>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, axum::Error>>> {
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    // The stream would never end by itself, and keep the server from stopping.
    let stopped = shop.stop.clone().cancelled_owned();
    let entries = stream::unfold(last.unwrap_or(0), move |seen| {
        let shop = shop.clone();
        async move {
            let entry = shop.timeline.next(seen).await;
            let event = Event::default().id(entry.id.to_string()).json_data(&entry);
            Some((event, entry.id))
        }
    });
    Sse::new(entries.take_until(stopped)).keep_alive(KeepAlive::default())
}
