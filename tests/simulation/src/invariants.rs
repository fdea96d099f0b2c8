//! The invariants of every history.

use std::time::Duration;

use crate::{
    history::{Grant, History},
    plan::{FIRST_PERMIT, Plan, ms},
};

/// Checks a finished history and adds to the violations that were found while it ran.
pub(crate) fn check(plan: &Plan, history: &mut History) {
    let mut found = Vec::new();
    for key in plan.targets() {
        let mut grants: Vec<&Grant> = history
            .grants
            .iter()
            .filter(|grant| grant.key == key)
            .collect();
        grants.sort_by_key(|grant| grant.returned);
        if plan.excludes() {
            one_holder(&grants, &mut found);
            cooled_down_keys_stay_busy(&grants, &mut found);
        }
        if plan.fencing {
            tokens_in_order(&grants, &mut found);
        }
    }
    if plan.excludes() {
        found.extend(too_many_permits(plan, history));
    }
    history.violations.extend(found);
}

/// No more permits are held at a time than the semaphore has. One holder for each permit implies
/// this, unless a holder has a permit that is not one of them.
fn too_many_permits(plan: &Plan, history: &History) -> Option<String> {
    let permits = || {
        history
            .grants
            .iter()
            .filter(|grant| grant.key >= FIRST_PERMIT)
    };
    permits().find_map(|grant| {
        let holders = permits().filter(|other| {
            other.returned <= grant.returned && grant.returned < other.relied_until()
        });
        let holders = holders.count();
        (holders > plan.permits)
            .then(|| format!("{holders} of {} permits are held: {grant}", plan.permits))
    })
}

/// I1: no two holders rely on a key at the same time.
fn one_holder(grants: &[&Grant], found: &mut Vec<String>) {
    let mut latest: Option<&Grant> = None;
    for &grant in grants {
        if let Some(before) = latest
            && grant.returned < before.relied_until()
            && grant.returned < grant.relied_until()
        {
            found.push(format!("I1: two holders: {before}; and {grant}"));
        }
        if latest.is_none_or(|before| before.relied_until() < grant.relied_until()) {
            latest = Some(grant);
        }
    }
}

/// I2: all tokens differ, and a token that was returned before the winning round of another grant
/// began is smaller than that grant's token.
fn tokens_in_order(grants: &[&Grant], found: &mut Vec<String>) {
    for (index, &first) in grants.iter().enumerate() {
        for &second in &grants[index + 1..] {
            if first.token == second.token {
                found.push(format!(
                    "I2: two grants with one token: {first}; and {second}"
                ));
            }
            if first.returned < second.started && first.token > second.token {
                found.push(format!("I2: a token decreased: {first}; then {second}"));
            }
        }
    }
}

/// A key whose cool-down was confirmed by a majority is not granted before the cool-down ends.
fn cooled_down_keys_stay_busy(grants: &[&Grant], found: &mut Vec<String>) {
    for &before in grants {
        let Some(cooled_down) = before.cooled_down else {
            continue;
        };
        for &grant in grants {
            if cooled_down.confirmed < grant.returned && grant.returned < cooled_down.until {
                found.push(format!(
                    "granted during a cool-down until {:?} by {before}: {grant}",
                    cooled_down.until
                ));
            }
        }
    }
}

/// I4: a majority of the nodes holds the key for at least the `remaining` validity that the holder
/// sees. `left` has the remaining ttl on each node that holds it. A node that lost its data since
/// the round began (`forgot` counts them) may have voted yes before.
pub(crate) fn majority_holds(
    plan: &Plan,
    remaining: Duration,
    left: &mut [Duration],
    forgot: usize,
) -> Result<(), String> {
    left.sort_unstable_by(|a, b| b.cmp(a));
    let Some(needed) = plan.quorum().checked_sub(forgot + 1) else {
        return Ok(());
    };
    match left.get(needed) {
        Some(lease) if *lease >= remaining => Ok(()),
        lease => Err(format!(
            "I4: a validity of {remaining:?}, but the nodes have {left:?} (deciding: {lease:?})"
        )),
    }
}

/// The steps of the first connection, each of which may take one node time-out.
const CONTACT_STEPS: u32 = 12;

/// I8: the longest that a request may take. A request that does not wait may take longer by the
/// first connection of its process.
pub(crate) fn call_bound(
    plan: &Plan,
    ttl: Duration,
    wait: Duration,
    has_met: bool,
    is_permit: bool,
) -> Duration {
    let contact = match has_met {
        true => Duration::ZERO,
        false => plan.node_timeout * CONTACT_STEPS,
    };
    // Stale tokens add two rounds of a fifth each. Each timer on the way rounds up to a
    // millisecond.
    let attempt = plan.node_timeout.min(ttl / 4) * 7 / 5;
    // An attempt for a permit tries up to eight of them, with a fifth of the time for each further
    // one.
    let attempt = match is_permit {
        true => attempt * 12 / 5,
        false => attempt,
    };
    // Where nodes may refuse or lose the list of nodes that a client announces, a request waits for
    // the next announcement.
    let list = if plan.has_votes() {
        Duration::ZERO
    } else {
        plan.node_timeout * 2
    };
    if wait.is_zero() {
        // The same after split votes: all attempts together have the time of one.
        contact + list + attempt + ms(15)
    } else {
        wait + attempt * 2 + ms(10)
    }
}

/// How long after the local end of validity `lost()` may resolve: the resolution of timers.
pub(crate) const LOSS_NOTICED_WITHIN: Duration = ms(2);
