//! Two clerks, each with a client of its own, write to one store. One of them stops while it holds the lock, and the fencing token
//! keeps its late write out.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::post};
use examples::Locks;
use redlock::{FencingToken, Guard, Redlock, Result};
use serde::Serialize;
use tokio::time::sleep;

use crate::{Shop, refusal::Refusal, timeline::Kind};

const KEY: &str = "shop:stock";
const TTL: Duration = Duration::from_secs(2);
/// Longer than the ttl, so that the other clerk has written meanwhile.
const PAUSE: Duration = Duration::from_millis(3_500);

const FIRST: &str = "clerk-1";
const SECOND: &str = "clerk-2";

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/stock/pause", post(pause))
        .route("/stock/crash", post(crash))
}

#[derive(Debug)]
pub(crate) struct Stock {
    first: Redlock,
    second: Redlock,
    /// The highest token that the store has seen.
    highest: Mutex<Option<FencingToken>>,
}

impl Stock {
    pub(crate) fn new(locks: &Locks) -> Result<Self, String> {
        Ok(Stock {
            first: locks.client(FIRST)?,
            second: locks.client(SECOND)?,
            highest: Mutex::default(),
        })
    }

    pub(crate) async fn close(&self) {
        tokio::join!(self.first.close(), self.second.close());
    }

    /// Whether the store accepts a write: not if it has seen a higher token.
    fn write(&self, token: FencingToken) -> bool {
        let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        let accepted = highest.is_none_or(|highest| token >= highest);
        if accepted {
            *highest = Some(token);
        }
        accepted
    }
}

/// What became of the two holders.
#[derive(Serialize)]
struct Outcome {
    first_token: u64,
    second_token: u64,
    /// Whether the store accepted the write of the first clerk after its pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    late_write_accepted: Option<bool>,
}

/// Stops a holder for longer than its ttl, as a long garbage collection or a suspended machine does.
async fn pause(State(shop): State<Shop>) -> Result<Json<Outcome>, Refusal> {
    let guard = hold(&shop).await?;
    let token = guard.token();
    tell(
        &shop,
        FIRST,
        format!("stops with token {token}, before it writes"),
    );
    let (next, ()) = tokio::join!(take_over(&shop), sleep(PAUSE));
    // Without a look at its guard, as a process that does not know of its pause.
    let accepted = write(&shop, FIRST, token);
    Ok(Json(Outcome {
        first_token: token.get(),
        second_token: next?.get(),
        late_write_accepted: Some(accepted),
    }))
}

/// A holder ends without a release: the lock is free after the rest of its ttl.
async fn crash(State(shop): State<Shop>) -> Result<Json<Outcome>, Refusal> {
    // Nobody adopts the ticket, so nobody renews the lock or releases it.
    let ticket = hold(&shop).await?.detach()?;
    let token = ticket.token();
    tell(&shop, FIRST, format!("crashes with token {token}"));
    Ok(Json(Outcome {
        first_token: token.get(),
        second_token: take_over(&shop).await?.get(),
        late_write_accepted: None,
    }))
}

/// The first clerk's lock. Nobody renews it, since its holder stops.
async fn hold(shop: &Shop) -> Result<Guard> {
    let lock = shop.stock.first.lock(KEY).ttl(TTL);
    lock.keep_alive(false).no_wait().await
}

/// The second clerk waits for the lock, writes, and releases it.
async fn take_over(shop: &Shop) -> Result<FencingToken> {
    let guard = shop.stock.second.lock(KEY).ttl(TTL).await?;
    let token = guard.token();
    write(shop, SECOND, token);
    guard.release().await?;
    Ok(token)
}

fn write(shop: &Shop, clerk: &str, token: FencingToken) -> bool {
    let accepted = shop.stock.write(token);
    let (kind, text) = match accepted {
        true => (
            Kind::Written,
            format!("the store accepts a write with token {token}"),
        ),
        false => (
            Kind::Fenced,
            format!("the store refuses a write with token {token}: it has seen a higher one"),
        ),
    };
    shop.timeline.record(kind, clerk.to_owned(), text);
    accepted
}

fn tell(shop: &Shop, clerk: &str, text: String) {
    shop.timeline.record(Kind::Holder, clerk.to_owned(), text);
}
