//! What runs under a lock: nothing, or a wait of an exact length.
//!
//! Tokio's own timers end on whole milliseconds, so that a sleep of 1 ms takes up to two, and hides what a lock costs.
//! A timer of the kernel ends within some microseconds, and takes no CPU meanwhile.

use std::time::Duration;

use crate::outcome::Outcome;

/// The critical section of a task.
pub(crate) enum Body {
    Empty,
    Lasting(Timer, Duration),
}

impl Body {
    /// Lasts for `time`; of no length: empty.
    pub(crate) fn of(time: Duration) -> Outcome<Self> {
        if time.is_zero() {
            Ok(Self::Empty)
        } else {
            Ok(Self::Lasting(Timer::new()?, time))
        }
    }

    pub(crate) async fn run(&self) -> Outcome<()> {
        match self {
            Self::Empty => Ok(()),
            Self::Lasting(timer, time) => timer.wait(*time).await,
        }
    }
}

pub(crate) use timer::Timer;

#[cfg(target_os = "linux")]
mod timer {
    use std::{io::ErrorKind, time::Duration};

    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::net::unix::pipe::Receiver;

    use crate::outcome::Outcome;

    /// A timer of the kernel: a file that is read as a pipe is, when the time has come.
    pub(crate) struct Timer(Receiver);

    impl Timer {
        pub(crate) fn new() -> Outcome<Self> {
            let timer = timerfd_create(
                TimerfdClockId::Monotonic,
                TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
            )?;
            Ok(Self(Receiver::from_owned_fd_unchecked(timer)?))
        }

        pub(crate) async fn wait(&self, time: Duration) -> Outcome<()> {
            let spec = Itimerspec {
                it_interval: Timespec::default(),
                it_value: Timespec {
                    tv_sec: time.as_secs().try_into()?,
                    tv_nsec: time.subsec_nanos().into(),
                },
            };
            timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &spec)?;
            loop {
                self.0.readable().await?;
                match self.0.try_read(&mut [0; 8]) {
                    Ok(_) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod timer {
    use std::time::Duration;

    use crate::outcome::Outcome;

    /// Elsewhere the bodies are coarse, and the figures of contended rows only indicative.
    pub(crate) struct Timer;

    impl Timer {
        pub(crate) fn new() -> Outcome<Self> {
            Ok(Self)
        }

        pub(crate) async fn wait(&self, time: Duration) -> Outcome<()> {
            tokio::time::sleep(time).await;
            Ok(())
        }
    }
}
