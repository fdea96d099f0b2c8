//! Beside `#[instrument]`, above it and below it; and the span of the lock itself.

use redlock::{Redlock, Result, redlock};
use tests::Logs;
use tracing::instrument;
use tracing::level_filters::LevelFilter;

use tests::World;

#[redlock(key = "above:{id}", ttl = "10s", lock = locks)]
#[instrument(skip(locks))]
async fn above(locks: &Redlock, id: u8) -> Result<u8> {
    tracing::info!("body of above");
    Ok(id)
}

#[instrument(skip(locks), err)]
#[redlock(key = "below:{id}", ttl = "10s", lock = locks, no_wait)]
async fn below(locks: &Redlock, id: u8) -> Result<u8> {
    tracing::info!("body of below");
    Ok(id)
}

#[tokio::test]
async fn both_orders_work() {
    let logs = Logs::capture(LevelFilter::DEBUG);
    let world = World::new().await;
    assert_eq!(above(&world.locks, 1).await.unwrap(), 1);
    assert_eq!(below(&world.locks, 2).await.unwrap(), 2);
    let above = logs.lines_with("body of above");
    assert!(
        above.len() == 1 && above[0].contains("above{id=1}"),
        "{above:?}"
    );
    let below_lines = logs.lines_with("body of below");
    assert!(
        below_lines.len() == 1 && below_lines[0].contains("below{id=2}"),
        "{below_lines:?}"
    );

    let _held = world.busy("below:3").await;
    below(&world.locks, 3).await.unwrap_err();
    let failed = logs.lines_with("not locked");
    assert!(
        failed.len() == 1 && failed[0].contains("function=\"below\""),
        "{failed:?}"
    );
}
