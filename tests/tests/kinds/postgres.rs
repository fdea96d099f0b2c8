//! The check of tokens in Postgres, with values of all types and transactions that run at the same time.

use std::time::Duration;

use redlock::fence;
use tests::{eventually, postgres::Postgres, within};
use tokio_postgres::{
    Client, Error, IsolationLevel, NoTls, Statement, Transaction,
    error::SqlState,
    types::{ToSql, Type},
};

use crate::SOON;

/// A value and its type, as a driver binds them.
type Bound<'a> = (Type, &'a (dyn ToSql + Sync));

/// A connection to `server`, which has the table of fences.
async fn connect(server: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls)
        .await
        .expect("a server");
    tokio::spawn(connection);
    client
        .batch_execute(fence::POSTGRES_TABLE)
        .await
        .expect("a table");
    client
}

async fn bound(client: &Client, key: Bound<'_>, token: Bound<'_>) -> Result<bool, Error> {
    let check: Statement = client
        .prepare_typed(fence::POSTGRES, &[key.0, token.0])
        .await?;
    let rows = client.execute(&check, &[key.1, token.1]).await?;
    Ok(fence::accepted(rows).is_ok())
}

async fn check(client: &Client, key: &str, token: i64) -> Result<bool, Error> {
    bound(client, (Type::TEXT, &key), (Type::INT8, &token)).await
}

async fn accepts(client: &Client, key: &str, token: i64) -> bool {
    check(client, key, token).await.expect("checked")
}

async fn seen(client: &Client, key: &str) -> i64 {
    let select = "SELECT token FROM redlock_fences WHERE key = $1";
    client
        .query_one(select, &[&key])
        .await
        .expect("a row")
        .get(0)
}

#[tokio::test]
async fn tokens_of_all_types_are_compared_as_numbers() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let client = connect(&server).await;
    let as_text =
        async |token: Option<&str>| bound(&client, (Type::TEXT, &"a"), (Type::TEXT, &token)).await;
    let none: Option<i64> = None;
    assert!(
        !bound(&client, (Type::TEXT, &"a"), (Type::INT8, &none))
            .await
            .expect("checked")
    );
    for refused in ["0", "-1", "-9223372036854775808", "-0"] {
        assert!(!as_text(Some(refused)).await.expect("checked"), "{refused}");
    }
    assert!(!as_text(None).await.expect("checked"), "no token");
    for nonsense in [
        "",
        "x",
        "1.5",
        "9223372036854775808",
        "NaN",
        "1; DROP TABLE redlock_fences",
    ] {
        as_text(Some(nonsense)).await.expect_err("no token");
    }
    assert!(as_text(Some("9")).await.expect("checked"));
    assert!(!as_text(Some("8")).await.expect("checked"));
    assert!(
        as_text(Some("10")).await.expect("checked"),
        "numbers, not digits, are compared"
    );
    assert!(!accepts(&client, "a", 9).await);
    for (kind, token) in [
        (Type::INT4, &11_i32 as &(dyn ToSql + Sync)),
        (Type::FLOAT8, &12.0_f64),
        (Type::INT8, &13_i64),
    ] {
        let accepted = bound(&client, (Type::TEXT, &"a"), (kind.clone(), token)).await;
        assert!(accepted.expect("checked"), "{kind}");
        let again = bound(&client, (Type::TEXT, &"a"), (Type::INT2, &10_i16)).await;
        assert!(!again.expect("checked"), "after {kind}");
    }
    // A literal with a fraction is a `numeric`, as is what some drivers bind.
    let literal = |token: &str| fence::POSTGRES.replace("$1", "'a'").replace("$2", token);
    for refused in ["0.4", "-0.4", "'NaN'::numeric", "NULL", "1e300"] {
        let rows = client.execute(&literal(refused), &[]).await;
        assert!(
            rows.is_err() || rows.is_ok_and(|rows| rows == 0),
            "{refused}"
        );
    }
    assert_eq!(seen(&client, "a").await, 13, "nothing else was kept");
    let largest = (1_i64 << 53) - 1;
    for too_large in [largest + 1, i64::MAX] {
        assert!(!accepts(&client, "b", too_large).await, "{too_large}");
    }
    assert!(accepts(&client, "b", largest).await);
    assert!(!accepts(&client, "b", largest - 1).await);
}

