//! One task, nobody else: how long an acquire takes.

use crate::{
    contender::{self, Kind},
    load::{Keys, Load},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

pub(crate) const TITLE: &str = "One task, uncontended";
pub(crate) const P50: &str = "acquire p50 µs";
const P99: &str = "acquire p99 µs";
const CYCLE: &str = "cycles/s";
const CPU: &str = "client CPU µs/cycle";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let kinds = [
        Kind::Fenced,
        Kind::RawFenced,
        Kind::RuntimeFenced,
        Kind::RedisFenced,
        Kind::Plain,
        Kind::RawPlain,
        Kind::RSLOCK,
        Kind::PEER,
    ];
    let contenders = contender::connect(&kinds, &stage.urls).await?;
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        for contender in contender::in_turn(&contenders, rep) {
            let load = |time| Load::new(1, Keys::Each(fresh("one")), time);
            contender.run(&load(stage.time(200, 50))).await?;
            let run = contender.run(&load(stage.time(2_000, 400))).await?;
            let waits = run.waits();
            sheet.failures(contender.name, &run);
            sheet.push(contender.name, P50, waits.at(0.5) / 1e3);
            sheet.push(contender.name, P99, waits.at(0.99) / 1e3);
            sheet.push(contender.name, CYCLE, run.rate());
            sheet.push(contender.name, CPU, run.cpu_per_cycle());
        }
    }
    let p50 = |kind: Kind| sheet.series(kind.name(), P50);
    let ratio = p50(Kind::Fenced).over(&p50(Kind::RawFenced));
    let runtime = p50(Kind::Fenced).over(&p50(Kind::RuntimeFenced));
    report.add(sheet);
    report.ratio("latency-1", &ratio);
    // What is left when the runtime, which an async program has anyway, is not held against it.
    report.ratio("latency-1-over-tokio", &runtime);
    println!();
    Ok(())
}
