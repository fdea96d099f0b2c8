//! Registers: holders read and write them, and others read them without the lock.

use std::rc::Rc;
use std::slice::from_mut;
use std::time::Duration;

use redlock::Guard;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, cycle, millis};
use crate::args::Problem;
use crate::config::{REGISTER_KEYS, RETENTION};
use crate::history::{Kind, RegisterRead, Version};
use crate::timestamp::{Timestamp, now};

/// Reads as the holder, and writes.
pub(super) async fn hold(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let cycle = Cycle {
            wait: Duration::from_millis(500),
            ..cycle()
        };
        once(&client, any_key(), cycle).await?;
        sleep(millis(5..40)).await;
    }
    for key in REGISTER_KEYS {
        once(&client, key, Cycle::LAST).await?;
    }
    Ok(())
}

/// Reads without the lock.
pub(super) async fn look(client: Rc<Client>, drain: watch::Receiver<bool>) -> Result<(), Problem> {
    while !*drain.borrow() {
        let key = any_key();
        let called = now();
        let read = client.redlock.read(key).retention(RETENTION).await;
        saw(&client, key, None, called, read)?;
        sleep(millis(10..60)).await;
    }
    Ok(())
}

async fn once(client: &Client, key: &str, cycle: Cycle) -> Result<(), Problem> {
    let called = now();
    let request = client.plain(key, cycle);
    let Some(guard) = client.request(key, cycle, request).await else {
        return Ok(());
    };
    let granted = Granted {
        kind: Kind::Lock,
        called,
        ttl: cycle.ttl,
        rounds: guard.rounds(),
        ticket: None,
    };
    let mut hold = Hold::new(client, guard.held(), granted);
    let token = guard.token().get();
    let called = now();
    let read = guard.read().retention(RETENTION).await;
    saw(client, key, Some(token), called, read)?;
    write(client, &guard, Version { token, seq: 1 }).await;
    hold::work(from_mut(&mut hold), cycle.hold).await;
    // A holder that was paused writes without a look at its lock.
    write(client, &guard, Version { token, seq: 2 }).await;
    client.end(&mut hold, cycle, guard).await;
    Ok(())
}

async fn write(client: &Client, guard: &Guard, version: Version) {
    client.journal.writing(guard.key(), version, now());
    let write = guard.write(version.to_string()).retention(RETENTION);
    if write.await.is_ok() {
        client.journal.written(guard.key(), version, now());
    }
}

/// Records the answer of a read.
fn saw(
    client: &Client,
    key: &str,
    holder: Option<u64>,
    called: Timestamp,
    read: Result<Option<Vec<u8>>, redlock::Error>,
) -> Result<(), Problem> {
    let Ok(value) = read else {
        client.journal.unanswered(key, now());
        return Ok(());
    };
    let version = |value: Vec<u8>| -> Result<Version, Problem> {
        let text = String::from_utf8(value)?;
        let read = text.parse();
        read.map_err(|()| format!("the register of {key} has `{text}`, which nobody wrote").into())
    };
    client.journal.saw(&RegisterRead {
        client: client.name.clone(),
        key: key.to_owned(),
        holder,
        called,
        returned: now(),
        found: value.map(version).transpose()?,
    });
    Ok(())
}

fn any_key() -> &'static str {
    REGISTER_KEYS[rand::random_range(0..REGISTER_KEYS.len())]
}
