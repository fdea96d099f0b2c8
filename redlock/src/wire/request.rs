//! The requests that the conformance test draws, and their commands.

use std::{sync::Arc, time::Duration};

use super::{Announce, Inbox, numbered};
use crate::command;

/// A request and its arguments. Owners are numbers here, see [`owner`](super::owner).
#[derive(Clone, Debug)]
pub enum Request {
    Acquire {
        owner: u8,
        ttl: Duration,
        token: Option<u64>,
        last: Option<u64>,
        inbox: Option<Inbox>,
    },
    /// The second step of an acquire without a token.
    Holder,
    Extend {
        owner: u8,
        ttl: Duration,
        token: Option<u64>,
    },
    Release {
        owner: u8,
        tombstone: Option<u64>,
    },
    CoolDown {
        owner: u8,
        window: Duration,
        tombstone: Option<u64>,
    },
    JoinWaitlist(Inbox),
    LeaveWaitlist {
        inbox: String,
        by: String,
    },
    ForceRelease {
        by: u8,
        from: Vec<Vec<u8>>,
    },
    Inspect,
    LookPermits {
        permits: u16,
        kept: Duration,
    },
    AcquireRead {
        owner: u8,
        ttl: Duration,
        token: u64,
        inbox: Option<Inbox>,
    },
    ExtendRead {
        owner: u8,
        ttl: Duration,
        token: u64,
    },
    ReleaseRead {
        owner: u8,
        tombstone: u64,
    },
    AcquireWrite {
        owner: u8,
        ttl: Duration,
        token: u64,
        last: u64,
        inbox: Option<Inbox>,
    },
    ExtendWrite {
        owner: u8,
        ttl: Duration,
        token: u64,
    },
    ReleaseWrite {
        owner: u8,
        tombstone: u64,
    },
    LeaveWrite {
        inbox: String,
        by: String,
    },
    Adopt {
        owner: u8,
        ttl: Duration,
        token: u64,
        from: u8,
        from_token: u64,
    },
    GiveBack {
        owner: u8,
        to: u8,
        left: Duration,
        tombstone: u64,
    },
    /// By the holder with this token, if there is one.
    ReadRegister {
        holder: Option<u64>,
        kept: Duration,
    },
    WriteRegister {
        token: u64,
        seq: u64,
        expires: u64,
        value: Option<Vec<u8>>,
        kept: Duration,
    },
    Ping,
    Trust,
    Announce(Announce),
}

impl Request {
    pub(super) fn command(&self) -> command::Command {
        match self.clone() {
            Self::Acquire {
                owner,
                ttl,
                token,
                last,
                inbox,
            } => command::Acquire {
                owner: numbered(owner),
                ttl,
                token,
                last,
                inbox: inbox.map(Inbox::command),
            }
            .into(),
            Self::Extend { owner, ttl, token } => command::Extend {
                owner: numbered(owner),
                ttl,
                token,
            }
            .into(),
            Self::Release { owner, tombstone } => command::Release {
                owner: numbered(owner),
                tombstone,
            }
            .into(),
            Self::CoolDown {
                owner,
                window,
                tombstone,
            } => command::CoolDown {
                owner: numbered(owner),
                next: numbered(owner).cool_down(),
                window,
                until: crate::env::clock::Instant::END,
                tombstone,
            }
            .into(),
            request => request.command_of_readers_and_writers(),
        }
    }

    fn command_of_readers_and_writers(self) -> command::Command {
        match self {
            Self::AcquireRead {
                owner,
                ttl,
                token,
                inbox,
            } => command::AcquireRead {
                owner: numbered(owner),
                ttl,
                token,
                inbox: inbox.map(Inbox::command),
            }
            .into(),
            Self::ExtendRead { owner, ttl, token } => command::ExtendRead {
                owner: numbered(owner),
                ttl,
                token,
            }
            .into(),
            Self::ReleaseRead { owner, tombstone } => command::ReleaseRead {
                owner: numbered(owner),
                tombstone,
            }
            .into(),
            Self::AcquireWrite {
                owner,
                ttl,
                token,
                last,
                inbox,
            } => command::AcquireWrite {
                owner: numbered(owner),
                ttl,
                token,
                last,
                inbox: inbox.map(Inbox::command),
            }
            .into(),
            Self::ExtendWrite { owner, ttl, token } => command::ExtendWrite {
                owner: numbered(owner),
                ttl,
                token,
            }
            .into(),
            Self::ReleaseWrite { owner, tombstone } => command::ReleaseWrite {
                owner: numbered(owner),
                tombstone,
            }
            .into(),
            request => request.further_command(),
        }
    }

    /// The commands of a register.
    fn register_command(self) -> command::Command {
        match self {
            Self::ReadRegister { holder, kept } => command::ReadRegister { holder, kept }.into(),
            Self::WriteRegister {
                token,
                seq,
                expires,
                value,
                kept,
            } => command::WriteRegister {
                stored: Arc::new(command::Stored {
                    version: command::Version { token, seq },
                    expires,
                    value,
                }),
                kept,
            }
            .into(),
            _ => command::Ping.into(),
        }
    }

    /// The commands that do not take, extend or end a lock.
    fn further_command(self) -> command::Command {
        match self {
            Self::JoinWaitlist(inbox) => command::JoinWaitlist {
                inbox: inbox.command(),
            }
            .into(),
            Self::LeaveWaitlist { inbox, by } => command::LeaveWaitlist {
                inbox: inbox.into(),
                by,
            }
            .into(),
            Self::LeaveWrite { inbox, by } => command::LeaveWrite {
                inbox: inbox.into(),
                by,
            }
            .into(),
            Self::ForceRelease { by, from } => command::ForceRelease {
                by: numbered(by),
                from: from.into(),
            }
            .into(),
            Self::Inspect | Self::Holder => command::Inspect.into(),
            Self::LookPermits { permits, kept } => command::LookPermits { permits, kept }.into(),
            Self::Adopt {
                owner,
                ttl,
                token,
                from,
                from_token,
            } => command::Adopt {
                owner: numbered(owner),
                ttl,
                token,
                from: numbered(from),
                from_token,
            }
            .into(),
            Self::GiveBack {
                owner,
                to,
                left,
                tombstone,
            } => command::GiveBack {
                owner: numbered(owner),
                to: numbered(to),
                left,
                until: crate::env::clock::Instant::END,
                tombstone,
            }
            .into(),
            request @ (Self::ReadRegister { .. } | Self::WriteRegister { .. }) => {
                request.register_command()
            }
            Self::Trust => command::Trust.into(),
            // An announcement is no command of a lock, and was written before. The others are those of the functions above.
            _ => command::Ping.into(),
        }
    }
}
