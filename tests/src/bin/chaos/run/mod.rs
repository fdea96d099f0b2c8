//! One run: start the processes, inject faults, recover, check, report.

pub(crate) mod harness;
pub(crate) mod process;
pub(crate) mod recovery;
mod soak;

use std::path::Path;
use std::time::Duration;

use tests::network::Network;
use tokio::task::LocalSet;

use crate::args::{Control, NetworkMode, Problem, Settings};
use crate::check::{self, Run};
use crate::config::{GUARD_TIME, NODES, SLOW_KEY};
use crate::history::History;
use crate::nemesis::{self, FaultCounts, plan};
use crate::report;
use crate::timestamp::now;
use harness::{Harness, networked_clients};

/// The error of a run that Ctrl-C ends.
const INTERRUPTED: &str = "interrupted";

/// The results of a run that are checked.
struct Outcome {
    run: Run,
    counts: FaultCounts,
    problems: Vec<String>,
}

/// Runs and reports. `unavailable` says why there can be no network. Returns whether the run
/// passed.
pub(crate) async fn run(settings: Settings, unavailable: Option<String>) -> Result<bool, Problem> {
    let folder = tempfile::Builder::new()
        .prefix("redlock-chaos-")
        .tempdir()?;
    let network = network(&settings, unavailable);
    report::head(&settings, network.as_ref());
    let network = match network {
        Ok(network) => Some(network),
        Err(reason) if needs_network(&settings) => {
            return Err(format!("no network faults: {reason}").into());
        }
        Err(_) => None,
    };
    let outcome = LocalSet::new()
        .run_until(async {
            tokio::select! {
                outcome = execute(&settings, network, folder.path()) => outcome,
                interrupted = tokio::signal::ctrl_c() => Err(match interrupted {
                    Ok(()) => INTERRUPTED.into(),
                    Err(error) => error.into(),
                }),
            }
        })
        .await;
    let passed = match &outcome {
        Ok(Outcome {
            run,
            counts,
            problems,
        }) => report::all(&settings, run, &check::all(run), counts, problems),
        Err(_) => false,
    };
    let interrupted = matches!(&outcome, Err(problem) if problem.to_string() == INTERRUPTED);
    if let Some(keep) = &settings.keep {
        std::fs::create_dir_all(keep)?;
        for entry in std::fs::read_dir(folder.path())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                std::fs::copy(entry.path(), keep.join(entry.file_name()))?;
            }
        }
        report::print(&format!("the histories are in {}", keep.display()));
    } else if !passed && settings.control.is_none() && !interrupted {
        report::print(&format!("the histories are in {}", folder.keep().display()));
    }
    outcome.map(|_| passed)
}

fn needs_network(settings: &Settings) -> bool {
    settings.network == NetworkMode::Required || settings.control == Some(Control::IgnoredLoss)
}

/// The network, or why there is none.
fn network(settings: &Settings, unavailable: Option<String>) -> Result<Network, String> {
    match unavailable {
        Some(reason) => Err(reason),
        None => Network::build(NODES, networked_clients(settings.workers))
            .map_err(|error| error.to_string()),
    }
}

async fn execute(
    settings: &Settings,
    network: Option<Network>,
    folder: &Path,
) -> Result<Outcome, Problem> {
    let networked = match network {
        Some(_) => networked_clients(settings.workers),
        None => 0,
    };
    let harness = Harness::start(settings, network, folder).await?;
    for slot in 0..harness.slots.len() {
        harness.start_client(slot).await?;
    }
    // Under the strict guard a first deployment waits for the guard time.
    let first = harness
        .resource
        .next_entry(SLOW_KEY, GUARD_TIME + Duration::from_secs(20))
        .await;
    first.ok_or("no client got a lock before the first fault")?;

    let plan = plan::draw(settings, networked);
    let counts = FaultCounts::new(&plan);
    let began = now();
    tokio::select! {
        () = nemesis::run(&harness, &plan, settings.length, &counts) => {}
        violation = soak::watch(&harness, settings, &counts) => return Err(violation),
    }
    let faults = (began, now());
    nemesis::heal(&harness).await?;
    let recovery = recovery::run(&harness).await?;
    let run = Run {
        history: History::read(folder)?,
        events: harness.events.all(),
        counters: harness.resource.counters(),
        recovery: Some(recovery),
        faults,
        strict: settings.guard == redlock::RestartGuard::Strict,
        control: settings.control,
    };
    let mut problems = harness.problems();
    problems.extend(counts.missing());
    problems.extend(check::kinds::missing(&run.history));
    Ok(Outcome {
        run,
        counts,
        problems,
    })
}
