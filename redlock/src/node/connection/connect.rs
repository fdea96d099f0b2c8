//! Connecting to a node, for the first time, again, or beside a silent connection.

use std::time::Duration;

use tokio::time::sleep;

use super::shared::Shared;
use crate::{
    fault::Fault,
    node::redis::{ServerConnection, Subscription},
};

/// The first pause before another attempt to connect. It doubles up to [`MAX_PAUSE`].
pub(super) const MIN_PAUSE: Duration = Duration::from_millis(20);
pub(super) const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Maximum pause between attempts to make a standby connection.
const MAX_STANDBY_PAUSE: Duration = Duration::from_millis(100);
/// Connects to the node, and records its handshake. An error if the node may never vote.
pub(super) async fn connect(shared: &Shared) -> Result<ServerConnection, Fault> {
    let subscription = Subscription {
        channel: &shared.channel,
        name: &shared.inbox,
    };
    let (retention, strict) = (shared.retention, shared.strict.as_ref());
    let announced = shared.announcement();
    let announcement = (&*shared.lists.record, &announced.announcement);
    let connection = ServerConnection::open(
        &shared.target,
        retention,
        strict,
        subscription,
        announcement,
    )
    .await?;
    shared.announcement_answered(&announced, connection.record.clone());
    if let Some(nodes) = shared.nodes.upgrade() {
        nodes.record_handshake(shared.index, &shared.state, &connection.info);
    }
    shared.lists.reevaluate(shared.clock.now());
    // Checked on every connection: a replica may be promoted, an address may lead elsewhere.
    shared.state.barred().map_or(Ok(connection), Err)
}

/// Connects beside a silent connection, until an attempt succeeds.
pub(super) async fn connect_standby(shared: &Shared) -> ServerConnection {
    let mut pause = MIN_PAUSE;
    loop {
        if let Ok(connection) = connect(shared).await {
            return connection;
        }
        sleep(shared.jittered(pause)).await;
        pause = (pause * 2).min(MAX_STANDBY_PAUSE);
    }
}
