//! What must hold in any history.

use std::time::Duration;

use crate::{
    history::{Grant, History},
    plan::{FIRST_PERMIT, Plan, ms},
};

/// Checks a finished history; what it finds joins the violations found on the way.
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

/// At most as many permits are held at a time as there are. That follows from one holder for each, unless a holder has
/// none of them.
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

/// I2: all tokens differ, and one that was returned before another's winning round began is
/// smaller.
fn tokens_in_order(grants: &[&Grant], found: &mut Vec<String>) {
    for (index, &first) in grants.iter().enumerate() {
        for &second in &grants[index + 1..] {
            if first.token == second.token {
                found.push(format!("I2: one token twice: {first}; and {second}"));
            }
            if first.returned < second.started && first.token > second.token {
                found.push(format!("I2: a token fell back: {first}; then {second}"));
            }
        }
    }
}

/// A key that was left in a cool-down, confirmed by a majority, is granted to nobody until its window is over.
fn cooled_down_keys_stay_busy(grants: &[&Grant], found: &mut Vec<String>) {
    for &before in grants {
        let Some(cooled_down) = before.cooled_down else {
            continue;
        };
        for &grant in grants {
            if cooled_down.confirmed < grant.returned && grant.returned < cooled_down.until {
                found.push(format!(
                    "in its cool-down until {:?} by {before}; but {grant}",
                    cooled_down.until
                ));
            }
        }
    }
}

/// I4: a majority of the nodes holds the key for at least as long as the holder was told. `left` is
/// what the nodes that hold it have left; a node that `forgot` since the round began may have said
/// yes before.
pub(crate) fn majority_holds(
    plan: &Plan,
    told: Duration,
    left: &mut [Duration],
    forgot: usize,
) -> Result<(), String> {
    left.sort_unstable_by(|a, b| b.cmp(a));
    let Some(needed) = plan.quorum().checked_sub(forgot + 1) else {
        return Ok(());
    };
    match left.get(needed) {
        Some(lease) if *lease >= told => Ok(()),
        lease => Err(format!(
            "I4: told {told:?}, but the nodes have {left:?} (deciding: {lease:?})"
        )),
    }
}

/// The steps of connecting, each of which has a node time-out.
const CONTACT_STEPS: u32 = 12;

/// I8: how long a request may take at most. One that does not wait has the first contact of its
/// process on top.
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
    // An attempt has two more rounds of a fifth, when tokens are stale. Each timer on the way
    // rounds up to a millisecond.
    let attempt = plan.node_timeout.min(ttl / 4) * 7 / 5;
    // An attempt for a permit asks for up to eight of them, and has a fifth of the time for each further one.
    let attempt = match is_permit {
        true => attempt * 12 / 5,
        false => attempt,
    };
    // Where nodes may refuse the list of nodes that a client announces, or lose it, a request waits
    // until they were asked again.
    let list = if plan.has_votes() {
        Duration::ZERO
    } else {
        plan.node_timeout * 2
    };
    if wait.is_zero() {
        // Also where votes split: all attempts together have the time of one.
        contact + list + attempt + ms(15)
    } else {
        wait + attempt * 2 + ms(10)
    }
}

/// The local end of validity is told this late at most: a timer's grain, and the next look.
pub(crate) const TOLD_WITHIN: Duration = ms(2);
