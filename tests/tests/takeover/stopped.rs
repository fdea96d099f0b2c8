//! Holders that are stopped for longer than their ttl, between their read of a real Postgres and their write. Without the check
//! of tokens each of them overwrites what was written meanwhile, and with it none does.
//!
//! `STOPS=200` stops a holder more often.

use redlock::fence;
use rustix::process::Signal;
use tests::{Cluster, postgres::Postgres};

use super::Process;

/// What became of the writes.
#[derive(Debug, PartialEq, Eq)]
struct Writes {
    refused: usize,
    /// Accepted, and overwritten by a holder that had not seen them.
    lost: usize,
}

#[tokio::test]
async fn a_holder_that_was_stopped_overwrites_others_only_if_tokens_are_not_checked() {
    let stops = std::env::var("STOPS").map_or(4, |stops| stops.parse().expect("a number"));
    let Some(database) = Postgres::start() else {
        return;
    };
    let cluster = Cluster::start(3).await;
    let unchecked = stop_holders(&database, &cluster, "unchecked", stops).await;
    let checked = stop_holders(&database, &cluster, "checked", stops).await;
    println!("{stops} holders stopped; without the check: {unchecked:?}, with it: {checked:?}");
    let (refused, lost) = (0, stops);
    assert_eq!(unchecked, Writes { refused, lost });
    let (refused, lost) = (stops, 0);
    assert_eq!(checked, Writes { refused, lost });
}

async fn stop_holders(database: &Postgres, cluster: &Cluster, check: &str, stops: usize) -> Writes {
    database.run(&[
        fence::POSTGRES_TABLE,
        "DROP TABLE IF EXISTS accounts",
        "CREATE TABLE accounts (balance bigint)",
        "INSERT INTO accounts VALUES (0)",
    ]);
    let (urls, database_url) = (cluster.urls().join(","), database.url());
    let start = || {
        let args = [&*urls, &*database_url, check];
        Process::start(env!("CARGO_BIN_EXE_account"), &args)
    };
    let (mut stopped, mut other) = (start(), start());
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..stops {
        stopped.order("lock").await;
        assert!(stopped.answer().await.starts_with("read "));
        stopped.signal(Signal::STOP);
        // It gets the lock once the ttl of the stopped holder is over.
        other.order("lock").await;
        assert!(other.answer().await.starts_with("read "));
        other.order("write").await;
        let answer = other.answer().await;
        stopped.signal(Signal::CONT);
        stopped.order("write").await;
        for answer in [answer, stopped.answer().await] {
            match answer.as_str() {
                "written" => accepted += 1,
                _ => refused += 1,
            }
        }
    }
    let balance = database.run(&["SELECT balance FROM accounts"]);
    let balance: usize = balance.trim().parse().expect("a number");
    Writes {
        refused,
        lost: accepted - balance,
    }
}