#[tokio::test]
async fn keys_of_all_types_and_letters() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let client = connect(&server).await;
    let of = async |key: Bound<'_>, token: i64| bound(&client, key, (Type::INT8, &token)).await;
    for (n, key) in [
        "a",
        "A",
        "a ",
        " a",
        "",
        "%",
        "a'b",
        "a\\b",
        "\\x61",
        "é",
        "e\u{301}",
        "\u{feff}a",
        "键",
        "🔒",
        "a\nb",
        "{tag}:x",
        "\u{202e}a",
    ]
    .into_iter()
    .enumerate()
    {
        // Each has a row of its own.
        let token = i64::try_from(n).expect("small") + 100;
        assert!(accepts(&client, key, token).await, "{key:?}");
        assert!(!accepts(&client, key, token - 1).await, "{key:?}");
        assert!(
            of((Type::VARCHAR, &key), token).await.expect("checked"),
            "{key:?}"
        );
        assert!(
            !of((Type::VARCHAR, &key), token - 1).await.expect("checked"),
            "{key:?}"
        );
        assert_eq!(seen(&client, key).await, token, "{key:?}");
    }
    // Postgres has no text with a NUL, and no row without a key.
    check(&client, "a\0b", 200).await.expect_err("no text");
    let none: Option<&str> = None;
    of((Type::TEXT, &none), 200).await.expect_err("no key");
    // The same key as bytes would be another row, which knows nothing of the tokens so far.
    let bytes = of((Type::BYTEA, &b"A".as_slice()), 5).await;
    assert!(
        !bytes.expect("checked"),
        "an old token for the key in bytes"
    );
}

/// Begins a transaction. Its snapshot is older than whatever others write from now on.
async fn begin(client: &mut Client, level: IsolationLevel) -> Transaction<'_> {
    let transaction = client.build_transaction().isolation_level(level).start();
    let transaction = transaction.await.expect("begins");
    let count = "SELECT count(*) FROM redlock_fences";
    transaction.query(count, &[]).await.expect("rows");
    transaction
}

/// The earlier transaction decides; the later one waits for it, and is refused or accepted by its outcome.
#[tokio::test]
async fn transactions_at_the_same_time() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let (mut one, mut other) = (connect(&server).await, connect(&server).await);
    let watch = connect(&server).await;
    let mut number = 0;
    for level in [
        IsolationLevel::ReadCommitted,
        IsolationLevel::RepeatableRead,
        IsolationLevel::Serializable,
    ] {
        for (exists, commits, earlier, later) in [
            (true, true, 20, 10),
            (true, true, 10, 20),
            (true, false, 20, 10),
            (true, false, 10, 20),
            (false, true, 20, 10),
            (false, true, 10, 20),
            (false, false, 20, 10),
            (false, false, 10, 20),
        ] {
            let case = format!("{level:?}, {exists}, {commits}, {earlier}, {later}");
            number += 1;
            let key = format!("key-{number}");
            if exists {
                assert!(accepts(&watch, &key, 1).await);
            }
            let first = begin(&mut one, level).await;
            let second = begin(&mut other, level).await;
            let rows = first.execute(fence::POSTGRES, &[&key, &earlier]).await;
            assert_eq!(rows.expect("checked"), 1, "{case}");
            let waits = async {
                let rows = second.execute(fence::POSTGRES, &[&key, &later]).await;
                match &rows {
                    Ok(_) => second.commit().await.expect("commits"),
                    Err(_) => second.rollback().await.expect("rolls back"),
                }
                rows
            };
            let decides = async {
                eventually(SOON, async || {
                    let waiting =
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
                    let row = watch.query_one(waiting, &[]).await.expect("a count");
                    row.get::<_, i64>(0) == 1
                })
                .await;
                match commits {
                    true => first.commit().await.expect("commits"),
                    false => first.rollback().await.expect("rolls back"),
                }
            };
            let both = futures_util::future::join(waits, decides);
            let (rows, ()) = within(SOON, both).await;
            let conflicts = commits && !matches!(level, IsolationLevel::ReadCommitted);
            match rows {
                Ok(rows) => assert!(
                    !conflicts && rows == u64::from(!commits || later > earlier),
                    "{case}"
                ),
                Err(error) => {
                    let code = error.code().expect("an error of the server");
                    assert!(
                        conflicts && *code == SqlState::T_R_SERIALIZATION_FAILURE,
                        "{case}: {error}"
                    );
                }
            }
            // A retry has the right answer in any case.
            let highest = match (commits, conflicts) {
                (true, true) => earlier,
                (true, false) => earlier.max(later),
                (false, _) => later,
            };
            assert_eq!(seen(&watch, &key).await, highest, "{case}");
            assert_eq!(
                accepts(&watch, &key, later).await,
                later >= highest,
                "{case}"
            );
        }
    }
}

