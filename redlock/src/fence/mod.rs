//! Statements by which a store checks fencing tokens and refuses late writes.
//!
//! A lock cannot stop a holder that was paused for longer than its lease and does not know it yet. The store can: it keeps
//! the highest [token](crate::FencingToken) that it has seen for each resource, and refuses a write with a lower one. The
//! check and the write must be in one transaction. So the check is a statement that you execute in the transaction of the
//! write, with any driver, and [`accepted`] reads its result:
//!
//! ```ignore
//! // Once, at start. This is sqlx; other drivers work the same way.
//! sqlx::query(redlock::fence::POSTGRES_TABLE).execute(&pool).await?;
//!
//! let guard = redlock.lock("invoice:42").await?;
//! let mut transaction = pool.begin().await?;
//! let checked = sqlx::query(redlock::fence::POSTGRES)
//!     .bind("invoice:42")
//!     .bind(i64::from(guard.token()))
//!     .execute(&mut *transaction)
//!     .await?;
//! // An error drops the transaction, which rolls it back.
//! redlock::fence::accepted(checked.rows_affected())?;
//! let update = sqlx::query("UPDATE invoices SET paid = true WHERE id = 42");
//! update.execute(&mut *transaction).await?;
//! transaction.commit().await?;
//! ```
//!
//! The key of a row stands for the data that are written: use the name of the lock, for everything that is written under this
//! lock. A row is kept for each key.
//!
//! | | table | check |
//! |---|---|---|
//! | Postgres 9.5 and later | [`POSTGRES_TABLE`] | [`POSTGRES`]: `$1` the key, `$2` the token |
//! | SQLite 3.24 and later | [`SQLITE_TABLE`] | [`SQLITE`]: `?1` the key, `?2` the token |
//! | Redis | | [`REDIS`]: a Lua function for your own script |
//!
//! Only tokens of the same lock, or of the same permit of a semaphore, can be compared. The token 0 of a lock without fencing is
//! always refused, and so is a number of more than 53 bits, which no token has. A smaller number that is not a token of the lock
//! cannot be recognized: if a program once passed one that is too large, all tokens are refused until you delete the row, or the
//! key in Redis, while nobody holds the lock.

use std::fmt;

/// Creates the table of [`POSTGRES`] if it does not exist.
pub const POSTGRES_TABLE: &str = "CREATE TABLE IF NOT EXISTS redlock_fences \
     (key text PRIMARY KEY, token bigint NOT NULL)";

/// Accepts the token `$2`, a `bigint`, for the key `$1`, a `text`, unless a higher one was accepted before. It affects one row if
/// it accepts the token, and none otherwise.
///
/// The row stays locked until the transaction ends, so writers of one key run one after the other. At the isolation levels
/// `REPEATABLE READ` and `SERIALIZABLE`, the later of two concurrent transactions gets a serialization failure; its retry is
/// refused. Transactions that check several keys do so in one order: otherwise Postgres ends one of them as a deadlock.
///
/// A key in a `bytea` is refused, since it would be another row than the same key in a `text`. One with a NUL is an error of
/// Postgres. All writers have to find the same table: name its schema in the `search_path` of each role.
pub const POSTGRES: &str = "INSERT INTO redlock_fences (key, token) SELECT $1::text, $2::bigint \
     WHERE $2::bigint BETWEEN 1 AND 9007199254740991 \
     AND pg_typeof($1) <> 'bytea'::regtype ON CONFLICT (key) DO UPDATE SET token = excluded.token \
     WHERE redlock_fences.token::bigint <= excluded.token::bigint";

/// Creates the table of [`SQLITE`] if it does not exist.
pub const SQLITE_TABLE: &str = "CREATE TABLE IF NOT EXISTS redlock_fences \
     (key TEXT PRIMARY KEY, token INTEGER NOT NULL) WITHOUT ROWID";

/// Accepts the token `?2` for the key `?1`, unless a higher one was accepted before. It affects one row if it accepts the token,
/// and none otherwise. SQLite keeps values of any type, so both are cast: a token in a text is a number, and a key in a blob is
/// the same key as the text.
///
/// It writes, so it takes the write lock of the database. Begin the transaction with `BEGIN IMMEDIATE`: a transaction that has
/// read first gets `SQLITE_BUSY` if another connection wrote meanwhile.
pub const SQLITE: &str = "INSERT INTO redlock_fences (key, token) \
     SELECT CAST(?1 AS TEXT), CAST(?2 AS INTEGER) \
     WHERE CAST(?2 AS INTEGER) BETWEEN 1 AND 9007199254740991 \
     ON CONFLICT (key) DO UPDATE SET token = excluded.token WHERE redlock_fences.token <= excluded.token";

/// A Lua function `accepted(key, token)` to prepend to a script of yours, which should return early unless it returns `true`.
///
/// `key` remembers the highest token. It must be on the same hash slot as the data, and must not be a key of the lock. Keep it as
/// long as the data: if it is evicted or expires, an old token is accepted again.
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

/// Reads the result of [`POSTGRES`] or [`SQLITE`], the number of affected rows.
///
/// # Errors
/// [`Stale`] if no row was affected: roll the transaction back.
pub fn accepted(rows_affected: u64) -> Result<(), Stale> {
    match rows_affected {
        0 => Err(Stale(())),
        _ => Ok(()),
    }
}

/// A later holder of the lock has already written, so this write is too late.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Stale(());

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the fencing token is too old: a later holder of the lock has written, or the token is 0 or none that a lock \
             gives. Roll the \
             transaction back, and do not try again with this token",
        )
    }
}

/// What a `main` that returns the error prints.
impl fmt::Debug for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stale")
            .field(&format_args!("{self}"))
            .finish()
    }
}

impl std::error::Error for Stale {}
