//! Fencing with Postgres: a holder that slept for longer than its lease continues, and the database refuses its write.
//!
//! `DATABASE_URL` names the database, as in `DATABASE_URL="host=localhost user=shop dbname=shop"`.

use std::{process::ExitCode, time::Duration};

use examples::{Locks, say};
use redlock::{FencingToken, fence};
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

const KEY: &str = "account:ada";
const LEASE: Duration = Duration::from_millis(300);
const ENVIRONMENT: &str = "Environment:
  DATABASE_URL  The Postgres database, in which the program makes two temporary tables, as in
                DATABASE_URL=postgres://shop:secret@localhost/shop
  REDIS_URLS    Redis nodes for the locks, separated by commas, as in
                REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003
                Without it three nodes live inside the process";

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "postgres",
        "Fencing with Postgres: a holder that slept for longer than its lease continues, and the database refuses its write",
        ENVIRONMENT,
    );
    examples::exit_code(run().await)
}

/// A write that the database did not take.
type Refused = Box<dyn std::error::Error + Send + Sync>;

async fn run() -> Result<(), String> {
    let mut database = connect().await?;
    let redlock = Locks::from_env().await?.redlock;
    let take = || async {
        // A paused process does not renew its locks. This one only sleeps, so turn the renewal off.
        let lock = redlock.lock(KEY).ttl(LEASE).keep_alive(false);
        lock.await
            .map_err(|error| format!("the lock was not acquired: {error}"))
    };

    let sleeper = take().await?;
    say("the first holder falls asleep");
    sleep(LEASE).await;
    let second = take().await?;
    write(&mut database, second.token(), 200)
        .await
        .map_err(|error| error.to_string())?;
    say("the second holder writes 200");

    match write(&mut database, sleeper.token(), 100).await {
        Ok(()) => Err("the database took a write of a holder whose lease was over".to_owned()),
        Err(error) if error.is::<fence::Stale>() => {
            say(format_args!("the first holder writes 100: {error}"));
            let balance = database
                .query_one("SELECT balance FROM accounts", &[])
                .await;
            let balance: i64 = balance.map_err(|error| error.to_string())?.get(0);
            say(format_args!("the balance is {balance}"));
            Ok(())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The check and the write, in one transaction. An error drops the transaction, which rolls it back.
async fn write(database: &mut Client, token: FencingToken, balance: i64) -> Result<(), Refused> {
    let transaction = database.transaction().await?;
    let rows = transaction
        .execute(fence::POSTGRES, &[&KEY, &i64::from(token)])
        .await?;
    fence::accepted(rows)?;
    transaction
        .execute("UPDATE accounts SET balance = $1", &[&balance])
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// A connection, and its tables. In production they are permanent, and made once.
async fn connect() -> Result<Client, String> {
    let Ok(url) = std::env::var("DATABASE_URL") else {
        return Err("DATABASE_URL is not set; see --help".to_owned());
    };
    // The URL may contain a password, so no error repeats it.
    let (database, connection) = tokio_postgres::connect(&url, NoTls)
        .await
        .map_err(|error| format!("the database in DATABASE_URL cannot be used: {error}"))?;
    tokio::spawn(connection);
    let tables = format!(
        "{};
         CREATE TEMPORARY TABLE accounts (balance bigint);
         INSERT INTO accounts VALUES (0)",
        fence::POSTGRES_TABLE.replace("CREATE TABLE", "CREATE TEMPORARY TABLE"),
    );
    database
        .batch_execute(&tables)
        .await
        .map_err(|error| format!("the tables cannot be made: {error}"))?;
    Ok(database)
}
