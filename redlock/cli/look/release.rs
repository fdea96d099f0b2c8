//! `redlock release`: take a lock from its holders, or the permits or one side of the lock with this key.

use std::{
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
};

use redlock::{Holder, Redlock, Result};
use serde_json::json;

use super::holder::{describe, name};
use crate::{
    args::{Common, Kind},
    connect::client,
    failure::{FREE, Failure, USAGE},
    output::Output,
};

/// `force` was given, or the command line was refused.
pub(crate) async fn release(
    common: &Common,
    key: &str,
    kind: Kind,
    yes: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let holders = holders(&client, key, kind).await?;
    if holders.is_empty() {
        output.result(
            || json!({ "key": key, "released": false }),
            || "nobody holds it".to_owned(),
        )?;
        return Ok(ExitCode::from(FREE));
    }
    if !yes && !is_confirmed(key, &holders, output)? {
        return Err(Failure::new(FREE, "nothing was released"));
    }
    take(&client, key, kind).await?;
    let labels: Vec<_> = holders.iter().map(Holder::label).collect();
    let from = match kind.is_shared() {
        true => json!(labels),
        false => json!(labels.first()),
    };
    let names: Vec<_> = holders.iter().map(name).collect();
    output.result(
        || json!({ "key": key, "released": true, "from": from }),
        || format!("released; it was held by {}", names.join(", ")),
    )?;
    Ok(ExitCode::SUCCESS)
}

async fn holders(client: &Redlock, key: &str, kind: Kind) -> Result<Vec<Holder>> {
    Ok(match kind {
        Kind::Lock => client.holder(key).await?.into_iter().collect(),
        Kind::Readers => client.rwlock(key).holders().await?.readers,
        Kind::Writer => Vec::from_iter(client.rwlock(key).holders().await?.writer),
        Kind::Permits => match client.permits(key).await? {
            Some(of) => {
                let held = client.semaphore(key, of).holders().await?;
                held.into_iter().map(|held| held.holder).collect()
            }
            None => Vec::new(),
        },
    })
}

async fn take(client: &Redlock, key: &str, kind: Kind) -> Result<()> {
    match kind {
        Kind::Lock => client.force_release(key).await,
        Kind::Readers => client.rwlock(key).force_release_readers().await,
        Kind::Writer => client.rwlock(key).force_release_writer().await,
        Kind::Permits => match client.permits(key).await? {
            Some(of) => client.semaphore(key, of).force_release_all().await,
            None => Ok(()),
        },
    }
}

fn is_confirmed(key: &str, holders: &[Holder], output: &Output) -> Result<bool, Failure> {
    if !output.can_ask() {
        let text = "there is no terminal to ask for confirmation: give --yes to release the lock without it";
        return Err(Failure::new(USAGE, text));
    }
    let described: Vec<_> = holders
        .iter()
        .map(|holder| describe(holder, output))
        .collect();
    let mut screen = io::stderr();
    let _ = write!(
        screen,
        "lock `{}`: {}\nA holder continues until it notices the loss, so others may run beside it until then. Release it? [y/N] ",
        key.escape_debug(),
        described.join("\n")
    );
    let _ = screen.flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(USAGE, format!("no answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
