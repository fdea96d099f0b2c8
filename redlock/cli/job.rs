//! `redlock job`: the last run of a job, its next firing, and what was missed.

use std::{
    process::ExitCode,
    time::{Duration, SystemTime},
};

use redlock::{
    Error, Redlock,
    job::{JobStatus, Run, RunState},
};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    args::Common,
    connect::client,
    failure::{FREE, Failure},
    output::{Output, Paint, millis, plain, readable},
};

/// What is shown of a job without a record.
const UNKNOWN: &str = "nothing is on record";
/// How long to ask again after the start of the program.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(50);

pub(crate) async fn job(common: &Common, name: &str, output: &Output) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let found = status(&client, name, Instant::now() + PATIENCE).await;
    let doubt = found.as_ref().err().map(doubt);
    let status = known(found)?;
    output.result(
        || as_json(name, status.as_ref()),
        || match (&status, doubt) {
            (Some(status), _) => describe(status, output),
            (None, Some(doubt)) => format!("{UNKNOWN}; {doubt}"),
            (None, None) => UNKNOWN.to_owned(),
        },
    )?;
    Ok(match status {
        Some(_) => ExitCode::SUCCESS,
        None => ExitCode::from(FREE),
    })
}

/// The record of a job. A client that has just been built has no quorum until the nodes have accepted its list of them, so it
/// asks again until then.
pub(crate) async fn status(
    client: &Redlock,
    name: &str,
    until: Instant,
) -> redlock::Result<Option<JobStatus>> {
    loop {
        match client.jobs().status(name).await {
            Err(error) if error.is_no_quorum() && Instant::now() < until => sleep(ASK_AGAIN).await,
            found => return found,
        }
    }
}

/// Why a job without a record may have run all the same.
fn doubt(forgotten: &Error) -> String {
    let left = forgotten.retry_after().map(readable);
    let left = left.map_or_else(String::new, |left| format!(" (known in {left})"));
    format!("the nodes started lately and may have forgotten an earlier run{left}")
}

/// The record that is known. Where there is none, nodes that have not been up for the retention of a record
/// say that they may have forgotten one.
pub(crate) fn known(
    found: redlock::Result<Option<JobStatus>>,
) -> redlock::Result<Option<JobStatus>> {
    match found {
        Err(error) if error.is_forgotten() => Ok(None),
        found => found,
    }
}

/// A line for each thing that is known.
fn describe(status: &JobStatus, output: &Output) -> String {
    let mut lines = vec![format!("last run: {}", last(status, output))];
    if let Some(run) = &status.last {
        lines.push(format!("its firing: {}", from_now(run.firing)));
        if let Some(error) = &run.error {
            lines.push(format!("its error: {}", plain(error)));
        }
    }
    if let Some(completed) = status.last_completed {
        lines.push(format!("last completed firing: {}", from_now(completed)));
    }
    lines.push(format!("next firing: {}", next(status, output)));
    lines.push(format!("missed: {}", missed(status, output)));
    lines.push(format!("skipped: {}", status.skipped));
    lines.join("\n")
}

/// The state of a job, in one line.
pub(crate) fn summary(status: Option<&JobStatus>, output: &Output) -> String {
    let Some(status) = status else {
        return output.paint(UNKNOWN, Paint::Faint);
    };
    format!(
        "{}, next firing {}, missed {}",
        last(status, output),
        next(status, output),
        missed(status, output)
    )
}

fn last(status: &JobStatus, output: &Output) -> String {
    let Some(run) = &status.last else {
        return "none yet".to_owned();
    };
    let label = run.label.as_deref().map(plain);
    let by = label.unwrap_or_else(|| "a client without a label".to_owned());
    let (state, paint) = state(run.state);
    let attempts = match run.attempts {
        ..=1 => String::new(),
        many => format!(", in {many} attempts"),
    };
    format!(
        "{} by {by}{attempts}{}",
        output.paint(state, paint),
        took(run)
    )
}

/// A state as people and as programs read it.
fn state(state: RunState) -> (&'static str, Paint) {
    match state {
        RunState::Running => ("running", Paint::Warning),
        RunState::Completed => ("completed", Paint::Good),
        RunState::Failed => ("failed", Paint::Bad),
        RunState::Crashed => ("crashed", Paint::Bad),
        RunState::Cancelled => ("cancelled", Paint::Warning),
        // The library may add states.
        _ => ("unknown", Paint::Warning),
    }
}

/// How long a run took, or for how long it has been running.
fn took(run: &Run) -> String {
    let until = run.ended.unwrap_or_else(SystemTime::now);
    let Ok(time) = until.duration_since(run.started) else {
        return String::new();
    };
    match run.ended {
        Some(_) => format!(", after {}", readable(time)),
        None => format!(", for {}", readable(time)),
    }
}

fn next(status: &JobStatus, output: &Output) -> String {
    match status.next {
        None => "none".to_owned(),
        Some(at) if at > SystemTime::now() => from_now(at),
        Some(at) => output.paint(&format!("due since {}", from_now(at)), Paint::Warning),
    }
}

fn missed(status: &JobStatus, output: &Output) -> String {
    let missed = status.missed.to_string();
    match status.missed {
        0 => missed,
        _ => output.paint(&missed, Paint::Warning),
    }
}

/// An instant relative to now, by the clock of this machine.
fn from_now(at: SystemTime) -> String {
    match at.elapsed() {
        Ok(ago) => format!("{} ago", readable(ago)),
        Err(error) => format!("in {}", readable(error.duration())),
    }
}

/// Instants are milliseconds since 1970.
pub(crate) fn as_json(name: &str, status: Option<&JobStatus>) -> Value {
    let since = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis);
    let run = |run: &Run| {
        json!({
            "firing_ms": since(run.firing),
            "started_ms": since(run.started),
            "ended_ms": run.ended.map(since),
            "state": state(run.state).0,
            "attempts": run.attempts,
            "label": run.label,
            "error": run.error,
        })
    };
    json!({
        "job": name,
        "last": status.and_then(|status| status.last.as_ref()).map(run),
        "last_completed_ms": status.and_then(|status| status.last_completed).map(since),
        "next_ms": status.and_then(|status| status.next).map(since),
        "missed": status.map(|status| status.missed),
        "skipped": status.map(|status| status.skipped),
    })
}
