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
            NodeState::Down { cause } => ("down", Some(cause)),
            _ => ("unknown", None),
        };
        Node {
            name: health.node,
            state,
            cause,
            latency_ms: health.latency.map(|latency| latency.as_secs_f64() * 1e3),
        }
    }
}

async fn list(State(shop): State<Shop>) -> Json<Nodes> {
    let nodes = shop
        .redlock
        .health()
        .await
        .into_iter()
        .map(Node::from)
        .collect();
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

async fn start(State(shop): State<Shop>, Path(index): Path<usize>) -> Result<StatusCode, Refusal> {
    node(&shop, index)?.start();
    Ok(StatusCode::NO_CONTENT)
}

fn node(shop: &Shop, index: usize) -> Result<&memory::Node, Refusal> {
    shop.embedded.get(index).ok_or(Refusal::NoSuchNode(index))
}
