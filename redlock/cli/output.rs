//! What the program writes: for people, in colours on a terminal, or JSON.

use std::{
    env,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    args::{Args, Color},
    failure::{FAILED, Failure},
};

#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    color: Color,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Paint {
    Good,
    Warning,
    Bad,
    Faint,
}

impl Output {
    pub(crate) fn new(args: &Args) -> Self {
        Self {
            json: args.common.json,
            color: args.common.color,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a result: `value` as JSON, or the lines of `text`. Fails if it is lost, as on a full disk.
    pub(crate) fn result(
        &self,
        value: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.write(value, text) {
            // The reader may have closed the pipe, as `head` does.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let text = format!("the result cannot be written: {error}");
                Err(Failure::new(FAILED, text))
            }
            _ => Ok(()),
        }
    }

    /// Like [`result`](Self::result). Fails if the output is closed.
    pub(crate) fn write(
        &self,
        value: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let line = match self.json {
            true => value().to_string(),
            false => text(),
        };
        writeln!(io::stdout(), "{line}")
    }

    /// Writes an error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if !self.json {
            let name = paint("redlock:", Paint::Bad, self.is_colored(&io::stderr()));
            let _ = writeln!(io::stderr(), "{name} {}", failure.text);
            return;
        }
        let error = failure.error.as_ref();
        let value = json!({
            "error": failure.text,
            "kind": error.map(|error| format!("{:?}", error.kind())),
            "holder": error.and_then(redlock::Error::holder_label),
            "retry_after_ms": error.and_then(redlock::Error::retry_after).map(millis),
        });
        let _ = writeln!(io::stderr(), "{value}");
    }

    /// A text in a colour, if the standard output has colours.
    pub(crate) fn paint(&self, text: &str, color: Paint) -> String {
        paint(text, color, self.is_colored(&io::stdout()))
    }

    pub(crate) fn is_colored(&self, stream: &impl io::IsTerminal) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                stream.is_terminal() && !unwanted
            }
        }
    }

    /// Whether a question can be asked and answered.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal()
    }
}

fn paint(text: &str, color: Paint, colored: bool) -> String {
    let code = match color {
        Paint::Good => 32,
        Paint::Warning => 33,
        Paint::Bad => 31,
        Paint::Faint => 2,
    };
    match colored {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    }
}

/// A text of a server without control characters, which a terminal would interpret.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// A duration for people.
pub(crate) fn readable(time: Duration) -> String {
    match time.as_millis() {
        ms @ ..1_000 => format!("{ms} ms"),
        1_000..120_000 => format!("{:.1} s", time.as_secs_f64()),
        120_000..7_200_000 => format!("{} min", time.as_secs() / 60),
        7_200_000..172_800_000 => format!("{} h", time.as_secs() / 3_600),
        _ => format!("{} days", time.as_secs() / 86_400),
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
