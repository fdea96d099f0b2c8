//! Stores that check fencing tokens: a holder that was paused for longer than its lease writes too late, and the store
//! refuses.
//!
//! The statements run in real databases, through their command-line programs.

use std::{process::Command, time::Duration};

use redlock::{FencingToken, Redlock, fence};
use tests::{
    Cluster,
    postgres::{Postgres, is_installed, output},
    within,
};

use crate::{SOON, client};

const LEASE: Duration = Duration::from_millis(60);
const LATE_WRITES: u64 = 10;

/// A database with a table `accounts` of one row, and the table of fences.
trait Store {
    /// Runs one transaction: the check, and the write if the check accepted it. Without a check, only the write.
    fn write(&self, token: Option<FencingToken>, balance: u64);

    fn balance(&self) -> u64;
}

/// The balance after late writes of paused holders, and the last balance that was written in time.
async fn balances(redlock: &Redlock, store: &impl Store, check: bool) -> Vec<(u64, u64)> {
    let mut balances = Vec::new();
    for turn in 0..LATE_WRITES {
        let take = || async {
            let lock = redlock.lock("account").ttl(LEASE).keep_alive(false);
            within(SOON, lock.wait(SOON))
                .await
                .expect("the lease before is over")
        };
        let sleeper = take().await;
        within(SOON, sleeper.lost()).await;
        let second = take().await;
        let token = |guard: &redlock::Guard| check.then(|| guard.token());
        let written = 2 * turn + 2;
        store.write(token(&second), written);
        store.write(token(&sleeper), written - 1);
        balances.push((store.balance(), written));
    }
    balances
}

async fn refuses_late_writes(store: &impl Store) {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    // Proof that the test can fail: without the check, each late write wins.
    let unchecked = balances(&redlock, store, false).await;
    assert!(
        unchecked
            .iter()
            .all(|(balance, written)| *balance == written - 1)
    );
    let checked = balances(&redlock, store, true).await;
    assert!(
        checked.iter().all(|(balance, written)| balance == written),
        "{checked:?}"
    );
    // A holder may write more than once, and 0 is not a token.
    let guard = redlock.lock("account").await.expect("free");
    store.write(Some(guard.token()), 1_000);
    store.write(Some(guard.token()), 1_001);
    store.write(
        Some(FencingToken::try_from(0_u64).expect("a number")),
        1_002,
    );
    assert_eq!(store.balance(), 1_001);
}

struct Sqlite(tempfile::TempDir);

impl Sqlite {
    fn start() -> Self {
        let store = Self(tempfile::tempdir().expect("a folder"));
        store.run(&[
            fence::SQLITE_TABLE,
            "CREATE TABLE accounts (balance INTEGER)",
            "INSERT INTO accounts VALUES (0)",
        ]);
        store
    }

    fn run(&self, statements: &[&str]) -> String {
        output(
            Command::new("sqlite3")
                .arg("-bail")
                .arg(self.0.path().join("db"))
                .arg(statements.join("; ")),
        )
    }
}

impl Store for Sqlite {
    fn write(&self, token: Option<FencingToken>, balance: u64) {
        let write = format!("UPDATE accounts SET balance = {balance}");
        let Some(token) = token else {
            self.run(&[&write]);
            return;
        };
        let check = fence::SQLITE
            .replace("?1", "'account'")
            .replace("?2", &i64::from(token).to_string());
        // What a program does with the number of affected rows that its driver returns.
        self.run(&[
            "BEGIN IMMEDIATE",
            &check,
            &format!("{write} WHERE changes() = 1"),
            "COMMIT",
        ]);
    }

    fn balance(&self) -> u64 {
        self.run(&["SELECT balance FROM accounts"])
            .trim()
            .parse()
            .expect("a number")
    }
}

#[tokio::test]
async fn sqlite_refuses_late_writes() {
    if is_installed(Command::new("sqlite3")) {
        refuses_late_writes(&Sqlite::start()).await;
    }
}

/// A driver binds a token as a text where a program keeps it as one, and a key as a blob.
#[test]
fn sqlite_compares_values_of_all_types() {
    if !is_installed(Command::new("sqlite3")) {
        return;
    }
    let store = Sqlite::start();
    let accepts = |key: &str, token: &str| {
        let check = fence::SQLITE.replace("?1", key).replace("?2", token);
        store.run(&[&check, "SELECT changes()"]).trim() == "1"
    };
    assert!(
        !accepts("'a'", "'0'"),
        "the token of a lock without fencing"
    );
    assert!(accepts("'a'", "5"));
    assert!(!accepts("'a'", "'4'"), "an old token in a text");
    assert!(!accepts("CAST('a' AS BLOB)", "4"), "the same key");
    assert!(!accepts("'a'", "'nonsense'") && !accepts("'a'", "NULL"));
    for too_large in [
        "9007199254740992",
        "9223372036854775807",
        "'99999999999999999999'",
        "1e300",
    ] {
        assert!(!accepts("'a'", too_large), "{too_large} is no token");
    }
    assert!(accepts("'a'", "'10'"), "numbers, not digits, are compared");
    assert!(
        accepts("'a'", "11"),
        "nothing that was refused is in the way"
    );
    assert!(accepts("'b'", "1"), "another resource");
    assert!(accepts("'b'", "9007199254740991"), "the largest token");
}

