//! The steps of a sequence.

use std::fmt;

use redlock::__wire::{self, Form, Request, Settings};

use crate::resp;

/// The locks of a sequence.
pub(crate) const LOCKS: [&str; 3] = ["a", "{b}:1", "c"];
/// The connections of a sequence. The last one speaks version 2 of the protocol.
pub(crate) const CONNECTIONS: usize = 3;
pub(crate) const PLAIN: usize = CONNECTIONS - 1;

/// One step, run on both sides at the same time of their clocks.
#[derive(Clone)]
pub(crate) enum Step {
    /// Requests about a lock, written together.
    Send {
        connection: usize,
        lock: &'static str,
        requests: Vec<Request>,
        form: Form,
        settings: Settings,
    },
    /// Requests about different locks, in one call.
    Batch {
        connection: usize,
        requests: Vec<(&'static str, Request)>,
        form: Form,
        settings: Settings,
    },
    /// A command of an application, or of a test.
    Command {
        connection: usize,
        words: Vec<Vec<u8>>,
    },
    Subscribe {
        connection: usize,
        channel: String,
    },
    /// Puts a value that is neither a string nor a sorted set under a key, as an application does.
    SetOther {
        key: String,
        other: Other,
    },
    /// Closes a connection and makes a new one.
    Reconnect(usize),
    Switch(Switch, bool),
    /// Lets that many milliseconds pass.
    Wait(u64),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Other {
    Hash,
    List,
    Set,
}

/// The states that a server can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    Full,
    CannotSave,
    Replica,
}

impl Step {
    /// The bytes of a step that writes to a connection, that connection, and how many replies follow.
    pub(crate) fn bytes(&self, form: Form) -> Option<(usize, Vec<u8>, usize)> {
        match self {
            Self::Send {
                connection,
                lock,
                requests,
                settings,
                ..
            } => {
                let requests_len = requests.len();
                let requests = requests.iter();
                let bytes =
                    requests.flat_map(|request| __wire::encode(lock, request, form, settings));
                Some((*connection, bytes.collect(), requests_len))
            }
            Self::Batch {
                connection,
                requests,
                settings,
                ..
            } => {
                let bytes = __wire::encode_batch(requests, form, settings);
                Some((*connection, bytes, 1))
            }
            Self::Command { connection, words } => Some((*connection, resp::request(words), 1)),
            Self::Subscribe {
                connection,
                channel,
            } => {
                let bytes = resp::request(&["SUBSCRIBE", channel]);
                Some((*connection, bytes, 0))
            }
            Self::SetOther { .. } | Self::Reconnect(_) | Self::Switch(..) | Self::Wait(_) => None,
        }
    }

    /// The form of its scripts.
    pub(crate) fn form(&self) -> Form {
        match self {
            Self::Send { form, .. } | Self::Batch { form, .. } => *form,
            _ => Form::Hash,
        }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send {
                connection,
                lock,
                requests,
                form,
                settings,
            } => {
                write!(f, "{connection}: {lock} {form:?} ")?;
                match requests.as_slice() {
                    [one] => write!(f, "{one:?}")?,
                    [first, .., last] => {
                        write!(f, "{} requests, {first:?} to {last:?}", requests.len())?;
                    }
                    [] => {}
                }
                show(settings, f)
            }
            Self::Batch {
                connection,
                requests,
                form,
                settings,
            } => {
                write!(f, "{connection}: in one call {form:?} {requests:?}")?;
                show(settings, f)
            }
            Self::Command { connection, words } => {
                write!(f, "{connection}:")?;
                for word in words {
                    write!(f, " {}", resp::shown(word))?;
                }
                Ok(())
            }
            Self::Subscribe {
                connection,
                channel,
            } => write!(f, "{connection}: subscribe to {channel}"),
            Self::SetOther { key, other } => write!(f, "a {other:?} under {key}"),
            Self::Reconnect(connection) => write!(f, "{connection}: reconnect"),
            Self::Switch(switch, on) => write!(f, "{switch:?}: {on}"),
            Self::Wait(ms) => write!(f, "wait {ms} ms"),
        }
    }
}

fn show(settings: &Settings, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, ", retention {:?}", settings.retention)?;
    match &settings.marker {
        Some(marker) => write!(f, ", marker {marker:?}"),
        None => Ok(()),
    }
}
