//! The name of one firing of a schedule: the same on each replica, whatever its clock says.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What names a firing: the wall-clock instant it was scheduled for, or a number or text of its own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name a firing that all replicas agree on",
    label = "not a scheduled instant",
    note = "`fire` takes the instant the schedule says: a `SystemTime` or what converts into one (of chrono, time, jiff), a `Duration` since 1970, or a number or text that names the firing",
    note = "a monotonic `Instant` means something in its own process only"
)]
pub trait Fire {
    /// The name, as it stands in the key.
    fn fire(&self) -> String;
}

impl Fire for SystemTime {
    /// Seconds since 1970, before it with a minus.
    fn fire(&self) -> String {
        match self.duration_since(UNIX_EPOCH) {
            Ok(since) => since.fire(),
            Err(before) => format!("-{}", before.duration().fire()),
        }
    }
}

impl Fire for Duration {
    /// Seconds, with a fraction only where there is one.
    fn fire(&self) -> String {
        match self.subsec_nanos() {
            0 => self.as_secs().to_string(),
            nanos => format!("{}.{nanos:09}", self.as_secs())
                .trim_end_matches('0')
                .to_owned(),
        }
    }
}

macro_rules! displayed {
    ($($name:ty),*) => {$(
        impl Fire for $name {
            fn fire(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

displayed!(
    u16, u32, u64, u128, usize, i16, i32, i64, i128, isize, str, String
);

impl<T: Fire + ?Sized> Fire for &T {
    fn fire(&self) -> String {
        (**self).fire()
    }
}

/// Anything that converts into a `SystemTime`. Found before [`FireByName`], since it needs one
/// reference less: the two cannot be one trait, as a `u64` might convert one day.
pub trait FireByTime {
    /// How the value is named.
    fn __redlock_fire(&self) -> ByTime {
        ByTime
    }
}

impl<T: Into<SystemTime>> FireByTime for T {}

/// Everything else: what is no [`Fire`] is refused with its explanation.
pub trait FireByName {
    /// How the value is named.
    fn __redlock_fire(&self) -> ByName {
        ByName
    }
}

impl<T> FireByName for &T {}

/// Names by the converted instant.
#[derive(Debug)]
pub struct ByTime;

impl ByTime {
    /// The name of this firing.
    pub fn name(self, value: impl Into<SystemTime>) -> String {
        value.into().fire()
    }
}

/// Names by the value itself.
#[derive(Debug)]
pub struct ByName;

impl ByName {
    /// The name of this firing.
    pub fn name<T: Fire>(self, value: T) -> String {
        value.fire()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_named_by_their_seconds() {
        let at = |millis| UNIX_EPOCH + Duration::from_millis(millis);
        assert_eq!(at(1_795_314_000_000).fire(), "1795314000");
        assert_eq!(at(1_795_314_000_250).fire(), "1795314000.25");
        assert_eq!(at(10_000).fire(), "10");
        assert_eq!((UNIX_EPOCH - Duration::from_secs(20)).fire(), "-20");
        assert_eq!(7_u64.fire(), "7");
        assert_eq!("night".fire(), "night");
    }
}
