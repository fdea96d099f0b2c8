//! The plan of faults, drawn from a seed. The same seed and settings give the same plan.

mod kind;
mod network;
mod planner;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use rand::seq::SliceRandom;

use super::fault::Step;
use crate::args::Settings;
use kind::Kind;
use planner::Planner;

/// When the first fault begins.
const FIRST: Duration = Duration::from_millis(200);
/// Kinds are drawn again when fewer than this are left.
const FEW: usize = 8;

/// Draws the plan of a run. `networked`: how many clients have links that can fail.
pub(crate) fn draw(settings: &Settings, networked: usize) -> Vec<Step> {
    let mut planner = Planner::new(settings, networked);
    let mut pending: VecDeque<Kind> = kind::first(settings, networked).into();
    let mut steps = Vec::new();
    let mut at = FIRST;
    while at < settings.length {
        if pending.len() < FEW {
            // All kinds in random order, so that each comes every few seconds.
            let mut more = kind::all(settings, networked);
            more.retain(|kind| !pending.contains(kind));
            more.shuffle(&mut planner.rng);
            pending.extend(more);
        }
        // The first that is possible now. The others keep their place.
        let needs_healthy = pending
            .iter()
            .any(|kind| planner.needs_healthy_nodes(*kind, at));
        let drawn = (0..pending.len()).find_map(|place| {
            let kind = pending[place];
            let held_back = needs_healthy && matches!(kind, Kind::HangOne | Kind::HangTwo);
            let fault = (!held_back).then(|| planner.fault(kind, at)).flatten()?;
            Some((place, fault))
        });
        if let Some((place, fault)) = drawn {
            pending.remove(place);
            steps.push(Step { at, fault });
        }
        at += planner.pause();
    }
    steps
}
