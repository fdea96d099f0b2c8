//! The output of a run.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};
use std::time::Duration;

use redlock::RestartGuard;
use tests::network::Network;

use crate::args::{Control, Settings, guard_word};
use crate::check::{self, Availability, Check, Latency, Run};
use crate::config::{CLOCK_SKEW, GUARD_TIME, MAX_TTL, NODES, TTL};
use crate::nemesis::FaultCounts;
use crate::run::harness::networked_clients;
use crate::timestamp::between;

/// How many violations of an invariant are printed.
const SHOWN: usize = 5;

pub(crate) fn print(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

pub(crate) fn error(error: &dyn Display) {
    let _ = writeln!(stderr(), "chaos: {error}");
}

pub(crate) fn head(settings: &Settings, network: Result<&Network, &String>) {
    let guard = guard_word(settings.guard);
    print(&format!(
        "chaos: {} s, seed {}, {NODES} nodes, {} clients and a probe, restart guard {guard}",
        settings.length.as_secs(),
        settings.seed,
        settings.workers
    ));
    print(&format!(
        "  ttl {TTL:?}, max_ttl {MAX_TTL:?}, skew bound {CLOCK_SKEW:?}, hence a guard time of {GUARD_TIME:?}"
    ));
    match network {
        Ok(network) => print(&format!(
            "  network faults: the nodes and {} clients are in network namespaces; packets are dropped and delayed by {}",
            networked_clients(settings.workers),
            network.shaping()
        )),
        Err(reason) => print(&format!("  NO network faults: {reason}")),
    }
    if settings.guard == RestartGuard::Observed {
        print(
            "  not covered by this guard, so avoided: new clients while more than two nodes are young, restarts of more",
        );
        print(
            "  than three nodes within 9 s. FLUSHALL goes to one node at a time; what it causes is excused and counted.",
        );
    }
}

/// One line of a soak, and its violations.
pub(crate) fn summary(
    elapsed: Duration,
    run: &Run,
    checks: &[Check],
    counts: &FaultCounts,
    memory: u64,
) {
    let occurred: u32 = counts.all().iter().map(|(_, count)| count.occurred).sum();
    let violations: usize = checks.iter().map(|check| check.violations.len()).sum();
    print(&format!(
        "{:5} s: {} grants, {} failures, {occurred} faults, {violations} violations, {} MiB in the largest client",
        elapsed.as_secs(),
        run.history.grants.len(),
        run.history.failures.len(),
        memory >> 10
    ));
    checks.iter().for_each(print_violations);
}

/// Prints the result of a run. Returns whether it passed.
pub(crate) fn all(
    settings: &Settings,
    run: &Run,
    checks: &[Check],
    counts: &FaultCounts,
    problems: &[String],
) -> bool {
    faults(counts);
    grants(run);
    availability(&check::availability(run));
    print("\ninvariants");
    for check in checks {
        let excused = match check.excused {
            0 => String::new(),
            count => format!("; {count} after a FLUSHALL excused"),
        };
        print(&format!(
            "  {:38} {:3} violations   {}{excused}",
            check.invariant,
            check.violations.len(),
            check.figures
        ));
        print_violations(check);
    }
    for problem in problems {
        print(&format!("  problem: {}", problem.trim_end()));
    }
    verdict(settings, checks, problems)
}

fn faults(counts: &FaultCounts) {
    print("\nfaults");
    for (name, count) in counts.all() {
        let packets = match count.packets {
            0 => String::new(),
            packets => format!(", {packets} packets"),
        };
        let skipped = match count.skipped {
            0 => String::new(),
            skipped => format!("  ({skipped} skipped, their conditions were not met)"),
        };
        print(&format!("  {:4} {name}{packets}{skipped}", count.occurred));
    }
}

fn grants(run: &Run) {
    let history = &run.history;
    let failed = |reason: &str| {
        let failures = history.failures.iter();
        failures.filter(|failure| failure.reason == reason).count()
    };
    print(&format!(
        "\n{} grants in {:.0?} of faults and the recovery; {} busy, {} timed out, {} without a quorum, {} dropped by the caller",
        history.grants.len(),
        between(run.faults.0, run.faults.1),
        failed("Busy"),
        failed("TimedOut"),
        failed("NoQuorum"),
        failed("dropped"),
    ));
    let counts = check::kinds::counts(history).into_iter();
    let counts: Vec<String> = counts
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    print(&format!("  by kind: {}", counts.join(", ")));
}

fn availability(measured: &Availability) {
    let line = |name: &str, latency: &Latency| {
        print(&format!(
            "  {name}: slowest {} ms, median {:.1?}, of {}",
            latency.slowest.as_millis(),
            latency.median,
            latency.count
        ));
    };
    print(&format!(
        "availability {:.1} % of the time with faults, {:.1} % of the time with a majority of nodes running and trusted; \
         longest outage {} ms",
        measured.percent,
        measured.percent_of_possible,
        measured.longest_outage.as_millis()
    ));
    line("acquire, uncontended", &measured.uncontended);
    line("acquire, contended", &measured.contended);
}

fn print_violations(check: &Check) {
    for violation in check.violations.iter().take(SHOWN) {
        print(&format!("      {violation}"));
    }
    if check.violations.len() > SHOWN {
        print(&format!(
            "      and {} more",
            check.violations.len() - SHOWN
        ));
    }
}

fn verdict(settings: &Settings, checks: &[Check], problems: &[String]) -> bool {
    let violations: usize = checks.iter().map(|check| check.violations.len()).sum();
    if let Some(control) = settings.control {
        let cause = match control {
            Control::NoGuard => "without the restart guard",
            Control::IgnoredLoss => "with holders that ignore the loss of their lock",
        };
        let found = violations > 0;
        print(&if found {
            format!("\ncontrol: violations were found {cause}")
        } else {
            format!("\ncontrol FAILED: no violation was found {cause}, so this run proves nothing")
        });
        return found;
    }
    let passed = violations == 0 && problems.is_empty();
    if passed {
        print("\nno violations");
    } else {
        print(&format!(
            "\nFAILED: {violations} violations, {} problems; seed {}",
            problems.len(),
            settings.seed
        ));
    }
    passed
}
