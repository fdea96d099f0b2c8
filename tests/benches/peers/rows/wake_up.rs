//! One process releases, another one waits: how long until it holds.

use std::time::Duration;

use redis::cmd;

use crate::{
    child::Child,
    contender::{Contender, Kind},
    load::{Keys, Load},
    meter,
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
    stats::Sorted,
};

const TITLE: &str = "Release in one process to acquire in another";
const P50: &str = "p50 µs";
const P99: &str = "p99 µs";
const IDLE: &str = "quorum round trip, after idling";
const BUSY: &str = "quorum round trip, back to back";
const PING: &str = "PING of one node";
/// A retry delay that costs the peers no more commands than they have to spend.
const DELAY: Duration = Duration::from_millis(5);

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let raw = Kind::RawFenced.connect(&stage.urls).await?;
    let kinds = [Kind::Fenced, Kind::Rslock(DELAY), Kind::Peer(DELAY)];
    let mut contenders = Vec::new();
    for kind in kinds {
        let mut child = Child::start(stage, "wake", &[("contender", kind.word())])?;
        child.hear("ready").await?;
        contenders.push((kind.connect(&stage.urls).await?, child));
    }
    let samples = if stage.quick { 10 } else { 60 };
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        let time = stage.time(500, 150);
        let trip = raw
            .run(&Load::new(1, Keys::Each(fresh("trip")), time))
            .await?;
        sheet.push(BUSY, P50, trip.waits().at(0.5) / 1e3);
        sheet.push(BUSY, P99, trip.waits().at(0.99) / 1e3);
        let pings = pings(stage, samples * 10).await?;
        sheet.push(PING, P50, pings.at(0.5) / 1e3);
        sheet.push(PING, P99, pings.at(0.99) / 1e3);
        let idle = idle(&raw, samples).await?;
        sheet.push(IDLE, P50, idle.at(0.5) / 1e3);
        sheet.push(IDLE, P99, idle.at(0.99) / 1e3);
        for (contender, child) in &mut contenders {
            let mut woken = Vec::with_capacity(samples);
            while woken.len() < samples {
                woken.extend(one(contender, child).await?);
            }
            let woken = Sorted::new(woken);
            sheet.push(contender.name, P50, woken.at(0.5) / 1e3);
            sheet.push(contender.name, P99, woken.at(0.99) / 1e3);
        }
    }
    sheet.note(format!(
        "peers with a retry delay of {} ms (their default: 200 ms)",
        DELAY.as_millis()
    ));
    sheet.note("round trip: the acquire script to a majority over raw sockets; who waits for a lock has idled");
    let ours = sheet.series(Kind::Fenced.name(), P50);
    let ratio = ours.over(&sheet.series(IDLE, P50));
    let busy = ours.over(&sheet.series(BUSY, P50));
    let pings = ours.over(&sheet.series(PING, P50));
    report.add(sheet);
    report.ratio("wake-up", &ratio);
    report.ratio("wake-up-over-busy", &busy);
    report.ratio("wake-up-over-ping", &pings);
    println!();
    Ok(())
}

/// Nanoseconds from the release here to the acquire there; none when the other one was first.
async fn one(contender: &Contender, child: &mut Child) -> Outcome<Option<u64>> {
    let held_for = pause();
    let key = fresh("wake");
    let hold = Load::new(1, Keys::One(key.clone()), Duration::from_micros(200)).body(held_for);
    let ask = async {
        // The lock is held here by then.
        tokio::time::sleep(Duration::from_millis(10)).await;
        child.tell(&key).await?;
        child.hear("asking").await?;
        child.hear("got").await
    };
    let (held, got) = tokio::join!(contender.run(&hold), ask);
    let held = held?;
    let held = held.tasks[0].holds.first().ok_or("the lock was not held")?;
    let got: u64 = got?.parse()?;
    if got < held.entered {
        return Ok(None);
    }
    match got.checked_sub(held.left) {
        Some(nanos) => Ok(Some(nanos)),
        None => Err(format!("{}: two processes held one lock", contender.name).into()),
    }
}

/// Long enough that who waits sleeps, and never in step with what it sleeps.
fn pause() -> Duration {
    Duration::from_micros(25_000 + u64::from(rand::random::<u16>()) % 20_000)
}

/// Acquires of the raw floor, each after a pause like that of who waits.
async fn idle(raw: &Contender, count: usize) -> Outcome<Sorted> {
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        tokio::time::sleep(pause()).await;
        let once = Load::new(1, Keys::Each(fresh("idle")), Duration::from_micros(1));
        let run = raw.run(&once).await?;
        let hold = run.tasks[0].holds.first().ok_or("the floor held nothing")?;
        samples.push(hold.entered - hold.asked);
    }
    Ok(Sorted::new(samples))
}

/// Round trips of one command to one node.
async fn pings(stage: &Stage, count: usize) -> Outcome<Sorted> {
    let mut connection = stage.cluster.node(0).client().await;
    let pinging = tokio::spawn(async move {
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = meter::now();
            cmd("PING").query_async::<String>(&mut connection).await?;
            samples.push(meter::now() - begun);
        }
        Outcome::Ok(samples)
    });
    Ok(Sorted::new(pinging.await??))
}
