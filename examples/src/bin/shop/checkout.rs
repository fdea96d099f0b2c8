//! The form as a browser without JavaScript sends it. A second click gets the response to the first one.

use std::time::Duration;

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Path, State},
    response::{IntoResponse, Redirect},
    routing::{get, post},
};
use redlock::Redlock;
use redlock_tower::{
    HeldLock, RedlockLayer, Rejection,
    key::{self, KeyExtractor},
    replay::{Quorum, ShareOptions},
};
use serde::Deserialize;
use serde_json::json;

use crate::{
    Shop,
    orders::{self, User},
    page,
    refusal::Refusal,
};

/// How long a form that is sent again, as by the *Back* button, gets the response to its first submit.
const WINDOW: Duration = Duration::from_secs(10 * 60);

pub(crate) fn routes(redlock: &Redlock) -> Router<Shop> {
    let per_form = key::identity(key::form("user")).and(key::form("submit_token"));
    let once = RedlockLayer::new(redlock.clone(), per_form)
        .required()
        .on_reject(Rejection::negotiated) // a page for browsers
        .share_with(ShareOptions::new(Quorum::new(redlock)).window(WINDOW));
    Router::new()
        .route("/checkout", post(submit).layer(once))
        .route("/orders/{id}", get(receipt))
        .layer(DefaultBodyLimit::max(16 * 1024))
}

#[derive(Deserialize)]
struct Fields {
    user: String,
    item: String,
}

async fn submit(
    State(shop): State<Shop>,
    lock: HeldLock,
    Form(Fields { user, item }): Form<Fields>,
) -> Result<Redirect, Refusal> {
    let user = User::named(&user)?;
    let order = orders::take(&shop, user, json!({ "item": item }), &lock).await;
    Ok(Redirect::to(&format!("/orders/{}", order.id)))
}

async fn receipt(
    State(shop): State<Shop>,
    Path(id): Path<u64>,
) -> Result<impl IntoResponse, Refusal> {
    let order = shop.orders.find(id)?;
    let item = order.details["item"].as_str().unwrap_or("something");
    let text = include_str!("page/receipt.html")
        .replace("{id}", &id.to_string())
        .replace("{token}", &order.token.to_string())
        .replace("{user}", &escaped(&order.user))
        // The last one: what a customer wrote is not searched for the other names.
        .replace("{item}", &escaped(item));
    Ok(page::html(text))
}

/// Text that a customer wrote, in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
