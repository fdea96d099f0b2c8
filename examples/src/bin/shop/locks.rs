//! The locks that are held now: holder, token, remaining time and waiters, as a majority of the nodes sees them.

use std::time::Duration;

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use futures_util::future::try_join_all;
use redlock::Holder;
use serde::Serialize;

use crate::{Shop, report};

/// Of so many keys that were locked lately.
const ASKED_FOR: usize = 8;

pub(crate) fn routes() -> Router<Shop> {
    Router::new().route("/locks", get(list))
}

#[derive(Serialize)]
struct Lock {
    key: String,
    /// The label of the client that holds it.
    #[serde(skip_serializing_if = "Option::is_none")]
    holder: Option<String>,
    token: u64,
    remaining_ms: u64,
    /// Processes that wait for it.
    waiting: u32,
    /// Nobody holds it any more, but its key stays busy for a window.
    cool_down: bool,
}

impl Lock {
    fn new(key: String, holder: &Holder) -> Self {
        Lock {
            key,
            holder: holder.label().map(str::to_owned),
            token: holder.token.get(),
            remaining_ms: millis(holder.remaining),
            waiting: holder.waiting,
            cool_down: holder.is_cool_down(),
        }
    }
}

/// 503 if no majority of the nodes answers.
async fn list(State(shop): State<Shop>) -> Result<Json<Vec<Lock>>, StatusCode> {
    let mut keys = shop.timeline.granted_lately(ASKED_FOR);
    keys.push(report::KEY.to_owned());
    let looks = keys.into_iter().map(|key| look(&shop, key));
    let locks = try_join_all(looks)
        .await
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(Json(locks.into_iter().flatten().collect()))
}

/// `None` if the lock is free.
async fn look(shop: &Shop, key: String) -> redlock::Result<Option<Lock>> {
    let holder = shop.redlock.holder(&*key).await?;
    Ok(holder.map(|holder| Lock::new(key, &holder)))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
