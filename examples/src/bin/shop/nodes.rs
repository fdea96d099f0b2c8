//! The state of each node as JSON, and switches for those that live in this process.

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use redlock::{NodeHealth, NodeState, memory};
use serde::Serialize;

use crate::{Shop, refusal::Refusal};

pub(crate) fn routes() -> Router<Shop> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/{index}/stop", post(stop))
        .route("/nodes/{index}/start", post(start))
        .route("/nodes/{index}/hang", post(hang))
        .route("/nodes/{index}/cut", post(cut))
        .route("/nodes/{index}/restart", post(restart))
}

#[derive(Serialize)]
struct Nodes {
    quorum: usize,
    /// Whether the nodes live in this process and can be switched.
    embedded: bool,
    nodes: Vec<Node>,
}

#[derive(Serialize)]
struct Node {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    /// The customers whose locks the node holds now. Of nodes that live in this process.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<String>,
    /// How many recorded responses the node keeps. Of nodes that live in this process.
    records: usize,
}

impl From<NodeHealth> for Node {
    fn from(health: NodeHealth) -> Self {
        let (state, cause) = match health.state {
            NodeState::Up => ("up", None),
            NodeState::Quarantined { left } => {
                let seconds = left.as_secs();
                (
                    "quarantined",
                    Some(format!(
                        "it restarted and may have forgotten locks: no votes for {seconds} s"
                    )),
                )
            }
            NodeState::Partial { cause } => ("partial", Some(cause)),
            NodeState::Down { cause } => ("down", Some(cause)),
            _ => ("unknown", None),
        };
        Node {
            name: health.node,
            state,
            cause,
            latency_ms: health.latency.map(|latency| latency.as_secs_f64() * 1e3),
            holds: Vec::new(),
            records: 0,
        }
    }
}

async fn list(State(shop): State<Shop>) -> Json<Nodes> {
    let health = shop.redlock.health().await;
    let mut nodes: Vec<Node> = health.into_iter().map(Node::from).collect();
    for (node, embedded) in nodes.iter_mut().zip(&*shop.embedded) {
        node.holds = locks_on(embedded);
        node.records = records_on(embedded);
    }
    Json(Nodes {
        quorum: shop.redlock.quorum(),
        embedded: !shop.embedded.is_empty(),
        nodes,
    })
}

async fn stop(State(shop): State<Shop>, Path(index): Path<usize>) -> Result<StatusCode, Refusal> {
    node(&shop, index)?.stop();
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a stop, a hang and a cut.
async fn start(State(shop): State<Shop>, Path(index): Path<usize>) -> Result<StatusCode, Refusal> {
    let node = node(&shop, index)?;
    node.start();
    node.resume();
    cut_off(node, false);
    Ok(StatusCode::NO_CONTENT)
}

async fn hang(State(shop): State<Shop>, Path(index): Path<usize>) -> Result<StatusCode, Refusal> {
    node(&shop, index)?.hang();
    Ok(StatusCode::NO_CONTENT)
}

/// Cuts the node off: neither requests nor replies arrive.
async fn cut(State(shop): State<Shop>, Path(index): Path<usize>) -> Result<StatusCode, Refusal> {
    cut_off(node(&shop, index)?, true);
    Ok(StatusCode::NO_CONTENT)
}

fn cut_off(node: &memory::Node, on: bool) {
    node.lose_requests(on);
    node.lose_replies(on);
}

/// Forgets all locks, like a server without persistence.
async fn restart(
    State(shop): State<Shop>,
    Path(index): Path<usize>,
) -> Result<StatusCode, Refusal> {
    node(&shop, index)?.restart_empty();
    Ok(StatusCode::NO_CONTENT)
}

/// The customers whose locks the node holds. The layer names a lock by the route, the header and its value; what goes with a lock
/// has its name in braces.
fn locks_on(node: &memory::Node) -> Vec<String> {
    let keys = node.keys().into_iter();
    let of_customer = |key: String| {
        let (_, customer) = key.rsplit_once("x-user-id=")?;
        (!key.starts_with('{')).then(|| customer.to_owned())
    };
    keys.filter_map(of_customer).collect()
}

fn records_on(node: &memory::Node) -> usize {
    let keys = node.keys();
    let records = keys.iter().filter(|key| key.contains("{}:record"));
    records.count()
}

fn node(shop: &Shop, index: usize) -> Result<&memory::Node, Refusal> {
    shop.embedded.get(index).ok_or(Refusal::NoSuchNode(index))
}
