//! `redlock holder`, `wait` and `release`: show the holder of a lock, wait for its end, and take the lock by force.

mod holder;
mod kinds;
mod release;

use std::{process::ExitCode, time::Duration};

use futures_util::future::join;
use redlock::Holder;
use serde_json::json;
use tokio::time::{Instant, sleep};

pub(crate) use self::{
    holder::{as_json, summary},
    release::release,
};
use self::{
    holder::{describe, name},
    kinds::Kinds,
};
use crate::{
    args::Common,
    connect::client,
    failure::{BUSY, FREE, Failure},
    output::{Output, Paint, millis, readable},
};

/// Polling period of `wait`. A lock may be released long before its ttl is over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) async fn holder(
    common: &Common,
    key: &str,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let (holder, kinds) = join(client.holder(key), Kinds::look(&client, key)).await;
    let holder = holder?;
    let is_held = holder.is_some() || kinds.are_held();
    output.result(
        || kinds.add_to(as_json(key, holder.as_ref())),
        || {
            let mut lines = Vec::from_iter(holder.as_ref().map(|holder| describe(holder, output)));
            if !is_held && kinds.are_known() {
                lines.push(output.paint("nobody holds it", Paint::Good));
            }
            lines.extend(kinds.lines(output));
            lines.join("\n")
        },
    )?;
    match kinds.into_unknown() {
        _ if is_held => Ok(ExitCode::SUCCESS),
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::from(FREE)),
    }
}

pub(crate) async fn wait(
    common: &Common,
    key: &str,
    timeout: Option<Duration>,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let (client, began) = (client(common)?, Instant::now());
    // An error of the first look is reported, for example wrong nodes. Later ones may be an outage that passes.
    let mut seen = Ok(client.holder(key).await?);
    loop {
        if let Ok(None) = seen {
            output.result(
                || json!({ "key": key, "held": false, "waited_ms": millis(began.elapsed()) }),
                || format!("nobody holds it after {}", readable(began.elapsed())),
            )?;
            return Ok(ExitCode::SUCCESS);
        }
        let left = timeout.map_or(LOOK_AGAIN, |most| most.saturating_sub(began.elapsed()));
        if left.is_zero() {
            let waited = readable(began.elapsed());
            return Err(match seen {
                Ok(holder) => Failure::new(BUSY, still(key, holder.as_ref(), &waited)),
                Err(error) => Failure::from(error),
            });
        }
        sleep(left.min(LOOK_AGAIN)).await;
        seen = match client.holder(key).await {
            Err(error) if !error.is_no_quorum() => return Err(error.into()),
            seen => seen,
        };
    }
}

fn still(key: &str, holder: Option<&Holder>, waited: &str) -> String {
    let busy = match holder {
        Some(holder) if !holder.is_cool_down() => format!("held by {}", name(holder)),
        _ => "in a cool-down".to_owned(),
    };
    format!(
        "lock `{}`: is still {busy} after {waited}",
        key.escape_debug()
    )
}
