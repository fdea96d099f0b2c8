//! The name of a firing, and its outcome.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, FixedOffset, TimeZone as _, Utc};
use redlock::{Redlock, Result, memory, redlock};

use tests::World;

const SECONDS: u64 = 1_795_314_000;

macro_rules! named {
    ($name:ident, $ty:ty) => {
        #[redlock(key = "t", ttl = "1s", lock = locks, fire = at, guard = held)]
        async fn $name(locks: &Redlock, at: $ty) -> Result<String> {
            // Only borrowed: it still belongs to the body.
            let _at = at;
            Ok(held.key().to_owned())
        }
    };
}

named!(by_chrono_ref, &DateTime<Utc>);
named!(by_chrono_zone_ref, &DateTime<FixedOffset>);
named!(by_time_crate, time::OffsetDateTime);
named!(by_time_crate_ref, &time::OffsetDateTime);
named!(by_system_time, &SystemTime);
named!(by_duration, &Duration);
named!(by_jiff, jiff::Timestamp);
named!(by_jiff_ref, &jiff::Timestamp);
named!(by_cow, Cow<'_, str>);
named!(by_string, String);
named!(by_u8, u8);
named!(by_char, char);
named!(by_i128_ref, &&i128);

#[tokio::test]
async fn f29_an_instant_has_one_name_by_value_and_by_reference() {
    let utc = Utc.timestamp_opt(SECONDS as i64, 0).unwrap();
    let zone = utc.with_timezone(&FixedOffset::east_opt(3_600).unwrap());
    let offset = time::OffsetDateTime::from_unix_timestamp(SECONDS as i64).unwrap();
    let since = Duration::from_secs(SECONDS);
    let world = async || World::new().await.locks;
    for name in [
        by_chrono_ref(&world().await, &utc).await,
        by_chrono_zone_ref(&world().await, &zone).await,
        by_time_crate(&world().await, offset).await,
        by_time_crate_ref(&world().await, &offset).await,
        by_system_time(&world().await, &(UNIX_EPOCH + since)).await,
        by_duration(&world().await, &since).await,
    ] {
        assert_eq!(name.unwrap(), format!("t:{SECONDS}"));
    }
}

#[tokio::test]
async fn f29_anything_that_displays_names_a_firing() {
    let world = async || World::new().await.locks;
    let at = jiff::Timestamp::from_second(SECONDS as i64).unwrap();
    let by_value = by_jiff(&world().await, at).await.unwrap();
    assert_eq!(by_jiff_ref(&world().await, &at).await.unwrap(), by_value);
    assert_eq!(by_cow(&world().await, "n".into()).await.unwrap(), "t:n");
    assert_eq!(
        by_string(&world().await, "a:b".into()).await.unwrap(),
        "t:a%3Ab"
    );
    assert_eq!(by_u8(&world().await, 7).await.unwrap(), "t:7");
    assert_eq!(by_char(&world().await, 'x').await.unwrap(), "t:x");
    assert_eq!(by_i128_ref(&world().await, &&-7).await.unwrap(), "t:-7");
}

#[redlock(key = "report", ttl = "1s", lock = locks, fire = at)]
async fn report(locks: &Redlock, at: u64) -> Result<()> {
    Ok(())
}

#[tokio::test]
async fn f21_a_firing_never_asks_for_more_than_the_client_allows() {
    let nodes = memory::Nodes::new(3);
    let client = Redlock::builder()
        .nodes(nodes.nodes())
        .max_ttl(Duration::from_secs(5))
        .ttl(Duration::from_secs(2));
    let locks = client.connect().await.unwrap();
    report(&locks, 7).await.unwrap();
    assert!(report(&locks, 7).await.unwrap_err().is_cooling_down());
}
