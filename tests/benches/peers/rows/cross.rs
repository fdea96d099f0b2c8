//! Four processes with eight tasks each want the same key, for a millisecond at a time.

use futures_util::future::try_join_all;

use super::handover::{BODY, best_delay, ideal};
use crate::{
    child::Child,
    contender::Kind,
    load::{Hold, audit},
    meter,
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
    stats::Sorted,
};

pub(crate) const TITLE: &str = "4 processes x 8 tasks, one key, 1 ms body";
const RATE: &str = "acquisitions/s";
pub(crate) const OF_IDEAL: &str = "of ideal";
const SHARE: &str = "most/least served process";
const P50: &str = "wait p50 ms";
pub(crate) const P99: &str = "wait p99 ms";
const SPREAD: &str = "wait p99/p50";
const COMMANDS: &str = "commands/acquisition/node";
const OVERLAPS: &str = "held twice";
const IDEAL: &str = "bodies back to back";
const PROCESSES: usize = 4;
const TASKS: usize = 8;

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let delay = best_delay(stage, BODY).await?;
    let kinds = [Kind::Fenced, Kind::Rslock(delay), Kind::Peer(delay)];
    let time = stage.time(4_000, 800);
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        let ideal = ideal(BODY, stage.time(1_000, 200)).await?;
        sheet.push(IDEAL, RATE, ideal);
        for turn in 0..kinds.len() {
            let kind = kinds[(rep + turn) % kinds.len()];
            let before = stage.commands(kind != Kind::Fenced).await;
            let by_process = contend(stage, kind, time).await?;
            let commands = stage.commands(kind != Kind::Fenced).await - before;
            let served = by_process.iter().map(Vec::len);
            let (least, most) = served.fold((usize::MAX, 0), |(least, most), n| {
                (least.min(n), most.max(n))
            });
            let all: Vec<Hold> = by_process.into_iter().flatten().collect();
            let overlaps = audit(kind.name(), kind == Kind::Fenced, all.iter())?;
            let waits = Sorted::new(
                all.iter()
                    .map(|hold| hold.entered.saturating_sub(hold.asked))
                    .collect(),
            );
            let rate = all.len() as f64 / time.as_secs_f64();
            sheet.push(kind.name(), RATE, rate);
            sheet.push(kind.name(), OF_IDEAL, rate / ideal);
            sheet.push(kind.name(), SHARE, most as f64 / least as f64);
            sheet.push(kind.name(), P50, waits.at(0.5) / 1e6);
            sheet.push(kind.name(), P99, waits.at(0.99) / 1e6);
            sheet.push(kind.name(), SPREAD, waits.at(0.99) / waits.at(0.5));
            sheet.push(
                kind.name(),
                COMMANDS,
                commands as f64 / (all.len().max(1) * Stage::NODES) as f64,
            );
            sheet.push(kind.name(), OVERLAPS, overlaps as f64);
        }
    }
    let millis = delay.as_millis();
    sheet.note(format!(
        "peers with a retry delay of {millis} ms, the best for rslock in one process"
    ));
    let ours = |what| sheet.series(Kind::Fenced.name(), what);
    let (of_ideal, share, spread) = (ours(OF_IDEAL), ours(SHARE), ours(SPREAD));
    report.add(sheet);
    report.ratio("cross-process", &of_ideal);
    report.ratio("cross-share", &share);
    report.ratio("cross-wait", &spread);
    println!();
    Ok(())
}

/// The holds by process.
async fn contend(stage: &Stage, kind: Kind, time: std::time::Duration) -> Outcome<Vec<Vec<Hold>>> {
    let settings = [
        ("contender", kind.word()),
        ("tasks", TASKS.to_string()),
        ("key", fresh("cross")),
        ("body_us", BODY.as_micros().to_string()),
        ("time_ms", time.as_millis().to_string()),
    ];
    let mut children = Vec::with_capacity(PROCESSES);
    for _ in 0..PROCESSES {
        children.push(Child::start(stage, "contend", &settings)?);
    }
    for child in &mut children {
        child.hear("ready").await?;
    }
    let start = meter::now() + 50_000_000;
    try_join_all(children.into_iter().map(async |mut child| {
        child.tell(&start.to_string()).await?;
        child
            .hear("holds")
            .await?
            .split(',')
            .filter(|hold| !hold.is_empty())
            .map(read)
            .collect::<Outcome<Vec<_>>>()
    }))
    .await
}

fn read(text: &str) -> Outcome<Hold> {
    let mut numbers = text.split(' ').map(str::parse::<u64>);
    let mut next = || numbers.next().ok_or("half a hold");
    Ok(Hold {
        asked: next()??,
        entered: next()??,
        left: next()??,
        token: next()??,
    })
}
