//! What the tower layer adds to a request: to one that it lets pass, and to one that it guards, beyond the lock.

use std::{process::Command, time::Duration};

use axum::body::Bytes;
use http::{HeaderValue, Method, Request};
use http_body_util::Empty;
use redlock::{Redlock, memory::Nodes};
use redlock_tower::{RedlockLayer, key};
use tokio::runtime::Builder;
use tower::{Layer, Service};

use crate::{
    meter,
    nodes::Stage,
    outcome::Outcome,
    passing::{Passes, Plain, call},
    report::{Report, Sheet},
    stats::Sorted,
};

const TITLE: &str = "The layer";
const NANOS: &str = "adds ns";
const ALLOCATIONS: &str = "adds allocations";
const MICROS: &str = "adds µs";
const WHOLE: &str = "in all µs";
const GET: &str = "passes: GET";
const NO_KEY: &str = "passes: POST without a key";
const GUARDED: &str = "guarded, nodes in memory";
const HEADER: &str = "x-user-id";
const USER: &str = "alice";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let mut sheet = Sheet::new(TITLE);
    let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    for _ in 0..stage.reps {
        for (name, passes) in [(GET, Passes::Get), (NO_KEY, Passes::NoKey)] {
            let (redlock, time) = (redlock.clone(), stage.time(500, 100));
            let added =
                tokio::task::spawn_blocking(move || passing(&redlock, passes, time)).await?;
            sheet.push(name, NANOS, added);
        }
        let time = stage.time(2_000, 300);
        let (bare, layered) = tokio::task::spawn_blocking(move || guarded(time)).await??;
        sheet.push(GUARDED, MICROS, (layered - bare) / 1e3);
        sheet.push(GUARDED, WHOLE, layered / 1e3);
    }
    let counted = allocations()?;
    sheet.push(GET, ALLOCATIONS, counted.0);
    sheet.push(NO_KEY, ALLOCATIONS, counted.1);
    let worse = |what| {
        sheet
            .series(GET, what)
            .with(&sheet.series(NO_KEY, what), f64::max)
    };
    let (nanos, allocations, micros) = (
        worse(NANOS),
        worse(ALLOCATIONS),
        sheet.series(GUARDED, MICROS),
    );
    report.add(sheet);
    report.ratio("layer-pass-ns", &nanos);
    report.ratio("layer-pass-allocations", &allocations);
    report.ratio("layer-guarded-us", &micros);
    println!();
    Ok(())
}

/// Nanoseconds that the layer adds to a request that it lets pass.
fn passing(redlock: &Redlock, passes: Passes, time: Duration) -> f64 {
    const BATCH: u64 = 2_000;
    let mut plain = Plain;
    let mut layered = RedlockLayer::new(redlock.clone(), key::header(HEADER)).layer(Plain);
    let (mut without, mut with) = (Vec::new(), Vec::new());
    let begun = meter::now();
    // In turns, so that both meet the same noise.
    while u128::from(meter::now() - begun) < time.as_nanos() {
        without.push(timed(|| {
            (0..BATCH).for_each(|_| call(&mut plain, passes.request()));
        }));
        with.push(timed(|| {
            (0..BATCH).for_each(|_| call(&mut layered, passes.request()));
        }));
    }
    (Sorted::new(with).at(0.5) - Sorted::new(without).at(0.5)) / BATCH as f64
}

fn timed(work: impl FnOnce()) -> u64 {
    let begun = meter::now();
    work();
    meter::now() - begun
}

/// Nanoseconds of a service under a lock taken by hand, and by the layer: the same lock, on one thread. With more of them,
/// both vary by the wake-ups of threads, which take a multiple of what the layer adds.
fn guarded(time: Duration) -> Outcome<(f64, f64)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
        let layer = RedlockLayer::new(redlock.clone(), key::header(HEADER));
        let key = layer.key_of(&request().into_parts().0).await?;
        let key = key.ok_or("the request has no key")?;
        let (mut plain, mut layered) = (Plain, layer.layer(Plain));
        let (mut without, mut with) = (Vec::new(), Vec::new());
        let begun = meter::now();
        // In turns, so that both meet the same noise.
        while u128::from(meter::now() - begun) < time.as_nanos() {
            let started = meter::now();
            let guard = redlock.lock(key.as_str()).await?;
            drop(plain.call(request()).await?);
            guard.release().await?;
            without.push(meter::now() - started);
            let started = meter::now();
            let status = layered.call(request()).await?.status();
            with.push(meter::now() - started);
            if !status.is_success() {
                return Err(format!("the layer answered {status}").into());
            }
        }
        Ok((Sorted::new(without).at(0.5), Sorted::new(with).at(0.5)))
    })
}

fn request() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = Method::POST;
    request
        .headers_mut()
        .insert(HEADER, HeaderValue::from_static(USER));
    request
}

/// Counted by another program, so that nothing else pays for the counting.
fn allocations() -> Outcome<(f64, f64)> {
    let output = Command::new(env!("CARGO_BIN_EXE_allocations")).output()?;
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines().map(str::parse::<f64>);
    let mut next = || {
        lines
            .next()
            .ok_or("the counter of allocations said too little")
    };
    Ok((next()??, next()??))
}
