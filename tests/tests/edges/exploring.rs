//! Tests that are written with this crate: a panic anywhere in the scenario names the seed, and odd settings do no harm.

use std::{panic::catch_unwind, time::Duration};

use redlock::{
    memory::Nodes,
    sim::{Explorer, World},
    testing::{Fault, FaultScript},
};
use tests::within;

use crate::SOON;

/// A scenario is a function, and its panic need not wait for the future.
#[test]
fn a_panic_before_the_future_of_a_scenario_names_its_seed() {
    let panics = |world: World| {
        assert!(world.seed() < 3, "on purpose");
        async {}
    };
    let failure = Explorer::new().first_failure(0..10, panics);
    let failure = failure.expect("seed 3 panics");
    assert_eq!(failure.seed, 3);
    assert!(failure.message.contains("on purpose"), "{failure}");
}

#[test]
fn settings_at_their_ends_are_settings() {
    let explorer = Explorer::new()
        .nodes(1)
        .faults(usize::MAX)
        .limit(Duration::MAX);
    explorer.run(0..10, |world| async move {
        let one = world.spawn(async |process: redlock::sim::Process| {
            process
                .redlock()
                .lock("a")
                .wait(Duration::from_secs(1))
                .await
                .is_ok()
        });
        let _ = one.await;
    });
    let none = Explorer::new().limit(Duration::ZERO);
    let failure = none.first_failure([7], |world| async move { world.latency().await });
    assert_eq!(failure.expect("no time").seed, 7);
}

/// A fault that never comes, among others.
#[tokio::test(start_paused = true)]
async fn a_fault_at_the_end_of_time_is_waited_for() {
    let nodes = Nodes::new(3);
    let script = FaultScript::new().at(Duration::MAX, 0, Fault::Stop);
    let run = tokio::time::timeout(SOON * 60, script.run(&nodes)).await;
    run.expect_err("it never comes");
}

#[test]
fn an_endless_script_is_refused() {
    let endless = catch_unwind(|| FaultScript::seeded(1, 3, Duration::MAX));
    let text = endless.expect_err("it would never be complete");
    let text = text.downcast_ref::<String>().expect("a text");
    assert!(text.contains("at most"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_script_ends_at_once() {
    let nodes = Nodes::new(1);
    within(SOON, FaultScript::seeded(1, 1, Duration::ZERO).run(&nodes)).await;
}
