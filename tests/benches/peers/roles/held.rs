//! Children that hold very many locks.

use std::time::Duration;

use futures_util::future::join_all;
use redlock::{Guard, Redlock};
use tokio::{task::JoinSet, time::sleep};

use super::{parent, told};
use crate::{
    contender::{connect_ours, ours_load},
    meter,
    nodes::fresh,
    options::Options,
    outcome::Outcome,
};

/// How many locks are acquired at a time.
const ABREAST: usize = 256;

/// The keys that have this prefix.
pub(super) fn key(prefix: &str, number: usize) -> String {
    format!("{prefix}-{number}")
}

/// Acquires `count` locks. The guards stay where they are pushed, so that no memory is left over from moving them.
pub(super) async fn hold(
    redlock: &Redlock,
    prefix: &str,
    count: usize,
    ttl: Duration,
    keep_alive: bool,
) -> Outcome<Vec<Vec<Guard>>> {
    let mut tasks = JoinSet::new();
    for first in 0..ABREAST.min(count) {
        let (redlock, prefix) = (redlock.clone(), prefix.to_owned());
        tasks.spawn(async move {
            let mut guards = Vec::with_capacity(count / ABREAST + 1);
            for number in (first..count).step_by(ABREAST) {
                let request = ours_load(&redlock, &key(&prefix, number));
                guards.push(request.ttl(ttl).keep_alive(keep_alive).await?);
            }
            Outcome::Ok(guards)
        });
    }
    let mut guards = Vec::with_capacity(tasks.len());
    while let Some(some) = tasks.join_next().await {
        guards.push(some??);
    }
    Ok(guards)
}

/// Locks and unlocks some thousand times, so that buffers and scripts are there before anything is measured.
pub(super) async fn warm(redlock: &Redlock) -> Outcome<()> {
    let mut tasks = JoinSet::new();
    for worker in 0..ABREAST {
        let (redlock, prefix) = (redlock.clone(), fresh("warm"));
        tasks.spawn(async move {
            for number in 0..20 {
                let key = format!("{prefix}-{worker}-{number}");
                ours_load(&redlock, &key).await?.release().await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

fn lost(guards: &[Vec<Guard>]) -> usize {
    let guards = guards.iter().flatten();
    guards.filter(|guard| guard.is_lost()).count()
}

/// Holds locks that are renewed, and says what each takes: memory, and CPU while nothing else happens.
pub(super) async fn renew(urls: &[String], options: &Options) -> Outcome<()> {
    let count: usize = options.setting("count")?;
    let ttl = Duration::from_millis(options.setting("ttl_ms")?);
    let wait = Duration::from_millis(options.setting("wait_ms")?);
    let redlock = connect_ours(urls, true).await?;
    warm(&redlock).await?;
    let before = meter::rss()?;
    let guards = hold(&redlock, &fresh("held"), count, ttl, true).await?;
    let acquired = meter::rss()?.saturating_sub(before);
    // The late votes of the last ones.
    sleep(Duration::from_millis(500)).await;
    let (begun, cpu) = (meter::now(), meter::cpu());
    sleep(wait).await;
    let share = (meter::cpu() - cpu).as_secs_f64() * 1e9 / (meter::now() - begun) as f64;
    let extended = meter::rss()?.saturating_sub(before);
    let lost = lost(&guards);
    println!("holds {count} {acquired} {extended} {lost} {share}");
    // No time is spent on releasing what the parent throws away.
    Ok(())
}

/// Holds the keys of a prefix, renewed, and releases all of them at once when it is told.
pub(super) async fn occupy(urls: &[String], options: &Options) -> Outcome<()> {
    let count: usize = options.setting("count")?;
    let prefix: String = options.setting("prefix")?;
    let redlock = connect_ours(urls, true).await?;
    warm(&redlock).await?;
    let guards = hold(&redlock, &prefix, count, Duration::from_secs(60), true).await?;
    println!("holds");
    told(&mut parent()).await?;
    let begun = meter::now();
    let lost = lost(&guards);
    for released in join_all(guards.into_iter().flatten().map(Guard::release)).await {
        released?;
    }
    println!("released {begun} {lost}");
    Ok(())
}
