//! The name of one firing of a schedule: the same on each replica, whatever its clock says.
//!
//! An instant is named by its seconds since 1970, in whatever type and time zone it comes; anything else by what it
//! displays. Which of the two applies is found by method resolution, which tries the `impl` with the most references
//! first: no trait can tell `Into<SystemTime>` from `Display`, and the instants of chrono and time are both.

use std::fmt::{self, Display, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What `fire` was given, borrowed.
#[derive(Debug)]
pub struct Firing<'a, T: ?Sized>(pub &'a T);

/// The value converts into a `SystemTime`.
pub trait FiringTime {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name;
}

impl<T: Clone + Into<SystemTime>> FiringTime for &&&&Firing<'_, T> {
    fn __redlock_firing(&self) -> Name {
        instant(self.0.clone().into())
    }
}

/// The value is a reference to what converts into a `SystemTime`.
pub trait FiringTimeRef {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name;
}

impl<T: Clone + Into<SystemTime>> FiringTimeRef for &&&Firing<'_, &T> {
    fn __redlock_firing(&self) -> Name {
        instant((*self.0).clone().into())
    }
}

/// The value is a `Duration` since 1970.
pub trait FiringSince {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name;
}

impl FiringSince for &&Firing<'_, Duration> {
    fn __redlock_firing(&self) -> Name {
        since(*self.0)
    }
}

/// The value is a reference to a `Duration` since 1970.
pub trait FiringSinceRef {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name;
}

impl FiringSinceRef for &Firing<'_, &Duration> {
    fn __redlock_firing(&self) -> Name {
        since(**self.0)
    }
}

/// Everything else.
pub trait FiringText<T: ?Sized> {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name
    where
        T: Fire;
}

impl<T: ?Sized> FiringText<T> for Firing<'_, T> {
    fn __redlock_firing(&self) -> Name
    where
        T: Fire,
    {
        self.0.fire()
    }
}

/// Everything else, where `catch_up` needs an instant: it does not compile.
pub trait FiringUndated<T: ?Sized> {
    /// The name of the firing.
    fn __redlock_firing(&self) -> Name
    where
        T: Undated;
}

impl<T: ?Sized> FiringUndated<T> for Firing<'_, T> {
    fn __redlock_firing(&self) -> Name
    where
        T: Undated,
    {
        self.0.name()
    }
}

/// Implemented by nothing.
#[diagnostic::on_unimplemented(
    message = "`catch_up` cannot see how old a firing is that is named by `{Self}`",
    label = "not an instant",
    note = "with `catch_up`, `fire` takes the scheduled instant: a `SystemTime` or a type that converts into one (of chrono, time, jiff), or a `Duration` since 1970"
)]
pub trait Undated {
    /// The name of the firing.
    fn name(&self) -> Name;
}

/// What names a firing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a firing in the same way on all replicas",
    label = "not a scheduled instant",
    note = "`fire` takes the scheduled instant: a `SystemTime` or a type that converts into one (of chrono, time, jiff), a `Duration` since 1970, or anything that implements `Display`, such as a number or a text that names the firing",
    note = "a monotonic `Instant` has no meaning in another process"
)]
pub trait Fire {
    /// The name that becomes part of the key.
    fn fire(&self) -> Name;
}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> Fire for T {
    fn fire(&self) -> Name {
        Name::new(self)
    }
}

/// The name of a firing, or that its `Display` failed.
#[derive(Debug)]
pub struct Name {
    text: Result<String, fmt::Error>,
    /// The scheduled instant, if the value is one.
    at: Option<SystemTime>,
}

impl Name {
    fn new(value: impl Display) -> Self {
        let mut text = String::new();
        Self {
            text: write!(text, "{value}").map(|()| text),
            at: None,
        }
    }

    fn at(self, at: SystemTime) -> Self {
        Self {
            at: Some(at),
            ..self
        }
    }

    pub(super) fn instant(&self) -> Option<SystemTime> {
        self.at
    }

    pub(super) fn into_text(self) -> Result<String, fmt::Error> {
        self.text
    }
}

fn since(epoch: Duration) -> Name {
    let at = UNIX_EPOCH.checked_add(epoch).unwrap_or(UNIX_EPOCH);
    Name::new(Seconds(epoch)).at(at)
}

/// Seconds since 1970, before it with a minus.
fn instant(at: SystemTime) -> Name {
    let name = match at.duration_since(UNIX_EPOCH) {
        Ok(since) => Name::new(Seconds(since)),
        Err(before) => Name::new(format_args!("-{}", Seconds(before.duration()))),
    };
    name.at(at)
}

/// Seconds, with a fraction only where there is one.
struct Seconds(Duration);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match self.0.subsec_nanos() {
            0 => write!(f, "{seconds}"),
            nanos => {
                let fraction = format!("{nanos:09}");
                write!(f, "{seconds}.{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]
mod tests {
    use super::*;

    #[test]
    fn instants_are_named_by_their_seconds() {
        let named = |at| instant(at).into_text().unwrap();
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(named(at(1_795_314_000_000)), "1795314000");
        assert_eq!(named(at(1_795_314_000_250)), "1795314000.25");
        assert_eq!(named(at(10_000)), "10");
        assert_eq!(named(UNIX_EPOCH - Duration::from_secs(20)), "-20");
    }
}
