//! `redlock holder`, `wait` and `release`: show the holder of a lock, wait for its end, and take the lock by force.

use std::{
    io::{self, BufRead as _, Write as _},
    process::ExitCode,
    time::Duration,
};

use redlock::Holder;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    args::Common,
    connect::client,
    failure::{BUSY, FREE, Failure, USAGE},
    output::{Output, Paint, millis, plain, readable},
};

/// Polling period of `wait`. A lock may be released long before its ttl is over.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

pub(crate) async fn holder(
    common: &Common,
    key: &str,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let holder = client(common)?.holder(key).await?;
    output.result(
        || as_json(key, holder.as_ref()),
        || match &holder {
            Some(holder) => describe(holder, output),
            None => output.paint("nobody holds it", Paint::Good),
        },
    );
    Ok(match holder {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(FREE),
    })
}

fn describe(holder: &Holder, output: &Output) -> String {
    let summary = summary(holder, output);
    if holder.is_cool_down() {
        return summary;
    }
    let owner = output.paint(&format!("owner {}", plain(&holder.owner)), Paint::Faint);
    format!("{summary}\n{owner}")
}

/// The holder, in one line.
pub(crate) fn summary(holder: &Holder, output: &Output) -> String {
    let left = readable(holder.remaining);
    if holder.is_cool_down() {
        return output.paint(
            &format!("nobody holds it, but it cools down for another {left}"),
            Paint::Warning,
        );
    }
    let by = output.paint(&name(holder), Paint::Warning);
    let waiting = match holder.waiting {
        0 => String::new(),
        1 => ", 1 process waits".to_owned(),
        many => format!(", {many} processes wait"),
    };
    format!(
        "held by {by} for another {left} at most, token {}{waiting}",
        holder.token
    )
}

/// A human-readable name of the holder.
fn name(holder: &Holder) -> String {
    match holder.label() {
        Some(label) => label.to_owned(),
        None => "a client without a label".to_owned(),
    }
}

pub(crate) fn as_json(key: &str, holder: Option<&Holder>) -> Value {
    json!({
        "key": key,
        "held": holder.is_some_and(|holder| !holder.is_cool_down()),
        "cooling_down": holder.is_some_and(Holder::is_cool_down),
        "label": holder.and_then(Holder::label),
        "owner": holder.map(|holder| &holder.owner),
        "remaining_ms": holder.map(|holder| millis(holder.remaining)),
        "token": holder.map(|holder| holder.token.get()),
        "waiting": holder.map(|holder| holder.waiting),
    })
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
            );
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

/// `force` was given, or the command line was refused.
pub(crate) async fn release(
    common: &Common,
    key: &str,
    _force: bool,
    yes: bool,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let Some(holder) = client.holder(key).await? else {
        output.result(
            || json!({ "key": key, "released": false }),
            || "nobody holds it".to_owned(),
        );
        return Ok(ExitCode::from(FREE));
    };
    if !yes && !is_confirmed(key, &holder, output)? {
        return Err(Failure::new(FREE, "nothing was released"));
    }
    client.force_release(key).await?;
    output.result(
        || json!({ "key": key, "released": true, "from": holder.label() }),
        || format!("released; it was held by {}", name(&holder)),
    );
    Ok(ExitCode::SUCCESS)
}

fn is_confirmed(key: &str, holder: &Holder, output: &Output) -> Result<bool, Failure> {
    if !output.can_ask() {
        let text = "there is no terminal to ask for confirmation: give --yes to release the lock without it";
        return Err(Failure::new(USAGE, text));
    }
    let mut screen = io::stderr();
    let _ = write!(
        screen,
        "lock `{}`: {}\nIts holder continues until it notices the loss, so two may run until then. Release it? [y/N] ",
        key.escape_debug(),
        describe(holder, output)
    );
    let _ = screen.flush();
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(USAGE, format!("no answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
