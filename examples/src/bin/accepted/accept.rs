//! The web service: it locks an order and puts it into the queue, with the ticket of the lock.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::post,
};
use examples::say;
use redlock::Redlock;

use crate::queue::Queue;

/// How long an order may wait in the queue under its lock.
const TTL: Duration = Duration::from_secs(30);

struct Shop {
    redlock: Redlock,
    queue: Queue,
}

/// Serves until the process is ended.
pub(crate) async fn serve(
    listen: SocketAddr,
    redlock: Redlock,
    queue: Queue,
) -> Result<(), String> {
    let listener = tokio::net::TcpListener::bind(listen).await;
    let listener = listener.map_err(|error| format!("{listen} is not free: {error}"))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    let app = Router::new()
        .route("/orders/{order}", post(accept))
        .with_state(Arc::new(Shop { redlock, queue }));
    say(format_args!("listening on http://{address}"));
    axum::serve(listener, app)
        .await
        .map_err(|error| error.to_string())
}

async fn accept(State(shop): State<Arc<Shop>>, Path(order): Path<String>) -> (StatusCode, String) {
    let lock = shop.redlock.lock(format!("order:{order}"));
    let guard = match lock.ttl(TTL).no_wait().await {
        Ok(guard) => guard,
        Err(error) if error.is_busy() => {
            return (
                StatusCode::CONFLICT,
                format!("order {order} is being shipped\n"),
            );
        }
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    };
    // From here on the lock belongs to the ticket. Nobody else gets it, and nothing renews it.
    let ticket = match guard.detach() {
        Ok(ticket) => ticket,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    };
    match shop.queue.add(&order, &ticket.to_string()).await {
        Ok(()) => (StatusCode::ACCEPTED, format!("order {order} is accepted\n")),
        // The order may be in the queue nevertheless. Then its ticket is as well, and a worker ships it.
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")),
    }
}
