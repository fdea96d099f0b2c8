//! `fire`: each firing of a schedule runs once, whatever the clocks of the replicas say.

use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, TimeZone as _, Utc};
use redlock::{Redlock, Result, redlock};
use tokio::time::Instant;

use crate::app_error::AppError;
use tests::World;

type Runs = Mutex<Vec<String>>;

#[redlock(key = "report", ttl = "1s", lock = locks, fire = at, on_busy = skip, guard = held)]
async fn report(locks: &Redlock, at: SystemTime, runs: &Runs) {
    runs.lock().unwrap().push(held.key().to_owned());
}

#[redlock(key = "short", ttl = "1s", lock = locks, fire = at, at_least = "600ms", on_busy = skip)]
async fn remembered_briefly(locks: &Redlock, at: u64) -> Option<u64> {
    Some(at)
}

#[redlock(key = "fails", ttl = "1s", lock = locks, fire = at)]
async fn fails(locks: &Redlock, at: u64) -> Result<(), AppError> {
    let _ = at;
    Err(AppError::Own("on purpose"))
}

#[redlock(key = "panics", ttl = "1s", lock = locks, fire = at)]
async fn panics(locks: Redlock, at: u64) -> Result<()> {
    panic!("on purpose: {at}")
}

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

#[tokio::test]
async fn one_run_per_firing_however_late_a_replica_comes() {
    let world = World::new().await;
    let runs = Runs::default();
    for firing in [at(100), at(160)] {
        for locks in [&world.locks, &world.elsewhere, &world.locks] {
            report(locks, firing, &runs).await;
        }
    }
    assert_eq!(*runs.lock().unwrap(), ["report:100", "report:160"]);
}

#[tokio::test]
async fn a_firing_that_failed_or_panicked_is_not_repeated() {
    let world = World::new().await;
    assert!(matches!(
        fails(&world.locks, 5).await,
        Err(AppError::Own(_))
    ));
    assert!(
        fails(&world.elsewhere, 5)
            .await
            .unwrap_err()
            .lock()
            .is_busy()
    );

    let panicked = tokio::spawn(panics(world.locks.clone(), 5))
        .await
        .unwrap_err();
    assert!(panicked.is_panic());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        panics(world.elsewhere.clone(), 5)
            .await
            .unwrap_err()
            .is_busy()
    );
    assert!(world.is_held("panics:5"));
}

#[redlock(key = "long", ttl = "1s", lock = locks, fire = at, max_hold = "300ms")]
async fn cut_short(locks: &Redlock, at: u64) -> Result<()> {
    let _ = at;
    std::future::pending().await
}

#[tokio::test]
async fn a_firing_that_was_cut_short_is_not_repeated() {
    let world = World::new().await;
    assert!(cut_short(&world.locks, 1).await.unwrap_err().is_lost());
    assert!(cut_short(&world.elsewhere, 1).await.unwrap_err().is_busy());
    assert!(world.is_held("long:1"));
}

#[tokio::test]
async fn at_least_sets_how_long_a_firing_is_remembered() {
    let world = World::new().await;
    let start = Instant::now();
    assert_eq!(remembered_briefly(&world.locks, 1).await, Some(1));
    assert_eq!(remembered_briefly(&world.elsewhere, 1).await, None);
    world.free("short:1").await;
    assert!(start.elapsed() >= Duration::from_millis(600));
}

macro_rules! named {
    ($name:ident, $ty:ty) => {
        #[redlock(key = "t", ttl = "1s", lock = locks, fire = at, guard = held)]
        async fn $name(locks: &Redlock, at: $ty) -> Result<String> {
            Ok(held.key().to_owned())
        }
    };
}

named!(by_time, SystemTime);
named!(by_time_ref, &SystemTime);
named!(by_chrono, DateTime<Utc>);
named!(by_chrono_zone, DateTime<chrono::FixedOffset>);
named!(by_duration, Duration);
named!(by_number, u64);
named!(by_text, &str);

#[tokio::test]
async fn the_same_instant_has_one_name_in_every_type() {
    let utc = Utc.timestamp_opt(1_795_314_000, 0).unwrap();
    let zone = utc.with_timezone(&chrono::FixedOffset::east_opt(3_600).unwrap());
    let world = async || World::new().await.locks;
    for name in [
        by_time(&world().await, at(1_795_314_000)).await,
        by_time_ref(&world().await, &at(1_795_314_000)).await,
        by_chrono(&world().await, utc).await,
        by_chrono_zone(&world().await, zone).await,
        by_duration(&world().await, Duration::from_secs(1_795_314_000)).await,
        by_number(&world().await, 1_795_314_000).await,
    ] {
        assert_eq!(name.unwrap(), "t:1795314000");
    }
    assert_eq!(
        by_text(&world().await, "2026-11-22 03:00").await.unwrap(),
        "t:2026-11-22 03%3A00"
    );
}
