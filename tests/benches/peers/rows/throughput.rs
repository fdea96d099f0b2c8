//! 512 tasks, each with a key of its own: cycles a second, and the CPU they take.

use crate::{
    contender::{self, Kind},
    load::{Keys, Load},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

pub(crate) const PLAIN: &str = "512 tasks, distinct keys, without fencing";
pub(crate) const FENCED: &str = "512 tasks, distinct keys, fenced";
pub(crate) const RATE: &str = "cycles/s";
pub(crate) const CPU: &str = "client CPU µs/cycle";
/// Of all servers together.
const SERVER_CPU: &str = "server CPU µs/cycle";
const P50: &str = "acquire p50 µs";
const P99: &str = "acquire p99 µs";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let plain = [
        Kind::Plain,
        Kind::RawPlain,
        Kind::RedisPlain,
        Kind::RSLOCK,
        Kind::PEER,
    ];
    let fenced = [
        Kind::Fenced,
        Kind::RawFenced,
        Kind::RawBatched,
        Kind::RedisFenced,
    ];
    let plain = sheet(stage, PLAIN, &plain).await?;
    let fenced = sheet(stage, FENCED, &fenced).await?;
    let over = |sheet: &Sheet, what: &str, a: Kind, b: Kind| {
        sheet
            .series(a.name(), what)
            .over(&sheet.series(b.name(), what))
    };
    let plain_rate = over(&plain, RATE, Kind::Plain, Kind::RawPlain);
    let fenced_rate = over(&fenced, RATE, Kind::Fenced, Kind::RawFenced);
    let batched_rate = over(&fenced, RATE, Kind::Fenced, Kind::RawBatched);
    let server_cpu = over(&fenced, SERVER_CPU, Kind::Fenced, Kind::RawFenced);
    let rslock_rate = over(&plain, RATE, Kind::Plain, Kind::RSLOCK);
    let plain_cpu = over(&plain, CPU, Kind::Plain, Kind::RedisPlain);
    let fenced_cpu = over(&fenced, CPU, Kind::Fenced, Kind::RedisFenced);
    let ours = |what| fenced.series(Kind::Fenced.name(), what);
    let tail = ours(P99).over(&ours(P50));
    report.add(plain);
    report.add(fenced);
    report.ratio("throughput-512-plain", &plain_rate);
    report.ratio("throughput-512-fenced", &fenced_rate);
    report.ratio("throughput-512-batched", &batched_rate);
    report.ratio("server-512", &server_cpu);
    report.ratio("throughput-512-rslock", &rslock_rate);
    // The goal is for both: the worse one counts.
    report.ratio("cpu-512", &plain_cpu.with(&fenced_cpu, f64::max));
    report.ratio("cpu-512-of-plain", &plain_cpu);
    report.ratio("cpu-512-of-fenced", &fenced_cpu);
    report.ratio("tail-512", &tail);
    println!();
    Ok(())
}

async fn sheet(stage: &Stage, title: &'static str, kinds: &[Kind]) -> Outcome<Sheet> {
    let contenders = contender::connect(kinds, &stage.urls).await?;
    let mut sheet = Sheet::new(title);
    for rep in 0..stage.reps {
        for contender in contender::in_turn(&contenders, rep) {
            let load = |time| Load::new(512, Keys::Each(fresh("many")), time);
            contender.run(&load(stage.time(300, 100))).await?;
            let before = stage.server_cpu().await?;
            let run = contender.run(&load(stage.time(2_000, 400))).await?;
            let server_cpu = stage.server_cpu().await?.saturating_sub(before);
            let waits = run.waits();
            sheet.failures(contender.name, &run);
            sheet.push(contender.name, RATE, run.rate());
            sheet.push(contender.name, CPU, run.cpu_per_cycle());
            // With the cycles that end after the time, as the CPU time has.
            let per_cycle = server_cpu.as_secs_f64() * 1e6 / run.all_cycles().max(1) as f64;
            sheet.push(contender.name, SERVER_CPU, per_cycle);
            sheet.push(contender.name, P50, waits.at(0.5) / 1e3);
            sheet.push(contender.name, P99, waits.at(0.99) / 1e3);
        }
    }
    Ok(sheet)
}
