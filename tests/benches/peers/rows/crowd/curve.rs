//! From one task to 32,000: cycles a second, and how long an acquire takes.

use std::time::Duration;

use crate::{
    contender::{self, Kind},
    load::{Keys, Load},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

pub(crate) const TITLE: &str = "From 1 to 32 000 tasks, distinct keys";
pub(crate) const TASKS: [usize; 9] = [1, 4, 16, 64, 512, 2_000, 8_000, 16_000, 32_000];

/// Above this many tasks, a cycle of `rslock` takes longer than is measured.
const MAX_RSLOCK_TASKS: usize = 8_000;

/// What is measured of a contender.
pub(crate) struct Curve {
    pub(crate) kind: Kind,
    pub(crate) rate: &'static str,
    pub(crate) p50: &'static str,
    pub(crate) p99: &'static str,
    failed: &'static str,
}

pub(crate) const CURVES: [Curve; 3] = [
    Curve {
        kind: Kind::Fenced,
        rate: "this crate, fenced: cycles/s",
        p50: "p50 ms",
        p99: "p99 ms",
        failed: "errors",
    },
    Curve {
        kind: Kind::RawFenced,
        rate: "raw sockets, fenced: cycles/s",
        p50: "raw p50 ms",
        p99: "raw p99 ms",
        failed: "raw errors",
    },
    Curve {
        kind: Kind::RSLOCK,
        rate: "rslock: cycles/s",
        p50: "rslock p50 ms",
        p99: "rslock p99 ms",
        failed: "rslock errors",
    },
];

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let kinds = CURVES.each_ref().map(|curve| curve.kind);
    // Before they connect: a client has no vote from nodes that lost their keys under its eyes.
    stage.clean().await?;
    let contenders = contender::connect(&kinds, &stage.urls).await?;
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        for tasks in TASKS {
            for contender in contender::in_turn(&contenders, rep) {
                let curve = CURVES
                    .iter()
                    .find(|curve| curve.kind.name() == contender.name)
                    .ok_or("a contender without a curve")?;
                if curve.kind == Kind::RSLOCK && tasks > MAX_RSLOCK_TASKS {
                    continue;
                }
                let load = |time| Load::new(tasks, Keys::Each(fresh("curve")), time);
                contender.run(&load(stage.time(300, 100))).await?;
                let run = contender.run(&load(stage.time(2_000, 400))).await?;
                let who = row(tasks);
                let waits = run.waits();
                sheet.push(&who, curve.rate, run.rate());
                sheet.push(&who, curve.p50, waits.at(0.5) / 1e6);
                sheet.push(&who, curve.p99, waits.at(0.99) / 1e6);
                let failed = run.failures().map_or(0, |(failed, _)| failed);
                sheet.push(&who, curve.failed, failed as f64);
                // What a contender left behind is not the next one's load.
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    sheet.note(format!("rslock: up to {MAX_RSLOCK_TASKS} tasks"));
    report.add(sheet);
    Ok(())
}

/// The name of the row in the table.
pub(crate) fn row(tasks: usize) -> String {
    format!("{tasks} tasks")
}
