//! I2: who asked after another had got its grant has the larger token; no token comes twice.

use std::collections::HashMap;

use super::{Check, Run, seconds};
use crate::history::Grant;
use crate::stamp::ns;
use crate::terms::SKEW;

pub(crate) fn check(run: &Run) -> Check {
    let mut check = Check {
        invariant: "I2 tokens grow",
        ..Check::default()
    };
    for grants in run.by_key() {
        let mut owners: HashMap<u64, &Grant> = HashMap::new();
        for grant in &grants {
            if let Some(other) = owners.insert(grant.token, grant) {
                check.violations.push(format!(
                    "{}: token {} was given to {} and to {}",
                    grant.key, grant.token, other.id, grant.id
                ));
            }
        }
        let mut asked = grants.clone();
        asked.sort_by_key(|grant| grant.began);
        // The largest token among those returned before the one in hand began.
        let (mut returned, mut largest) = (grants.iter().peekable(), None::<&Grant>);
        for grant in asked {
            while let Some(earlier) = returned.next_if(|earlier| earlier.returned < grant.began) {
                if largest.is_none_or(|largest| earlier.token > largest.token) {
                    largest = Some(earlier);
                }
            }
            let Some(earlier) = largest.filter(|earlier| earlier.token >= grant.token) else {
                continue;
            };
            // Where a node forgot its fence, clocks alone order the tokens, within the skew bound of each.
            let close = grant.began.saturating_sub(earlier.began) <= 2 * ns(SKEW);
            if close && run.flushed(earlier.began, grant.returned) {
                check.excused += 1;
            } else {
                check.violations.push(format!(
                    "{}: {} returned at {} with token {}, then {} began at {} and got {}",
                    grant.key,
                    earlier.id,
                    seconds(run, earlier.returned),
                    earlier.token,
                    grant.id,
                    seconds(run, grant.began),
                    grant.token
                ));
            }
        }
    }
    let one_round = |grants: &[&Grant]| {
        let one = grants.iter().filter(|grant| grant.rounds == 1).count();
        100.0 * one as f64 / grants.len().max(1) as f64
    };
    let all: Vec<&Grant> = run.history.grants.iter().collect();
    let alone: Vec<&Grant> = all
        .iter()
        .copied()
        .filter(|grant| grant.key.starts_with("probe:"))
        .collect();
    check.figures = format!(
        "in one round trip: {:.1} % of all grants, {:.1} % of the uncontended",
        one_round(&all),
        one_round(&alone)
    );
    check
}
