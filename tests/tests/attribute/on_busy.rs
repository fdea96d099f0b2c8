//! `on_busy = skip`: left out while another one runs it, for each type that can say so.

use redlock::{Redlock, redlock};
use tests::Logs;
use tracing::level_filters::LevelFilter;

use crate::app_error::AppError;
use tests::World;

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip)]
async fn unit(locks: &Redlock, ran: &mut bool) {
    *ran = true;
}

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip)]
async fn option(locks: &Redlock) -> Option<u8> {
    Some(1)
}

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip)]
async fn result(locks: &Redlock, ran: &mut bool) -> Result<(), AppError> {
    *ran = true;
    Ok(())
}

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip)]
async fn result_option(locks: &Redlock) -> Result<Option<u8>, AppError> {
    Ok(Some(1))
}

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip, wait = "5s")]
async fn waits(locks: &Redlock) -> Option<u8> {
    Some(1)
}

#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip, wait = "100ms")]
async fn waits_briefly(locks: &Redlock) -> Option<u8> {
    Some(1)
}

/// The rest goes to `on_error`, so that the error type needs no `From`.
#[redlock(key = "job", ttl = "10s", lock = locks, on_busy = skip, on_error = |_| Err("down"))]
async fn with_on_error(locks: &Redlock) -> Result<Option<u8>, &'static str> {
    Ok(Some(1))
}

#[tokio::test]
async fn free_runs() {
    let world = World::new().await;
    let locks = &world.locks;
    let mut ran = false;
    unit(locks, &mut ran).await;
    assert!(std::mem::take(&mut ran));
    result(locks, &mut ran).await.unwrap();
    assert!(ran);
    assert_eq!(option(locks).await, Some(1));
    assert_eq!(result_option(locks).await.unwrap(), Some(1));
    assert_eq!(with_on_error(locks).await, Ok(Some(1)));
}

#[tokio::test]
async fn busy_skips() {
    let world = World::new().await;
    let locks = &world.locks;
    let held = world.busy("job").await;
    let mut ran = false;
    unit(locks, &mut ran).await;
    result(locks, &mut ran).await.unwrap();
    assert!(!ran);
    assert_eq!(option(locks).await, None);
    assert_eq!(result_option(locks).await.unwrap(), None);
    assert_eq!(with_on_error(locks).await, Ok(None));
    assert_eq!(
        waits_briefly(locks).await,
        None,
        "a wait that runs out is busy too"
    );

    let (value, ()) = tokio::join!(waits(locks), async {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        held.release().await.unwrap();
    });
    assert_eq!(value, Some(1));
}

#[tokio::test]
async fn an_outage_is_an_error_or_a_warning_never_a_skip() {
    let logs = Logs::capture(LevelFilter::WARN);
    let world = World::new().await;
    let locks = &world.locks;
    world.lose_quorum();
    assert!(
        result_option(locks)
            .await
            .unwrap_err()
            .lock()
            .is_no_quorum()
    );
    assert_eq!(with_on_error(locks).await, Err("down"));
    let mut ran = false;
    assert!(
        result(locks, &mut ran)
            .await
            .unwrap_err()
            .lock()
            .is_no_quorum()
    );

    assert!(logs.lines_with("did not run").is_empty());
    unit(locks, &mut ran).await;
    assert!(!ran);
    assert_eq!(option(locks).await, None);
    assert_eq!(logs.lines_with("did not run").len(), 2);
}
