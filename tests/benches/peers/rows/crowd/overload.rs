//! Many more tasks than can be served at a time, and locks that are renewed beside them.

use std::time::Duration;

use redlock::{Guard, Redlock};
use tokio::task::JoinSet;

use crate::{
    contender::{connect_ours, ours_load},
    load::{Keys, Load, drive},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

const TITLE: &str = "Distinct keys, fenced, 100 renewed locks beside them";
const RATE: &str = "cycles/s";
const P50: &str = "acquire p50 ms";
const P99: &str = "acquire p99 ms";
const CLIENT: &str = "client CPU µs/cycle";
/// Of all servers together.
const SERVER: &str = "server CPU µs/cycle";
const FAILED: &str = "errors";
const LOST: &str = "renewed locks lost";
/// Short, so that each is renewed beside the tasks.
const TTL: Duration = Duration::from_secs(3);
const HELD: usize = 100;

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let few = 512;
    let many = if stage.quick { 4_000 } else { 16_000 };
    let redlock = connect_ours(&stage.urls, true).await?;
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        let counts = if rep % 2 == 0 {
            [few, many]
        } else {
            [many, few]
        };
        for tasks in counts {
            let held = hold(&redlock).await?;
            let load = |time| Load::new(tasks, Keys::Each(fresh("crowd")), time);
            drive(|| redlock.clone(), &load(stage.time(500, 100))).await?;
            let before = stage.server_cpu().await?;
            let run = drive(|| redlock.clone(), &load(stage.time(4_000, 800))).await?;
            let server_cpu = stage.server_cpu().await?.saturating_sub(before);
            let lost = held.iter().filter(|guard| guard.is_lost()).count();
            let who = row(tasks);
            let waits = run.waits();
            sheet.failures(&who, &run);
            sheet.push(&who, RATE, run.rate());
            sheet.push(&who, P50, waits.at(0.5) / 1e6);
            sheet.push(&who, P99, waits.at(0.99) / 1e6);
            let cycles = run.all_cycles().max(1) as f64;
            sheet.push(&who, CLIENT, run.cpu_per_cycle());
            sheet.push(&who, SERVER, server_cpu.as_secs_f64() * 1e6 / cycles);
            let failed = run.failures().map_or(0, |(failed, _)| failed);
            sheet.push(&who, FAILED, failed as f64);
            sheet.push(&who, LOST, lost as f64);
        }
    }
    let ratio = sheet
        .series(&row(many), RATE)
        .over(&sheet.series(&row(few), RATE));
    let failed = sheet.series(&row(many), FAILED);
    let lost = sheet.series(&row(many), LOST);
    report.add(sheet);
    report.ratio("overload", &ratio);
    report.ratio("overload-errors", &failed);
    report.ratio("overload-lost", &lost);
    println!();
    Ok(())
}

async fn hold(redlock: &Redlock) -> Outcome<Vec<Guard>> {
    let mut held = JoinSet::new();
    for _ in 0..HELD {
        let request = ours_load(redlock, &fresh("renewed"));
        held.spawn(async move { request.ttl(TTL).keep_alive(true).await });
    }
    let mut guards = Vec::with_capacity(HELD);
    while let Some(guard) = held.join_next().await {
        guards.push(guard??);
    }
    Ok(guards)
}

fn row(tasks: usize) -> String {
    format!("{tasks} tasks")
}
