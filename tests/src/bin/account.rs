//! Increments the balance of an account in Postgres under a lock, for the test program `takeover`, which stops it in between.
//!
//! Orders come line by line: `lock` acquires the lock and reads the balance, `write` writes the incremented one, and ends the hold.

use std::time::Duration;

use redlock::{FencingToken, Guard, Redlock, fence};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_postgres::{Client, NoTls};

const KEY: &str = "account";
/// Short: a process that is stopped has lost its lock soon.
const TTL: Duration = Duration::from_millis(300);
/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [nodes, database, check] = args[..] else {
        panic!("usage: account NODES DATABASE checked|unchecked");
    };
    let redlock = Redlock::connect(nodes.split(',')).await.expect("a quorum");
    let connected = tokio_postgres::connect(database, NoTls).await;
    let (mut database, connection) = connected.expect("the database");
    tokio::spawn(connection);
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let mut held: Option<(Guard, i64)> = None;
    // The process exits when the parent has exited.
    while let Ok(Some(order)) = orders.next_line().await {
        match (order.as_str(), held.take()) {
            ("lock", None) => {
                let lock = redlock.lock(KEY).ttl(TTL).wait(BOUND);
                let guard = lock.await.expect("free after a ttl");
                let row = database.query_one("SELECT balance FROM accounts", &[]);
                let balance: i64 = row.await.expect("a row").get(0);
                println!("read {balance}");
                held = Some((guard, balance));
            }
            // Like most code, it does not look whether it still holds the lock.
            ("write", Some((guard, balance))) => {
                let token = (check == "checked").then(|| guard.token());
                let written = write(&mut database, token, balance + 1).await;
                println!("{}", if written { "written" } else { "refused" });
                drop(guard);
            }
            (other, _) => panic!("no such order now: {other}"),
        }
    }
}

/// The check and the write, in one transaction. Returns whether the check accepted the token.
async fn write(database: &mut Client, token: Option<FencingToken>, balance: i64) -> bool {
    let transaction = database.transaction().await.expect("a transaction");
    if let Some(token) = token {
        let token = i64::from(token);
        let rows = transaction.execute(fence::POSTGRES, &[&KEY, &token]).await;
        if fence::accepted(rows.expect("a check")).is_err() {
            return false;
        }
    }
    let update = "UPDATE accounts SET balance = $1";
    let updated = transaction.execute(update, &[&balance]).await;
    updated.expect("an update");
    transaction.commit().await.expect("a commit");
    true
}
