//! Scripts of faults.

use std::time::Duration;

use redlock::{
    memory::Nodes,
    testing::{Fault, FaultScript, assert_held, assert_released_within},
};
use tokio::time::{Instant, sleep};

use crate::{client, said};

const KEY: &str = "invoice:42";

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// In the order of their times, however they were added, and each at its time.
#[tokio::test(start_paused = true)]
async fn faults_are_made_at_their_times() {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    let script = FaultScript::new()
        .at(seconds(3), 0, Fault::Heal)
        .at(seconds(3), 1, Fault::Heal)
        .at(seconds(1), 0, Fault::Stop)
        .at(seconds(2), 1, Fault::Stop);
    let start = Instant::now();
    let look = async {
        sleep(Duration::from_millis(1_500)).await;
        let at_first = redlock.lock("a").no_wait().await.map(drop);
        sleep(Duration::from_millis(1_000)).await;
        let then = redlock.lock("b").no_wait().await.map(drop);
        (at_first, then)
    };
    let ((at_first, then), ()) = tokio::join!(look, script.run(&nodes));
    assert_eq!(start.elapsed(), seconds(3), "it ends with its last fault");
    at_first.expect("two nodes of three are left");
    assert!(then.expect_err("one node of three is left").is_no_quorum());
    let guard = redlock.lock(KEY).await.expect("all nodes are back");
    guard.release().await.expect("confirmed");
    let lines = script.to_string();
    let lines: Vec<&str> = lines.lines().map(str::trim).collect();
    let expected = [
        "1.000 s  node 0 stops",
        "2.000 s  node 1 stops",
        "3.000 s  node 0 works again",
        "3.000 s  node 1 works again",
    ];
    assert_eq!(lines, expected);
}

/// Each fault has the effect that its name says, on a lock that is renewed each third of its ttl.
#[tokio::test(start_paused = true)]
async fn each_fault_of_a_majority_costs_the_lock_or_does_not() {
    let cases = [
        (Fault::Stop, true),
        (Fault::Hang, true),
        (Fault::Cut, true),
        (Fault::LoseReplies, true),
        (Fault::RestartEmpty, true),
        (Fault::Flush, true),
        (Fault::ShiftClock(seconds(7)), true),
        (Fault::Delay(Duration::from_millis(50)), false),
        (Fault::Fill, false),
        (Fault::Heal, false),
    ];
    for (fault, costs) in cases {
        let nodes = Nodes::new(3);
        let guard = client(&nodes).await.lock(KEY).ttl(seconds(6)).await;
        let guard = guard.expect("free");
        let script = FaultScript::new()
            .at(seconds(0), 0, fault)
            .at(seconds(0), 1, fault);
        script.run(&nodes).await;
        sleep(seconds(20)).await;
        assert_eq!(guard.is_lost(), costs, "{fault}");
    }
}

/// One node at a time: work that needs a majority continues, whatever the seed.
#[tokio::test(start_paused = true)]
async fn a_seeded_script_leaves_a_majority() {
    for seed in 0..20 {
        let script = FaultScript::seeded(seed, 3, seconds(120));
        assert_eq!(
            script,
            FaultScript::seeded(seed, 3, seconds(120)),
            "the seed decides"
        );
        assert_ne!(
            script,
            FaultScript::seeded(seed + 1, 3, seconds(120)),
            "another seed, another script"
        );
        let nodes = Nodes::seeded(3, seed);
        let redlock = client(&nodes).await;
        let work = redlock.lock(KEY).run(async |_| {
            sleep(seconds(120)).await;
            assert_held(&nodes, KEY);
        });
        let (work, ()) = tokio::join!(work, script.run(&nodes));
        work.unwrap_or_else(|error| panic!("seed {seed}: {error}\n{script}"));
        nodes.heal();
        assert_released_within(&nodes, KEY, seconds(5)).await;
    }
}

#[tokio::test]
async fn a_node_that_does_not_exist_fails_before_the_first_fault() {
    let script = FaultScript::new()
        .at(seconds(0), 0, Fault::Stop)
        .at(seconds(1), 3, Fault::Stop);
    let nodes = Nodes::new(3);
    let run = tokio::spawn({
        let nodes = nodes.clone();
        async move { script.run(&nodes).await }
    });
    let message = said(Err(run.await.expect_err("it panics").into_panic()));
    assert_eq!(
        message,
        "the script names node 3, and there are 3 nodes, counted from 0"
    );
    client(&nodes).await;
}

/// Every fault that a node or its network can have ends.
#[tokio::test(start_paused = true)]
async fn heal_ends_all_faults() {
    let nodes = Nodes::new(3);
    let redlock = client(&nodes).await;
    for node in nodes.nodes() {
        node.stop();
        node.hang();
        node.fill(true);
        node.load(true);
        node.busy(true);
        node.fail_to_save(true);
        node.delay(seconds(60));
        node.delay_replies(seconds(60));
        node.lose_requests(true);
        node.lose_replies(true);
        node.hold_back();
    }
    redlock
        .lock(KEY)
        .no_wait()
        .await
        .expect_err("no node answers");
    nodes.heal();
    let start = Instant::now();
    let guard = redlock.lock(KEY).await.expect("all nodes answer");
    assert!(start.elapsed() < seconds(5), "{:?}", start.elapsed());
    assert_held(&nodes, KEY);
    guard.release().await.expect("confirmed");
}