impl Store for Postgres {
    fn write(&self, token: Option<FencingToken>, balance: u64) {
        let write = format!("UPDATE accounts SET balance = {balance}");
        let Some(token) = token else {
            self.run(&[&write]);
            return;
        };
        let check = fence::POSTGRES
            .replace("$1", "'account'")
            .replace("$2", &i64::from(token).to_string());
        // The number of affected rows that a driver returns decides about the write in the same transaction.
        let both = format!(
            "WITH checked AS ({check} RETURNING 1) {write} WHERE EXISTS (SELECT FROM checked)"
        );
        self.run(&["BEGIN", &both, "COMMIT"]);
    }

    fn balance(&self) -> u64 {
        self.run(&["SELECT balance FROM accounts"])
            .trim()
            .parse()
            .expect("a number")
    }
}

#[tokio::test]
async fn postgres_refuses_late_writes() {
    if let Some(store) = Postgres::start() {
        store.run(&[
            fence::POSTGRES_TABLE,
            "CREATE TABLE accounts (balance bigint)",
            "INSERT INTO accounts VALUES (0)",
        ]);
        refuses_late_writes(&store).await;
    }
}

/// A Redis that keeps the data.
struct Redis {
    url: String,
}

impl Store for Redis {
    fn write(&self, token: Option<FencingToken>, balance: u64) {
        let write = "return redis.call('SET', KEYS[1], ARGV[1])";
        let refused = "if not accepted(KEYS[2], ARGV[2]) then return 'STALE' end";
        let script = match token {
            Some(_) => format!("{} {refused} {write}", fence::REDIS),
            None => write.to_owned(),
        };
        let token = token.map_or(0, FencingToken::get);
        let mut connection = redis::Client::open(&*self.url)
            .and_then(|client| client.get_connection())
            .expect("a server");
        let script = redis::Script::new(&script);
        let mut call = script.key("balance");
        let called: redis::RedisResult<String> = call
            .key("balance:fence")
            .arg(balance)
            .arg(token)
            .invoke(&mut connection);
        called.expect("a script that runs");
    }

    fn balance(&self) -> u64 {
        let mut connection = redis::Client::open(&*self.url)
            .and_then(|client| client.get_connection())
            .expect("a server");
        redis::Commands::get(&mut connection, "balance").expect("a number")
    }
}

#[tokio::test]
async fn redis_refuses_late_writes() {
    let store = Cluster::start(1).await;
    let url = store.urls().remove(0);
    refuses_late_writes(&Redis { url }).await;
}

#[tokio::test]
async fn redis_refuses_what_is_no_token() {
    let store = Cluster::start(1).await;
    let script = format!("{} return accepted(KEYS[1], ARGV[1])", fence::REDIS);
    let accepts = async |key: &str, token: &str| -> redis::RedisResult<bool> {
        let client = redis::Client::open(store.urls().remove(0)).expect("an address");
        let mut connection = client
            .get_multiplexed_async_connection()
            .await
            .expect("a server");
        let script = redis::Script::new(&script);
        script
            .key(key)
            .arg(token)
            .invoke_async(&mut connection)
            .await
    };
    for refused in [
        "0",
        "-1",
        "",
        "x",
        "007",
        "1.5",
        "1e15",
        "9007199254740992",
        "9223372036854775807",
        "18446744073709551616",
    ] {
        assert!(!accepts("a", refused).await.expect("a reply"), "{refused}");
    }
    assert!(accepts("a", "9").await.expect("a reply"));
    assert!(accepts("a", "9007199254740991").await.expect("a reply"));
    assert!(!accepts("a", "10").await.expect("a reply"));
    // What an earlier version kept, or another program wrote, is named and stays.
    for foreign in ["9223372036854775807", "of another program"] {
        let mut set = redis::cmd("SET");
        let () = store.node(0).ask(set.arg("b").arg(foreign)).await;
        let error = accepts("b", "9").await.expect_err("no token");
        assert!(error.to_string().contains("delete it"), "{error}");
        let left: String = store.node(0).ask(redis::cmd("GET").arg("b")).await;
        assert_eq!(left, foreign);
    }
}

#[test]
fn a_statement_that_returns_no_rows_is_a_refusal_with_a_remedy() {
    assert_eq!(fence::accepted(1), Ok(()));
    let stale = fence::accepted(0).expect_err("no rows");
    assert!(format!("{stale:?}").contains("too old"), "{stale:?}");
    let stale = stale.to_string();
    assert!(stale.contains("Roll the transaction back"), "{stale}");
}
