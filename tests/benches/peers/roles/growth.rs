//! A child that works the same before and after much has been stored.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    held::{hold, warm},
    parent, told,
};
use crate::{
    contender::connect_ours,
    load::{Keys, Load, drive},
    meter,
    nodes::fresh,
    options::Options,
    outcome::Outcome,
};

/// Says what a load takes, whenever it is told; and acquires locks in between.
pub(super) async fn grow(urls: &[String], options: &Options) -> Outcome<()> {
    let time = Duration::from_millis(options.setting("time_ms")?);
    let redlock = connect_ours(urls, true).await?;
    warm(&redlock).await?;
    let mut guards = Vec::new();
    let mut parent = parent();
    println!("ready");
    while let Ok(line) = told(&mut parent).await {
        match line.split_once(' ') {
            Some(("hold", count)) => {
                let ttl = Duration::from_secs(60);
                guards = hold(&redlock, &fresh("held"), count.parse()?, ttl, true).await?;
                sleep(Duration::from_millis(500)).await;
                println!("holds {}", guards.len());
            }
            _ => {
                let load = Load::new(512, Keys::Each(fresh("grow")), time).only_counted();
                let cpu = meter::cpu();
                let run = drive(|| redlock.clone(), &load).await?;
                let cpu = (meter::cpu() - cpu).as_secs_f64() * 1e6;
                println!("cost {cpu} {}", run.all_cycles());
            }
        }
    }
    drop(guards);
    Ok(())
}
