//! Runs a model and prints the steps that lead to a violation.

use std::time::Instant;

use stateright::{Checker, HasDiscoveries, Model};

/// A model with a name, whose nodes and clients may be renamed.
pub(crate) trait Checked: Model<State: Copy> + Clone + Send + Sync + 'static {
    fn name(&self) -> String;
    /// Stops renaming nodes and clients. Default: the model never renames them.
    fn fix_names(&mut self) {}
    /// The representative of all states that differ only in names. Default: the state itself.
    fn representative(&self, state: &Self::State) -> Self::State {
        *state
    }
    /// A short text about the current holders.
    fn describe(&self, state: &Self::State) -> String;
}

/// Describes the clients that hold the lock, by the validity of each client.
pub(crate) fn holders(validities: impl Iterator<Item = u8>) -> String {
    let holders = validities.enumerate().filter(|(_, left)| *left > 0);
    let holders = holders.map(|(client, left)| format!("  [client {client} holds for {left}]"));
    holders.collect()
}

/// How far a model is explored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    /// Only the states closest to the start. For the short run of `scripts/test`.
    Short,
    /// All states within the bounds.
    Full,
    /// Also the models with larger bounds.
    Deep,
}

/// States of each model in a short run.
const SHORT: usize = 50_000;

fn depth() -> Depth {
    match std::env::var("MODEL_DEPTH").as_deref() {
        Err(_) | Ok("full") => Depth::Full,
        Ok("short") => Depth::Short,
        Ok("deep") => Depth::Deep,
        Ok(other) => panic!("MODEL_DEPTH must be short, full or deep, not `{other}`"),
    }
}

/// Explores the states within the bounds and fails if a property is violated. Returns whether all
/// states were explored, which a short run may not do.
pub(crate) fn holds<M>(model: &M) -> bool
where
    M: Checked,
    M::State: Copy + std::fmt::Debug + std::hash::Hash + PartialEq + Send + Sync + 'static,
    M::Action: Copy + std::fmt::Debug + PartialEq,
{
    let began = Instant::now();
    let mut builder = model
        .clone()
        .checker()
        .finish_when(HasDiscoveries::AnyFailures);
    if depth() == Depth::Short {
        builder = builder.target_state_count(SHORT);
    }
    let checker = builder.spawn_bfs().join();
    let states = checker.unique_state_count();
    let ended = depth() != Depth::Short || checker.state_count() < SHORT;
    println!(
        "holds    {}{}: {states} states, depth {}, {:.1} s",
        model.name(),
        if ended { "" } else { ", first states only" },
        checker.max_depth(),
        began.elapsed().as_secs_f32()
    );
    let violated: Vec<_> = checker.discoveries().into_iter().collect();
    for (property, path) in &violated {
        print_trace(model, property, &path.clone().into_actions());
    }
    assert!(violated.is_empty(), "{} is violated", model.name());
    assert!(
        !ended || checker.is_done(),
        "{} is not explored completely",
        model.name()
    );
    ended
}

/// Explores until this property is violated, and fails if it never is. `why` names the broken rule.
pub(crate) fn violates<M>(model: &M, property: &'static str, why: &str)
where
    M: Checked,
    M::State: Copy + std::fmt::Debug + std::hash::Hash + PartialEq + Send + Sync + 'static,
    M::Action: Copy + std::fmt::Debug + PartialEq,
{
    let began = Instant::now();
    let wanted = HasDiscoveries::AnyOf([property].into());
    let checker = model
        .clone()
        .checker()
        .finish_when(wanted)
        .spawn_bfs()
        .join();
    let Some(path) = checker.discovery(property) else {
        panic!(
            "{why}: not caught in {} by {property}, after {} states",
            model.name(),
            checker.unique_state_count()
        );
    };
    let actions = path.into_actions();
    println!(
        "violated {why}, in {}: {property} after {} steps ({} states, {:.1} s)",
        model.name(),
        actions.len(),
        checker.unique_state_count(),
        began.elapsed().as_secs_f32()
    );
    if std::env::var_os("MODEL_TRACE").is_some() {
        print_trace(model, property, &actions);
    }
}

/// Whether the larger bounds are requested.
pub(crate) fn deep() -> bool {
    depth() == Depth::Deep
}

/// Prints the steps with the initial names of nodes and clients, which the checker renames in each
/// step.
fn print_trace<M>(model: &M, property: &str, actions: &[M::Action])
where
    M: Checked,
    M::State: Copy + std::fmt::Debug + PartialEq,
    M::Action: Copy + std::fmt::Debug + PartialEq,
{
    let mut plain = model.clone();
    plain.fix_names();
    let mut traces: Vec<_> = model
        .init_states()
        .into_iter()
        .zip(plain.init_states())
        .map(|start| (start, Vec::new()))
        .collect();
    for &action in actions {
        traces.retain_mut(|((canonical, state), lines)| {
            let Some(next) = model.next_state(canonical, action) else {
                return false;
            };
            *canonical = next;
            let mut possible = Vec::new();
            plain.actions(state, &mut possible);
            let step = possible.into_iter().find_map(|action| {
                let next = plain.next_state(state, action)?;
                (model.representative(&next) == *canonical).then_some((action, next))
            });
            step.is_some_and(|(action, next)| {
                lines.push(format!("    {action:?}{}", model.describe(&next)));
                *state = next;
                true
            })
        });
    }
    println!("  steps to violate {property}:");
    for line in traces
        .into_iter()
        .next()
        .map(|(_, lines)| lines)
        .unwrap_or_default()
    {
        println!("{line}");
    }
}
