//! A service in a process of its own, for the run with duplicates, time-outs and kills. It checks
//! whether a payment was made, and makes it if not. Two requests that do so at the same time pay
//! twice, unless the lock prevents it.

use std::time::Duration;

use axum::{Router, extract::State, response::IntoResponse, routing::post};
use http::{HeaderMap, StatusCode};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use redlock::Redlock;
use redlock_tower::{
    RedlockLayer,
    key::{self, KeyExtractor as _},
    replay::Quorum,
};
use tokio::{net::TcpListener, time::sleep};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// The ttl: how soon other requests continue after a kill.
const TTL: Duration = Duration::from_secs(2);

/// Raises the fence to the token, and returns the receipt of a payment that was made.
const LOOK: &str = "
redis.call('INCR', 'begun')
if tonumber(ARGV[1]) > tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') then
  redis.call('HSET', KEYS[1], 'fence', ARGV[1])
end
return redis.call('HGET', KEYS[1], 'receipt')";

/// Makes a payment, unless a later holder of the lock has checked it.
const PAY: &str = "
if tonumber(redis.call('HGET', KEYS[1], 'fence') or '0') > tonumber(ARGV[1]) then
  return 0
end
redis.call('INCR', 'ended')
redis.call('HINCRBY', KEYS[1], 'effects', 1)
redis.call('HSET', KEYS[1], 'receipt', ARGV[2])
return 1";

/// The store that counts payments.
#[derive(Clone)]
struct Payments(MultiplexedConnection);

async fn pay(State(Payments(mut store)): State<Payments>, headers: HeaderMap) -> impl IntoResponse {
    let part = |name: &str| headers[name].to_str().expect("text").to_owned();
    let user = part("x-user-id");
    let payment = format!("payment:{user}:{}", part("idempotency-key"));
    let token = redlock::current().map_or(0, |held| held.token().get());
    let look = redis::Script::new(LOOK);
    let paid: redis::RedisResult<Option<String>> =
        look.key(&payment).arg(token).invoke_async(&mut store).await;
    match paid {
        Ok(Some(receipt)) => return (StatusCode::CREATED, receipt),
        Ok(None) => {}
        Err(error) => return (StatusCode::BAD_GATEWAY, error.to_string()),
    }
    sleep(Duration::from_millis(rand::random_range(5..40))).await;
    let receipt = format!("{user} {}", rand::random::<u64>());
    let act = redis::Script::new(PAY);
    let done: redis::RedisResult<bool> = act
        .key(&payment)
        .arg(token)
        .arg(&receipt)
        .invoke_async(&mut store)
        .await;
    match done {
        Ok(true) => (StatusCode::CREATED, receipt),
        Ok(false) => (StatusCode::SERVICE_UNAVAILABLE, "fenced".to_owned()),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

/// The service without its layer. It runs duplicates.
async fn unlocked(store: &str) -> Router {
    let client = redis::Client::open(store).expect("a URL");
    let config = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    let payments = Payments(connection.await.expect("the store"));
    Router::new()
        .route("/payments", post(pay))
        .with_state(payments)
}

async fn locked(nodes: &str, store: &str) -> Router {
    // The machine may have other work: what is slow is not dead.
    let redlock = Redlock::builder()
        .nodes(nodes.split(','))
        .node_timeout(Duration::from_millis(500))
        .connect()
        .await
        .expect("a quorum");
    // The nodes are as old as the test, and none restarts.
    redlock.trust_nodes().await.expect("a quorum");
    let records = Quorum::new(&redlock);
    let per_payment = key::identity(key::header("x-user-id")).and(key::idempotency_key());
    let layer = RedlockLayer::new(redlock, per_payment)
        .required()
        .ttl(TTL)
        .wait(Duration::from_secs(1))
        .replay(records, DAY);
    unlocked(store).await.layer(layer)
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let app = match args.as_slice() {
        [nodes, store] => locked(nodes, store).await,
        [store] => unlocked(store).await,
        _ => panic!("usage: payment_server [NODES] STORE"),
    };
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a socket on loopback");
    println!(
        "listening {}",
        listener.local_addr().expect("a socket on loopback")
    );
    axum::serve(listener, app)
        .await
        .expect("a socket on loopback");
}
