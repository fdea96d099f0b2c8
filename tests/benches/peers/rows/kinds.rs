//! Readers and permits: what the first reader pays, how fast readers of one key are, and how busy a semaphore is kept.

use std::time::Duration;

use super::handover::{best_delay, ideal};
use crate::{
    contender::{self, Contender, Kind},
    load::{Hold, Keys, Load, Run},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

const ONE: &str = "One task, uncontended: a plain lock and a reader";
const READERS: &str = "32 readers of one key in one process, empty body";
const PERMITS: &str = "Semaphore of 16, 64 tasks, 1 ms body";
const P50: &str = "acquire p50 µs";
const P99: &str = "acquire p99 µs";
const RATE: &str = "acquisitions/s";
const BUSY: &str = "of 16 busy";
const BODY: Duration = Duration::from_millis(1);
/// The semaphore, and the tasks that share it.
const SIZE: u32 = 16;
const TASKS: usize = 64;

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    read_acquire(stage, report).await?;
    readers(stage, report).await?;
    permits(stage, report).await?;
    println!();
    Ok(())
}

async fn read_acquire(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let contenders = contender::connect(&[Kind::Fenced, Kind::Readers], &stage.urls).await?;
    let mut sheet = Sheet::new(ONE);
    for rep in 0..stage.reps {
        for contender in contender::in_turn(&contenders, rep) {
            let load = |time| Load::new(1, Keys::Each(fresh("one")), time);
            contender.run(&load(stage.time(200, 50))).await?;
            let run = contender.run(&load(stage.time(2_000, 400))).await?;
            let waits = run.waits();
            sheet.failures(contender.name, &run);
            sheet.push(contender.name, P50, waits.at(0.5) / 1e3);
            sheet.push(contender.name, P99, waits.at(0.99) / 1e3);
            sheet.push(contender.name, RATE, run.rate());
        }
    }
    let p50 = |kind: Kind| sheet.series(kind.name(), P50);
    let ratio = p50(Kind::Readers).over(&p50(Kind::Fenced));
    report.add(sheet);
    report.ratio("read-acquire", &ratio);
    Ok(())
}

async fn readers(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let delay = best_delay(stage, Duration::ZERO).await?;
    let kinds = [Kind::Readers, Kind::Fenced, Kind::Rslock(delay)];
    let contenders = contender::connect(&kinds, &stage.urls).await?;
    let mut sheet = Sheet::new(READERS);
    for rep in 0..stage.reps {
        for contender in contender::in_turn(&contenders, rep) {
            let load = Load::new(32, Keys::One(fresh("read")), stage.time(3_000, 600));
            let run = contender.run(&load).await?;
            sheet.failures(contender.name, &run);
            sheet.push(contender.name, RATE, run.rate());
        }
    }
    let millis = delay.as_millis();
    sheet.note(format!(
        "the other two lock exclusively; rslock with a retry delay of {millis} ms, the best for it here"
    ));
    let rate = |kind: Kind| sheet.series(kind.name(), RATE);
    let ratio = rate(Kind::Readers).over(&rate(Kind::RSLOCK));
    report.add(sheet);
    report.ratio("readers-32", &ratio);
    Ok(())
}

async fn permits(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let kind = Kind::Permits(SIZE);
    let contender = kind.connect(&stage.urls).await?;
    let mut sheet = Sheet::new(PERMITS);
    for _ in 0..stage.reps {
        let bodies = ideal(BODY, stage.time(1_000, 200)).await?;
        let run = run(&contender, stage.time(3_000, 600)).await?;
        sheet.failures(contender.name, &run);
        sheet.push(contender.name, RATE, run.rate());
        sheet.push(contender.name, P99, run.waits().at(0.99) / 1e3);
        sheet.push(contender.name, BUSY, busy(&run)?);
        let back_to_back = bodies * f64::from(SIZE);
        sheet.push("16 tasks without a lock", RATE, back_to_back);
    }
    let busy = sheet.series(contender.name, BUSY);
    report.add(sheet);
    report.ratio("permits-16", &busy);
    Ok(())
}

async fn run(contender: &Contender, time: Duration) -> Outcome<Run> {
    let load = Load::new(TASKS, Keys::One(fresh("permit")), time);
    contender.run(&load.body(BODY)).await
}

/// The part of the permits that was in use, on average over the time. More than all of them at once is an error.
fn busy(run: &Run) -> Outcome<f64> {
    let mut changes = Vec::new();
    let mut sum = 0;
    for Hold { entered, left, .. } in run.holds() {
        sum += left - entered;
        changes.push((*entered, 1));
        changes.push((*left, -1));
    }
    // At the same nanosecond, an end comes before a beginning.
    changes.sort_unstable();
    let mut held = 0;
    for (_, change) in changes {
        held += change;
        if held > i64::from(SIZE) {
            return Err(format!("{held} of {SIZE} permits were held at a time").into());
        }
    }
    Ok(sum as f64 / run.time.as_nanos() as f64 / f64::from(SIZE))
}
