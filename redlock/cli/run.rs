//! `redlock run`: a command under a lock.
//!
//! The command runs only while the lock is held: it is killed when the lock is lost, and by the [watcher](crate::watch) when
//! this program is killed or stopped. The lock is held until the command has ended, whatever signals arrive.

use std::{
    process::{ExitCode, ExitStatus},
    time::Duration,
};

use redlock::{Acquire, Guard, Redlock};
use tokio::time::{MissedTickBehavior, interval};

use crate::{
    args::{Common, Run},
    child::{Child, code_of},
    connect::client,
    failure::{FAILED, Failure, LOST},
    output::Output,
    signals::{Signals, signalled},
};

/// How often the remaining validity is reported to the watcher.
const REPORT: Duration = Duration::from_millis(250);

pub(crate) async fn run(common: &Common, run: Run, output: &Output) -> Result<ExitCode, Failure> {
    let client = client(common)?;
    // From here on, a signal does not end this process by itself.
    let mut signals = Signals::new()?;
    let guard = tokio::select! {
        biased;
        signal = signals.next() => {
            // Dropping the request releases what it may have acquired.
            client.close().await;
            return Ok(signalled(signal));
        }
        guard = request(&client, &run) => guard,
    };
    let done = match guard {
        Ok(guard) => hold(guard, &run, &mut signals, output).await,
        Err(error) => Err(Failure::from(error).or_busy(run.busy_code)),
    };
    // Also releases what a request that failed has acquired on some nodes.
    client.close().await;
    done
}

fn request(client: &Redlock, run: &Run) -> Acquire {
    let mut request = client.lock(&run.key);
    if let Some(ttl) = run.ttl {
        request = request.ttl(ttl);
    }
    if let Some(wait) = run.wait {
        request = request.wait(wait);
    }
    if run.no_wait {
        request = request.no_wait();
    }
    if let Some(least) = run.at_least {
        request = request.at_least(least);
    }
    request.into_future()
}

/// Runs the command, and releases the lock when the command has ended.
async fn hold(
    guard: Guard,
    run: &Run,
    signals: &mut Signals,
    output: &Output,
) -> Result<ExitCode, Failure> {
    let token = guard.token().get().to_string();
    let valid_for = || guard.remaining();
    let started = Child::start(&run.command, (&run.env, &token), valid_for).await;
    let child = match started {
        Ok(child) => child,
        Err(failure) => {
            // Nothing ran, so another machine may run it within `at_least`. A release that fails is repeated.
            let _ = guard.release_early().await;
            return Err(failure);
        }
    };
    let ended = attend(child, &guard, signals).await;
    let released = guard.release().await;
    match (ended, released) {
        (Ok(Ended::ByItself(status)), released) => {
            if let Err(error) = released {
                let text = format!(
                    "the command has ended, but its lock was not released cleanly: {error}"
                );
                output.failure(&Failure::new(FAILED, text));
            }
            Ok(ExitCode::from(code_of(status)))
        }
        (Ok(Ended::LockLost), released) => {
            let lost = released.err().map(Failure::from);
            let lost = lost.unwrap_or_else(|| Failure::new(LOST, "the lock was lost"));
            Err(lost.and("the command was killed"))
        }
        (Err(failure), _) => Err(failure),
    }
}

enum Ended {
    ByItself(ExitStatus),
    LockLost,
}

/// Waits for the end of the command, and forwards signals to it. Kills it when the lock is lost.
async fn attend(mut child: Child, guard: &Guard, signals: &mut Signals) -> Result<Ended, Failure> {
    let mut lost = guard.lost();
    let mut report = interval(REPORT);
    report.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = &mut lost => {
                child.kill().await?;
                return Ok(Ended::LockLost);
            }
            status = child.ended() => return Ok(Ended::ByItself(status?)),
            signal = signals.next() => child.signal(signal),
            _ = report.tick() => child.is_valid_for(guard.remaining()).await,
        }
    }
}
