//! A child with very many waiters, each for a key of its own.

use std::time::Duration;

use tokio::{task::JoinSet, time::sleep};

use super::{
    held::{key, warm},
    parent, told,
};
use crate::{
    contender::{connect_ours, ours_load},
    meter,
    options::Options,
    outcome::Outcome,
};

/// How long the waiters may take until all of them sleep.
const SETTLED: Duration = Duration::from_secs(60);
/// They sleep when the process used less than this share of a core for [`LOOK`], twice in a row.
const QUIET: f64 = 0.02;
const LOOK: Duration = Duration::from_millis(500);

/// What became of a waiter: when it held the lock.
type Served = JoinSet<Outcome<u64>>;

/// Waits for the keys of a prefix. Says what a waiter takes, and when all of them were served.
pub(super) async fn queue(urls: &[String], options: &Options) -> Outcome<()> {
    let count: usize = options.setting("count")?;
    let prefix: String = options.setting("prefix")?;
    let mut parent = parent();
    let redlock = connect_ours(urls, true).await?;
    warm(&redlock).await?;
    println!("ready");
    told(&mut parent).await?;
    let before = meter::rss()?;
    let mut served = Served::new();
    for number in 0..count {
        let request = ours_load(&redlock, &key(&prefix, number));
        served.spawn(async move {
            let guard = request.wait(Duration::from_secs(180)).await?;
            let held = meter::now();
            guard.release().await?;
            Ok(held)
        });
    }
    settle().await?;
    println!("waits {}", meter::rss()?.saturating_sub(before));
    while let Ok(line) = told(&mut parent).await {
        match line.split_once(' ') {
            Some(("idle", millis)) => {
                idle(&mut served, Duration::from_millis(millis.parse()?)).await?;
            }
            _ => return serve(served).await,
        }
    }
    Ok(())
}

/// Waits until nothing happens any more.
async fn settle() -> Outcome<()> {
    let (begun, mut quiet) = (meter::now(), 0);
    while quiet < 2 {
        let cpu = meter::cpu();
        sleep(LOOK).await;
        let share = (meter::cpu() - cpu).as_secs_f64() / LOOK.as_secs_f64();
        quiet = if share < QUIET { quiet + 1 } else { 0 };
        if u128::from(meter::now() - begun) > SETTLED.as_nanos() {
            return Err("the waiters do not come to rest".into());
        }
    }
    Ok(())
}

/// Says what share of a core the waiters use while nothing happens.
async fn idle(served: &mut Served, time: Duration) -> Outcome<()> {
    let (begun, cpu) = (meter::now(), meter::cpu());
    sleep(time).await;
    let share = (meter::cpu() - cpu).as_secs_f64() * 1e9 / (meter::now() - begun) as f64;
    if let Some(ended) = served.try_join_next() {
        ended??;
        return Err("a lock that is held was granted".into());
    }
    println!("idle {share}");
    Ok(())
}

/// Says when the last one was served, and how many were not.
async fn serve(mut served: Served) -> Outcome<()> {
    let (mut last, mut failed) = (0, 0);
    while let Some(one) = served.join_next().await {
        match one? {
            Ok(held) => last = last.max(held),
            Err(error) => {
                failed += 1;
                if failed == 1 {
                    eprintln!("{error}");
                }
            }
        }
    }
    println!("served {last} {failed}");
    Ok(())
}
