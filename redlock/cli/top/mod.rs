//! `redlock top`: the nodes, the holders of some locks and the runs of some jobs, refreshed at an interval.

mod screen;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redlock::{Holder, NodeHealth, Redlock, job::JobStatus};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::screen::Screen;
use crate::{
    args::{Common, Top},
    connect::client,
    failure::{FAILED, Failure, UNAVAILABLE},
    health, job, look,
    output::{Output, Paint, millis, plain, readable},
    signals::{Signals, signalled},
};

pub(crate) async fn top(common: &Common, top: Top, output: &Output) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    let mut signals = Signals::new()?;
    tokio::select! {
        biased;
        // Dropping the other future restores the screen.
        signal = signals.next() => Ok(signalled(signal)),
        done = watch(&client, &top, output) => done,
    }
}

/// Writes the state at each interval, until the output is closed, or once.
async fn watch(client: &Redlock, top: &Top, output: &Output) -> Result<ExitCode, Failure> {
    let is_screen = io::stdout().is_terminal() && !output.is_json() && !top.once;
    let failed = |error| Failure::new(FAILED, format!("the terminal cannot be used: {error}"));
    let mut screen = match is_screen {
        true => Some(Screen::enter().map_err(failed)?),
        false => None,
    };
    let until = Instant::now() + job::PATIENCE;
    let is_once = top.once || (screen.is_none() && !output.is_json());
    loop {
        let look = Look::take(client, top, until).await?;
        let written = match &screen {
            Some(screen) => screen.draw(&look.screen(top, output)),
            None => output.write(|| look.as_json(), || look.lines(output).join("\n")),
        };
        if is_once && !look.is_well() {
            return Ok(ExitCode::from(UNAVAILABLE));
        }
        // The reader may have closed the pipe, as `head` does.
        if is_once || written.is_err() {
            return Ok(ExitCode::SUCCESS);
        }
        let pause = sleep(top.interval);
        match &mut screen {
            Some(screen) => tokio::select! {
                () = pause => {}
                () = screen.stopped() => {}
            },
            None => pause.await,
        }
    }
}

/// The state at one moment.
struct Look<'a> {
    quorum: usize,
    nodes: Vec<NodeHealth>,
    locks: Vec<Seen<'a, Holder>>,
    jobs: Vec<Seen<'a, JobStatus>>,
}

/// What is known about a key or the name of a job.
type Seen<'a, T> = (&'a str, redlock::Result<Option<T>>);

impl<'a> Look<'a> {
    /// Fails if a key or a name is invalid.
    async fn take(client: &Redlock, top: &'a Top, until: Instant) -> Result<Self, Failure> {
        let holders = join_all(top.keys.iter().map(|key| client.holder(key)));
        let states = top.jobs.iter().map(|name| job::status(client, name, until));
        let states = join_all(states);
        let (nodes, holders, states) = tokio::join!(client.health(), holders, states);
        let states = states.into_iter().map(job::known).collect();
        Ok(Self {
            quorum: client.quorum(),
            nodes,
            locks: seen(&top.keys, holders)?,
            jobs: seen(&top.jobs, states)?,
        })
    }

    fn is_well(&self) -> bool {
        health::voting(&self.nodes) >= self.quorum
    }

    fn lines(&self, output: &Output) -> Vec<String> {
        let mut lines = health::table(&self.nodes, output);
        let is_well = self.is_well();
        lines.push(health::summary(&self.nodes, self.quorum, is_well, output));
        lines.extend(table(&self.locks, output, |holder| match holder {
            Some(holder) => look::summary(holder, output),
            None => output.paint("free", Paint::Good),
        }));
        lines.extend(table(&self.jobs, output, |status| {
            job::summary(status, output)
        }));
        lines
    }

    /// The lines with a heading.
    fn screen(&self, top: &Top, output: &Output) -> Vec<String> {
        let every = readable(top.interval);
        let heading = format!("redlock top, every {every}, ends with Ctrl-C");
        let mut lines = vec![output.paint(&heading, Paint::Faint), String::new()];
        lines.extend(self.lines(output));
        lines
    }

    fn as_json(&self) -> Value {
        let lock = |(key, holder): &Seen<'_, Holder>| match holder {
            Ok(holder) => look::as_json(key, holder.as_ref()),
            Err(error) => json!({ "key": key, "error": error.without_key().to_string() }),
        };
        let job = |(name, status): &Seen<'_, JobStatus>| match status {
            Ok(status) => job::as_json(name, status.as_ref()),
            Err(error) => json!({ "job": name, "error": error.without_key().to_string() }),
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        json!({
            "at_ms": millis(at.unwrap_or_default()),
            "healthy": self.is_well(),
            "voting": health::voting(&self.nodes),
            "quorum": self.quorum,
            "nodes": self.nodes.iter().map(health::as_json).collect::<Vec<_>>(),
            "locks": self.locks.iter().map(lock).collect::<Vec<_>>(),
            "jobs": self.jobs.iter().map(job).collect::<Vec<_>>(),
        })
    }
}

/// What was found for each name. An error that will not pass ends the program.
fn seen<T>(
    names: &[String],
    found: Vec<redlock::Result<Option<T>>>,
) -> Result<Vec<Seen<'_, T>>, Failure> {
    let seen = names.iter().map(String::as_str).zip(found);
    seen.map(|(name, found)| match found {
        Err(error) if error.is_invalid() => Err(error.into()),
        found => Ok((name, found)),
    })
    .collect()
}

/// An empty line, and a line for each name.
fn table<T>(
    seen: &[Seen<'_, T>],
    output: &Output,
    line: impl Fn(Option<&T>) -> String,
) -> Vec<String> {
    let width = seen.iter().map(|(name, _)| plain(name).chars().count());
    let Some(width) = width.max() else {
        return Vec::new();
    };
    let line = |(name, found): &Seen<'_, T>| {
        let found = match found {
            Ok(found) => line(found.as_ref()),
            Err(error) => output.paint(&plain(&error.without_key().to_string()), Paint::Bad),
        };
        format!("{:width$}  {found}", plain(name))
    };
    let lines = seen.iter().map(line);
    std::iter::once(String::new()).chain(lines).collect()
}
