//! Orders: the layer allows one at a time for each user, and the attribute one invoice for each order.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    routing::{get, post},
};
use redlock::{Redlock, redlock};
use redlock_tower::{HeldLock, RedlockLayer, key};
use serde::Serialize;
use serde_json::Value;
use tokio::time::sleep;

use crate::{Shop, refusal::Refusal};

/// Maximum number of orders that are kept.
const SHOWN: usize = 100;

pub(crate) fn routes(redlock: &Redlock) -> Router<Shop> {
    let one_per_user = RedlockLayer::new(redlock.clone(), key::header("x-user-id"))
        .no_wait()
        .ttl(Duration::from_secs(10));
    Router::new()
        // The layer does not lock GET.
        .route("/orders", get(list).post(submit).layer(one_per_user))
        .route("/orders/{id}/invoice", post(invoice))
        .layer(DefaultBodyLimit::max(16 * 1024))
}

/// An order, as in responses.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) user: String,
    /// The body of the request.
    pub(crate) details: Value,
    /// The fencing token of the lock, which a store would check.
    pub(crate) token: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoice: Option<u64>,
}

/// The newest orders of this process, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    orders: VecDeque<Order>,
    last_order: u64,
    last_invoice: u64,
}

impl Book {
    /// The number of orders so far.
    pub(crate) fn count(&self) -> u64 {
        self.pages().last_order
    }

    pub(crate) fn find(&self, id: u64) -> Result<Order, Refusal> {
        self.pages().find(id).cloned()
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    fn enter(&mut self, user: String, details: Value, token: u64) -> Order {
        self.last_order += 1;
        let order = Order {
            id: self.last_order,
            user,
            details,
            token,
            invoice: None,
        };
        self.orders.push_front(order.clone());
        self.orders.truncate(SHOWN);
        order
    }

    fn find(&mut self, id: u64) -> Result<&mut Order, Refusal> {
        self.orders
            .iter_mut()
            .find(|order| order.id == id)
            .ok_or(Refusal::NoSuchOrder(id))
    }

    fn bill(&mut self, id: u64) -> Result<Order, Refusal> {
        let number = self.last_invoice + 1;
        let order = self.find(id)?;
        order.invoice = Some(number);
        let order = order.clone();
        self.last_invoice = number;
        Ok(order)
    }
}

/// The user, from the header that is the key of the layer.
#[derive(Debug)]
pub(crate) struct User(String);

impl User {
    pub(crate) fn named(name: &str) -> Result<Self, Refusal> {
        let name = name.trim();
        match name.len() {
            1..=64 => Ok(User(name.to_owned())),
            _ => Err(Refusal::NoUser),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let name = parts
            .headers
            .get("x-user-id")
            .and_then(|name| name.to_str().ok());
        User::named(name.unwrap_or_default())
    }
}

async fn list(State(shop): State<Shop>) -> Json<VecDeque<Order>> {
    Json(shop.orders.pages().orders.clone())
}

async fn submit(
    State(shop): State<Shop>,
    user: User,
    lock: HeldLock,
    Json(details): Json<Value>,
) -> (StatusCode, Json<Order>) {
    let order = take(&shop, user, details, &lock).await;
    (StatusCode::CREATED, Json(order))
}

/// Takes half a second, enough for a second click.
pub(crate) async fn take(shop: &Shop, user: User, details: Value, lock: &HeldLock) -> Order {
    sleep(Duration::from_millis(500)).await;
    let token = lock.token().get();
    shop.orders.pages().enter(user.0, details, token)
}

async fn invoice(State(shop): State<Shop>, Path(id): Path<u64>) -> Result<Json<Order>, Refusal> {
    invoice_once(&shop, id).await.map(Json)
}

/// A concurrent request waits for its turn, and then finds the invoice written.
#[redlock(key = "shop:invoice:{id}", ttl = "10s", lock = shop.redlock)]
async fn invoice_once(shop: &Shop, id: u64) -> Result<Order, Refusal> {
    let order = shop.orders.find(id)?;
    if order.invoice.is_some() {
        return Ok(order);
    }
    // Without the lock, a second request would read the same order here and write a second invoice.
    sleep(Duration::from_millis(300)).await;
    shop.orders.pages().bill(id)
}
