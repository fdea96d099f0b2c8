//! A soak: every minute, a summary and a check of the history so far, so that a violation ends the
//! run early.

use std::future::pending;
use std::path::Path;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::harness::Harness;
use super::recovery::largest_memory;
use crate::args::{Problem, Settings};
use crate::check::{self, Check, Run};
use crate::history::{Event, History};
use crate::nemesis::FaultCounts;
use crate::report;
use crate::timestamp::{Timestamp, now};

const INTERVAL: Duration = Duration::from_secs(60);
/// A summary reads the whole history, which may take at most this part of the time.
const SHARE: u32 = 10;

/// Resolves at the first violation, or never.
pub(super) async fn watch(harness: &Harness, settings: &Settings, counts: &FaultCounts) -> Problem {
    if !settings.soak {
        return pending().await;
    }
    let (start, began) = (Instant::now(), now());
    let mut pause = INTERVAL;
    loop {
        sleep(pause).await;
        let looked = Instant::now();
        match look(harness, settings, began).await {
            Ok((run, checks)) => {
                let memory = largest_memory(harness);
                report::summary(start.elapsed(), &run, &checks, counts, memory);
                if checks.iter().any(|check| !check.violations.is_empty()) {
                    return format!("violations after {:.0?}", start.elapsed()).into();
                }
            }
            Err(problem) => return problem,
        }
        pause = INTERVAL.max(looked.elapsed() * SHARE);
    }
}

async fn look(
    harness: &Harness,
    settings: &Settings,
    began: Timestamp,
) -> Result<(Run, Vec<Check>), Problem> {
    let (folder, events) = (harness.folder.clone(), harness.events.all());
    let strict = settings.guard == redlock::RestartGuard::Strict;
    // Parsing must not hold up the proxies, which run on this thread.
    let checked = spawn_blocking(move || {
        let run = read(&folder, events, began, strict).map_err(|error| error.to_string())?;
        let checks = check::during_faults(&run);
        Ok::<_, String>((run, checks))
    });
    Ok(checked.await??)
}

fn read(folder: &Path, events: Vec<Event>, began: Timestamp, strict: bool) -> Result<Run, Problem> {
    let until = now();
    let mut history = History::read(folder)?;
    // A grant that returned later may follow a release that was not written when its file was read.
    history.grants.retain(|grant| grant.returned < until);
    // So may a read follow a write.
    history.reads.retain(|read| read.returned < until);
    Ok(Run {
        history,
        events,
        counters: Vec::new(),
        recovery: None,
        faults: (began, until),
        strict,
        control: None,
    })
}
