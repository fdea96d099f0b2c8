//! A service in a process of its own, whose duplicates get the first answer: by an `Idempotency-Key`, or because they are
//! shared. Its handler counts its runs in a store, and blocks there until the test lets it continue.

use std::time::Duration;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
    routing::post,
};
use http::StatusCode;
use redis::aio::MultiplexedConnection;
use redlock::Redlock;
use redlock_tower::{
    RedlockLayer, key,
    replay::{Quorum, RedisStore, ReplayStore},
};
use tokio::{net::TcpListener, time::sleep};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How soon others continue after a kill.
const TTL: Duration = Duration::from_secs(6);

async fn count(mut store: MultiplexedConnection, what: &str) -> u64 {
    let count = redis::cmd("INCR").arg(what).query_async(&mut store).await;
    count.expect("the store")
}

async fn order(State(mut store): State<MultiplexedConnection>) -> (StatusCode, String) {
    let run = count(store.clone(), "runs").await;
    loop {
        let go = redis::cmd("EXISTS").arg("go").query_async(&mut store).await;
        if go.expect("the store") {
            return (StatusCode::CREATED, format!("run {run}"));
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Counts the requests that are about to meet the layer.
async fn arrived(
    State(store): State<MultiplexedConnection>,
    request: Request,
    next: Next,
) -> Response {
    count(store, "arrived").await;
    next.run(request).await
}

fn app<St: ReplayStore>(orders: Router, redlock: Redlock, mode: &str, records: St) -> Router {
    let layer = RedlockLayer::new(redlock, key::identity(key::header("x-user-id")))
        .wait(Duration::from_secs(30))
        .required();
    match mode {
        "share" => orders.layer(layer.share(records)),
        "replay" => orders.layer(layer.replay(records, DAY)),
        _ => panic!("the first argument is `share` or `replay`, not `{mode}`"),
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [mode, records, nodes, store] = args.as_slice() else {
        panic!("usage: submit_server share|replay quorum|redis NODES STORE");
    };
    let client = redis::Client::open(store.as_str()).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    let connection = connection.expect("the store");
    // The machine may have other work: what is slow is not dead.
    let redlock = Redlock::builder()
        .nodes(nodes.split(','))
        .ttl(TTL)
        .node_timeout(TTL / 4)
        .connect()
        .await
        .expect("a quorum");
    // The nodes are as old as the test, and none restarts.
    redlock.trust_nodes().await.expect("a quorum");
    let orders = Router::new()
        .route("/orders", post(order))
        .with_state(connection.clone());
    let app = match &**records {
        "quorum" => app(orders, redlock.clone(), mode, Quorum::new(&redlock)),
        "redis" => app(
            orders,
            redlock,
            mode,
            RedisStore::new(store).expect("a URL"),
        ),
        other => panic!("the second argument is `quorum` or `redis`, not `{other}`"),
    };
    let app = app.layer(from_fn_with_state(connection, arrived));
    let listener = TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a socket on loopback");
    let address = listener.local_addr().expect("a socket on loopback");
    println!("listening {address}");
    axum::serve(listener, app)
        .await
        .expect("a socket on loopback");
}