/// A transaction that is refused has locked the row all the same, so nobody accepts a token while it runs; and what is rolled
/// back is forgotten.
#[tokio::test]
async fn a_rollback_forgets_the_token() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let mut client = connect(&server).await;
    let watch = connect(&server).await;
    assert!(accepts(&watch, "a", 5).await);
    let mut transaction = client.transaction().await.expect("begins");
    let inner = transaction.savepoint("attempt").await.expect("begins");
    let rows = inner.execute(fence::POSTGRES, &[&"a", &9_i64]).await;
    assert_eq!(rows.expect("checked"), 1);
    inner.rollback().await.expect("rolls back");
    let rows = transaction.execute(fence::POSTGRES, &[&"a", &7_i64]).await;
    assert_eq!(rows.expect("checked"), 1, "9 was rolled back");
    transaction.rollback().await.expect("rolls back");
    assert_eq!(seen(&watch, "a").await, 5);
    assert!(accepts(&watch, "a", 6).await);
}

/// Two transactions check the same keys in different orders: one of them gets an error, and none has to wait for ever.
#[tokio::test]
async fn keys_in_different_orders_are_a_deadlock_that_postgres_ends() {
    let Some(server) = Postgres::start() else {
        return;
    };
    let (mut one, mut other) = (connect(&server).await, connect(&server).await);
    let (first, second) = (
        one.transaction().await.expect("begins"),
        other.transaction().await.expect("begins"),
    );
    for (transaction, key) in [(&first, "a"), (&second, "b")] {
        let rows = transaction.execute(fence::POSTGRES, &[&key, &5_i64]).await;
        assert_eq!(rows.expect("checked"), 1);
    }
    let crosswise = futures_util::future::join(
        async {
            let rows = first.execute(fence::POSTGRES, &[&"b", &6_i64]).await;
            (rows, first.commit().await)
        },
        async {
            let rows = second.execute(fence::POSTGRES, &[&"a", &7_i64]).await;
            (rows, second.commit().await)
        },
    );
    let ((one_of, _), (other_of, _)) = within(Duration::from_secs(60), crosswise).await;
    let failed: Vec<Error> = [one_of, other_of]
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].code(), Some(&SqlState::T_R_DEADLOCK_DETECTED));
}

/// A table that somebody else made, with columns of other types.
#[tokio::test]
async fn a_table_with_other_types() {
    let Some(server) = Postgres::start() else {
        return;
    };
    for (key, token) in [
        ("varchar(20)", "numeric"),
        ("varchar", "text"),
        ("text", "numeric(20, 4)"),
    ] {
        server.run(&[
            "DROP TABLE IF EXISTS redlock_fences",
            &format!("CREATE TABLE redlock_fences (key {key} PRIMARY KEY, token {token} NOT NULL)"),
        ]);
        let client = connect(&server).await;
        assert!(accepts(&client, "a", 9).await);
        assert!(
            accepts(&client, "a", 10).await,
            "{token}: numbers, not digits, are compared"
        );
        assert!(!accepts(&client, "a", 9).await, "{token}");
        if key == "varchar(20)" {
            check(&client, &"a".repeat(21), 9)
                .await
                .expect_err("cut off");
        }
    }
}
