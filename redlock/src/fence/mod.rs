//! Stores that check fencing tokens: the one statement that refuses a late write.
//!
//! A lock cannot stop a holder that was paused for longer than its lease and does not know it yet. The store can: it keeps
//! the highest [token](crate::FencingToken) that it has seen for each resource, and refuses a write with a lower one. The
//! check and the write have to be one transaction. So the check is a statement for the transaction that you write in, by
//! whichever driver you use, and [`accepted`] reads its result:
//!
//! ```ignore
//! // At start, once: with sqlx here, and the same with any other driver.
//! sqlx::query(redlock::fence::POSTGRES_TABLE).execute(&pool).await?;
//!
//! let guard = redlock.lock("invoice:42").await?;
//! let mut transaction = pool.begin().await?;
//! let checked = sqlx::query(redlock::fence::POSTGRES)
//!     .bind("invoice:42")
//!     .bind(i64::from(guard.token()))
//!     .execute(&mut *transaction)
//!     .await?;
//! redlock::fence::accepted(checked.rows_affected())?; // the transaction is dropped, and so rolled back
//! sqlx::query("UPDATE invoices SET paid = true WHERE id = 42").execute(&mut *transaction).await?;
//! transaction.commit().await?;
//! ```
//!
//! A key stands for what is written, not for the lock alone: name it as the lock is named, and use it for all that is
//! written under that lock. A row stays for each key.
//!
//! | | table | check |
//! |---|---|---|
//! | Postgres 9.5 and later | [`POSTGRES_TABLE`] | [`POSTGRES`]: `$1` the key, `$2` the token |
//! | SQLite 3.24 and later | [`SQLITE_TABLE`] | [`SQLITE`]: `?1` the key, `?2` the token |
//! | Redis | | [`REDIS`]: a Lua function for your own script |
//!
//! Which tokens may be compared: those of one lock, of a writer of one key, of one permit. A token of 0, as a lock has without
//! fencing, is always refused.

use std::fmt;

/// Creates the table of [`POSTGRES`], where it is missing.
pub const POSTGRES_TABLE: &str = "CREATE TABLE IF NOT EXISTS redlock_fences \
     (key text PRIMARY KEY, token bigint NOT NULL)";

/// Accepts the token `$2`, a `bigint`, for the key `$1`, a `text`, unless a higher one was accepted before: one row is affected
/// then, and otherwise none.
///
/// The row stays locked until the transaction ends, so writers of one key follow one another. At the isolation levels
/// `REPEATABLE READ` and `SERIALIZABLE`, the late one of two that run at the same time gets a serialization failure instead:
/// the transaction that is tried again is refused.
pub const POSTGRES: &str = "INSERT INTO redlock_fences (key, token) SELECT $1::text, $2::bigint WHERE $2::bigint > 0 \
     ON CONFLICT (key) DO UPDATE SET token = excluded.token WHERE redlock_fences.token <= excluded.token";

/// Creates the table of [`SQLITE`], where it is missing.
pub const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS redlock_fences \
     (key TEXT PRIMARY KEY, token INTEGER NOT NULL) WITHOUT ROWID";

/// Accepts the token `?2` for the key `?1`, unless a higher one was accepted before: one row is affected then, and otherwise
/// none.
///
/// It writes, so it takes the write lock of the database. Begin the transaction with `BEGIN IMMEDIATE`: one that has read
/// before would get `SQLITE_BUSY`, if another wrote meanwhile.
pub const SQLITE: &str = "INSERT INTO redlock_fences (key, token) SELECT ?1, ?2 WHERE ?2 > 0 \
     ON CONFLICT (key) DO UPDATE SET token = excluded.token WHERE redlock_fences.token <= excluded.token";

/// A Lua function `accepted(key, token)` to put before a script of yours, which then returns early unless it says `true`.
///
/// `key` is a key that remembers the token, on the same hash slot as the data; it is no key of the lock's. It is kept for as
/// long as the data are: a Redis that evicts or expires it forgets who was last.
///
/// ```
/// let script = format!(
///     "{} if not accepted(KEYS[2], ARGV[2]) then return redis.error_reply('STALE a later holder has written') end \
///      return redis.call('SET', KEYS[1], ARGV[1])",
///     redlock::fence::REDIS
/// );
/// # assert!(script.contains("local function accepted"));
/// ```
pub const REDIS: &str = include_str!("accepted.lua");

/// Reads the result of [`POSTGRES`] or [`SQLITE`]: how many rows were affected.
///
/// # Errors
/// [`Stale`] for no rows: roll the transaction back.
pub fn accepted(rows_affected: u64) -> Result<(), Stale> {
    match rows_affected {
        0 => Err(Stale(())),
        _ => Ok(()),
    }
}

/// A later holder of the lock has written already, so that this write is too late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale(());

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the fencing token is too old: a later holder of the lock has written, or the token is 0. Roll the \
             transaction back, and do not try again with this token",
        )
    }
}

impl std::error::Error for Stale {}
