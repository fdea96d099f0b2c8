//! Failures of the program, and its exit codes.

use std::process::ExitCode;

use redlock::{Error, ErrorKind};

/// Nobody holds the lock.
pub(crate) const FREE: u8 = 1;
/// Wrong arguments or settings: the code of the parser of the command line.
pub(crate) const USAGE: u8 = 2;
// From sysexits.h: EX_UNAVAILABLE, EX_SOFTWARE, EX_IOERR, EX_TEMPFAIL.
pub(crate) const UNAVAILABLE: u8 = 69;
pub(crate) const FAILED: u8 = 70;
pub(crate) const LOST: u8 = 74;
pub(crate) const BUSY: u8 = 75;
// The convention of shells.
pub(crate) const CANNOT_START: u8 = 126;
pub(crate) const NOT_FOUND: u8 = 127;
pub(crate) const SIGNALLED: u8 = 128;

/// What went wrong, and the exit code for it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    pub(crate) text: String,
    pub(crate) error: Option<Error>,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            error: None,
        }
    }

    /// Appends `text` to the message.
    pub(crate) fn and(mut self, text: &str) -> Self {
        self.text.push_str("; ");
        self.text.push_str(text);
        self
    }

    /// Uses `busy_code` if another holds the lock.
    pub(crate) fn or_busy(mut self, busy_code: u8) -> Self {
        if self.code == BUSY {
            self.code = busy_code;
        }
        self
    }

    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Busy | ErrorKind::CoolingDown | ErrorKind::TimedOut => BUSY,
            ErrorKind::NoQuorum | ErrorKind::Expired => UNAVAILABLE,
            ErrorKind::Lost => LOST,
            _ if error.is_invalid() => USAGE,
            _ => FAILED,
        };
        Self {
            code,
            text: error.to_string(),
            error: Some(error),
        }
    }
}
