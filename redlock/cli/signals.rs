//! The signals that end this program, or that are meant for the command of `run`.

use std::{fs, future::poll_fn, io, process::ExitCode, task::Poll};

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind};

use crate::failure::{FAILED, Failure, SIGNALLED};

/// The signals that are handled, unless this program was started to ignore them.
const HANDLED: [Signal; 6] = [
    Signal::TERM,
    Signal::INT,
    Signal::HUP,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
];

/// Receives signals. While it exists, they do not end this program by themselves.
#[derive(Debug)]
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(crate) fn new() -> Result<Self, Failure> {
        let listen = |signal: Signal| {
            let stream = unix::signal(SignalKind::from_raw(signal.as_raw()))?;
            Ok((signal, stream))
        };
        // Read before a handler is installed, which changes what is ignored.
        let ignored = ignored();
        let is_ignored = |signal: &Signal| ignored & (1 << (signal.as_raw() - 1)) != 0;
        let handled = HANDLED.into_iter().filter(|signal| !is_ignored(signal));
        let signals: io::Result<Vec<_>> = handled.map(listen).collect();
        signals
            .map(Self)
            .map_err(|error| Failure::new(FAILED, format!("signals cannot be received: {error}")))
    }

    /// The next signal. Cancel safe.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|cx| {
            for (signal, stream) in &mut self.0 {
                if let Poll::Ready(Some(())) = stream.poll_recv(cx) {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// The signals that were ignored when this program was started, for example by `nohup`; the lowest bit is signal 1. The command
/// of `run` ignores them too. On systems other than Linux they are unknown, and 0 is returned.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// The exit code of this program if `signal` ended it, following the convention of shells.
pub(crate) fn signalled(signal: Signal) -> ExitCode {
    let number = u8::try_from(signal.as_raw()).unwrap_or_default();
    ExitCode::from(SIGNALLED.saturating_add(number))
}
