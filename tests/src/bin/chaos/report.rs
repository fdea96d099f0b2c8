//! What a run has to say.

use std::fmt::Display;
use std::io::{Write, stderr, stdout};

use redlock::RestartGuard;

use crate::args::{Settings, guard_word};
use crate::check::{self, Availability, Check, Run, Slowest};
use crate::nemesis::Deeds;
use crate::stamp::between;
use crate::terms::{GUARD_TIME, MAX_TTL, NODES, SKEW, TTL};

/// How many violations of one kind are shown.
const SHOWN: usize = 5;

pub(crate) fn say(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

pub(crate) fn complain(error: &dyn Display) {
    let _ = writeln!(stderr(), "chaos: {error}");
}

pub(crate) fn head(settings: &Settings) {
    let guard = guard_word(settings.guard);
    say(&format!(
        "chaos: {} s, seed {}, {NODES} nodes, {} clients and a probe, restart guard {guard}",
        settings.length.as_secs(),
        settings.seed,
        settings.workers
    ));
    say(&format!(
        "  ttl {TTL:?}, max_ttl {MAX_TTL:?}, skew bound {SKEW:?}, so {GUARD_TIME:?} of guard time"
    ));
    if settings.guard == RestartGuard::Observed {
        say(
            "  not covered by this guard, so held back: new clients while more than two nodes are young, restarts of",
        );
        say(
            "  more than three nodes within 9 s. FLUSHALL goes to one node at a time; what it causes is excused, and counted.",
        );
    }
}

/// Prints everything; whether all is as it should be.
pub(crate) fn all(
    settings: &Settings,
    run: &Run,
    checks: &[Check],
    deeds: &Deeds,
    problems: &[String],
) -> bool {
    say("\nfaults");
    for (what, done, not) in deeds.counts() {
        let missed = if not > 0 {
            format!("  ({not} not, the moment was not right)")
        } else {
            String::new()
        };
        say(&format!("  {done:4} {what}{missed}"));
    }
    let history = &run.history;
    let refused = |why: &str| history.misses.iter().filter(|miss| miss.why == why).count();
    say(&format!(
        "\n{} grants in {:.0?} of storm and the calm after it; {} busy, {} waited in vain, {} without a quorum, {} given up by the caller",
        history.grants.len(),
        between(run.storm.0, run.storm.1),
        refused("Busy"),
        refused("TimedOut"),
        refused("NoQuorum"),
        refused("dropped"),
    ));
    availability(&check::availability(run));

    say("\ninvariants");
    for check in checks {
        let excused = match check.excused {
            0 => String::new(),
            count => format!("; {count} after a FLUSHALL excused"),
        };
        say(&format!(
            "  {:38} {:3} violations   {}{excused}",
            check.invariant,
            check.violations.len(),
            check.figures
        ));
        for violation in check.violations.iter().take(SHOWN) {
            say(&format!("      {violation}"));
        }
        if check.violations.len() > SHOWN {
            say(&format!(
                "      and {} more",
                check.violations.len() - SHOWN
            ));
        }
    }
    for problem in problems {
        say(&format!("  problem: {}", problem.trim_end()));
    }
    verdict(settings, checks, problems)
}

fn availability(measured: &Availability) {
    let line = |what: &str, times: &Slowest| {
        say(&format!(
            "  {what}: slowest {} ms, median {:.1?}, of {}",
            times.slowest.as_millis(),
            times.median,
            times.count
        ));
    };
    say(&format!(
        "availability {:.1} % of the storm, {:.1} % of the time with a majority of nodes running and trusted; \
         the longest time without {} ms",
        measured.percent,
        measured.percent_of_possible,
        measured.longest_outage.as_millis()
    ));
    line("acquire, uncontended", &measured.uncontended);
    line("acquire, contended", &measured.contended);
}

fn verdict(settings: &Settings, checks: &[Check], problems: &[String]) -> bool {
    let violations: usize = checks.iter().map(|check| check.violations.len()).sum();
    if settings.control {
        let caught = violations > 0;
        say(if caught {
            "\ncontrol: without the guard there are violations, and they were found"
        } else {
            "\ncontrol FAILED: without the guard no violation was found, so this run proves nothing"
        });
        return caught;
    }
    let fine = violations == 0 && problems.is_empty();
    if fine {
        say("\nno violations");
    } else {
        say(&format!(
            "\nFAILED: {violations} violations, {} problems; seed {}",
            problems.len(),
            settings.seed
        ));
    }
    fine
}
