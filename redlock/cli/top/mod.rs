//! `redlock top`: the nodes, and the holders of some locks, refreshed at an interval.

mod screen;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use futures_util::future::join_all;
use redlock::{Holder, NodeHealth, Redlock};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::screen::Screen;
use crate::{
    args::{Common, Top},
    connect::client,
    failure::{FAILED, Failure, UNAVAILABLE},
    health, look,
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
    let is_once = top.once || (screen.is_none() && !output.is_json());
    loop {
        let look = Look::take(client, &top.keys).await?;
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
    locks: Vec<(&'a str, redlock::Result<Option<Holder>>)>,
}

impl<'a> Look<'a> {
    /// Fails if a key is invalid.
    async fn take(client: &Redlock, keys: &'a [String]) -> Result<Self, Failure> {
        let holders = join_all(keys.iter().map(|key| client.holder(key)));
        let (nodes, holders) = tokio::join!(client.health(), holders);
        let locks: Vec<_> = keys.iter().map(String::as_str).zip(holders).collect();
        for (_, holder) in &locks {
            if let Err(error) = holder
                && error.is_invalid()
            {
                return Err(error.clone().into());
            }
        }
        Ok(Self {
            quorum: client.quorum(),
            nodes,
            locks,
        })
    }

    fn is_well(&self) -> bool {
        health::voting(&self.nodes) >= self.quorum
    }

    fn lines(&self, output: &Output) -> Vec<String> {
        let mut lines = health::table(&self.nodes, output);
        let is_well = self.is_well();
        lines.push(health::summary(&self.nodes, self.quorum, is_well, output));
        let width = |(key, _): &(&str, _)| plain(key).chars().count();
        let width = self.locks.iter().map(width).max().unwrap_or(0);
        if width > 0 {
            lines.push(String::new());
        }
        lines.extend(self.locks.iter().map(|(key, holder)| {
            let holder = match holder {
                Ok(Some(holder)) => look::summary(holder, output),
                Ok(None) => output.paint("free", Paint::Good),
                Err(error) => output.paint(&plain(&error.without_key().to_string()), Paint::Bad),
            };
            format!("{:width$}  {holder}", plain(key))
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
        let lock = |(key, holder): &(&str, redlock::Result<Option<Holder>>)| match holder {
            Ok(holder) => look::as_json(key, holder.as_ref()),
            Err(error) => json!({ "key": key, "error": error.without_key().to_string() }),
        };
        let at = SystemTime::now().duration_since(UNIX_EPOCH);
        json!({
            "at_ms": millis(at.unwrap_or_default()),
            "healthy": self.is_well(),
            "voting": health::voting(&self.nodes),
            "quorum": self.quorum,
            "nodes": self.nodes.iter().map(health::as_json).collect::<Vec<_>>(),
            "locks": self.locks.iter().map(lock).collect::<Vec<_>>(),
        })
    }
}
