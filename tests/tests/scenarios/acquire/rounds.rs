//! One round trip is enough for a lock and its token, in more than 99 of 100 uncontended acquires.
//!
//! `cargo test -p tests --test scenarios one_round -- --nocapture` prints the count.

use std::time::Duration;

use tests::Cluster;

use crate::child::Worker;

/// Locks that each client has for itself, and as many that all clients take in turn.
const EACH: usize = 1_000;
const CLIENTS: u64 = 4;
const HOUR: Duration = Duration::from_secs(3600);

/// Four processes that do not connect before their first lock, `apart` by their clocks.
async fn count(apart: Duration) {
    let cluster = Cluster::start(3).await;
    let mut clients = Vec::new();
    let mut clocks = "clocks alike";
    for number in 0..CLIENTS {
        // Far enough apart that clients seldom contend for a key.
        let (each, first) = (EACH.to_string(), (number * 12).to_string());
        let args = [each.as_str(), first.as_str()];
        let earlier = apart * u32::try_from(number).expect("a few");
        let elsewhere = match earlier.is_zero() {
            true => None,
            false => Worker::start_elsewhere(earlier, "count", &cluster, &args).await,
        };
        if elsewhere.is_some() {
            clocks = "clocks an hour apart, each";
        }
        clients.push(elsewhere.unwrap_or_else(|| Worker::start("count", &cluster, &args)));
    }
    for client in &mut clients {
        client.line("ready").await;
    }
    for client in &mut clients {
        client.say("go").await;
    }
    let mut sum = [0; 5];
    for client in &mut clients {
        let counted = client.line("counted").await;
        for (sum, word) in sum.iter_mut().zip(counted.split(' ')) {
            *sum += word.parse::<u32>().expect("a number");
        }
    }
    let [own, owns, shared, shares, busy] = sum;
    let percent = |one: u32, all: u32| f64::from(one) * 100.0 / f64::from(all);
    let all = percent(own + shared, owns + shares);
    println!(
        "one round: {all:.2} % of {} acquires by {CLIENTS} processes, {clocks}: {:.2} % on keys of their own, \
         {:.2} % on keys that they share ({busy} were busy)",
        owns + shares,
        percent(own, owns),
        percent(shared, shares),
    );
    assert!(owns + shares > 5_000, "too few to tell");
    for part in [all, percent(own, owns)] {
        assert!(part > 99.0, "{part} %");
    }
}

#[tokio::test]
async fn one_round_is_enough() {
    count(Duration::ZERO).await;
}

/// Machines that were started an hour apart: tokens follow the nodes' clocks.
#[tokio::test]
async fn one_round_is_enough_with_clocks_an_hour_apart() {
    count(HOUR).await;
}
