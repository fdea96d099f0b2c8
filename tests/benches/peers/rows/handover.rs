//! 32 tasks of one process want the same key: how fast it goes from hand to hand, and how fairly.

use std::time::Duration;

use crate::{
    body::Body,
    contender::{self, Contender, Kind},
    load::{Keys, Load, Run, audit},
    meter,
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

pub(crate) const EMPTY: &str = "32 tasks, one key, empty body";
pub(crate) const LASTING: &str = "32 tasks, one key, 1 ms body";
pub(crate) const RATE: &str = "acquisitions/s";
const OF_IDEAL: &str = "of ideal";
const UNFAIR: &str = "most/least served";
const COMMANDS: &str = "commands/acquisition/node";
const P50: &str = "wait p50 ms";
const P99: &str = "wait p99 ms";
const OVERLAPS: &str = "held twice";
const IDEAL: &str = "bodies back to back";
pub(super) const BODY: Duration = Duration::from_millis(1);

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let lasting = sheet(stage, LASTING, BODY).await?;
    let empty = sheet(stage, EMPTY, Duration::ZERO).await?;
    let ours = Kind::Fenced.name();
    let handover = lasting.series(ours, OF_IDEAL);
    let over_rslock = empty
        .series(ours, RATE)
        .over(&empty.series(Kind::RSLOCK.name(), RATE));
    let unfair = lasting
        .series(ours, UNFAIR)
        .with(&empty.series(ours, UNFAIR), f64::max);
    let commands = lasting
        .series(ours, COMMANDS)
        .with(&empty.series(ours, COMMANDS), f64::max);
    report.add(lasting);
    report.add(empty);
    report.ratio("handover", &handover);
    report.ratio("handover-empty", &over_rslock);
    // Of both bodies, the worse one.
    report.ratio("fairness", &unfair);
    report.ratio("commands", &commands);
    println!();
    Ok(())
}

async fn sheet(stage: &Stage, title: &'static str, body: Duration) -> Outcome<Sheet> {
    let mut sheet = Sheet::new(title);
    let delay = best_delay(stage, body).await?;
    let kinds = [Kind::Fenced, Kind::Rslock(delay), Kind::Peer(delay)];
    let contenders = contender::connect(&kinds, &stage.urls).await?;
    for rep in 0..stage.reps {
        let ideal = if body.is_zero() {
            f64::NAN
        } else {
            ideal(body, stage.time(1_000, 200)).await?
        };
        if !body.is_zero() {
            sheet.push(IDEAL, RATE, ideal);
        }
        for contender in contender::in_turn(&contenders, rep) {
            let plain = contender.name != Kind::Fenced.name();
            let before = stage.commands(plain).await;
            // Turns are whole: in a half of this, one more is 2 %.
            let run = run(contender, body, stage.time(6_000, 600)).await?;
            let commands = stage.commands(plain).await - before;
            let overlaps = audit(
                contender.name,
                !plain,
                run.tasks.iter().flat_map(|log| &log.holds),
            )?;
            let waits = run.waits();
            sheet.failures(contender.name, &run);
            sheet.push(contender.name, RATE, run.rate());
            if !body.is_zero() {
                sheet.push(contender.name, OF_IDEAL, run.rate() / ideal);
            }
            sheet.push(contender.name, UNFAIR, run.unfairness());
            let acquisitions = run.all_cycles().max(1) * Stage::NODES;
            sheet.push(
                contender.name,
                COMMANDS,
                commands as f64 / acquisitions as f64,
            );
            sheet.push(contender.name, P50, waits.at(0.5) / 1e6);
            sheet.push(contender.name, P99, waits.at(0.99) / 1e6);
            sheet.push(contender.name, OVERLAPS, overlaps as f64);
        }
    }
    let millis = delay.as_millis();
    sheet.note(format!(
        "peers with a retry delay of {millis} ms, the best for rslock here (their default: 200 ms)"
    ));
    Ok(sheet)
}

async fn run(contender: &Contender, body: Duration, time: Duration) -> Outcome<Run> {
    contender
        .run(&Load::new(32, Keys::One(fresh("hand")), time).body(body))
        .await
}

/// The bodies with nothing between them, a second.
pub(super) async fn ideal(body: Duration, time: Duration) -> Outcome<f64> {
    let bodies = tokio::spawn(async move {
        let body = Body::of(body)?;
        let begun = meter::now();
        let mut count = 0_u32;
        loop {
            body.run().await?;
            count += 1;
            let passed = meter::now() - begun;
            if u128::from(passed) >= time.as_nanos() {
                return Outcome::Ok(f64::from(count) * 1e9 / passed as f64);
            }
        }
    });
    bodies.await?
}

/// The retry delay with which `rslock` does best.
pub(super) async fn best_delay(stage: &Stage, body: Duration) -> Outcome<Duration> {
    let delays: &[u64] = if stage.quick {
        &[5, 20]
    } else {
        &[1, 2, 5, 10, 20, 50, 200]
    };
    let mut best = (0.0, Duration::from_millis(200));
    for delay in delays.iter().map(|millis| Duration::from_millis(*millis)) {
        let contender = Kind::Rslock(delay).connect(&stage.urls).await?;
        let rate = run(&contender, body, stage.time(1_500, 300)).await?.rate();
        if rate > best.0 {
            best = (rate, delay);
        }
    }
    Ok(best.1)
}
