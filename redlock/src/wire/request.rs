//! The requests that the conformance test draws, and their commands.

use std::{sync::Arc, time::Duration};

use super::{Announce, Inbox, numbered};
use crate::command;

/// A side of a read/write lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Read,
    Write,
}

impl Side {
    fn command(self) -> command::Side {
        match self {
            Self::Read => command::Side::Read,
            Self::Write => command::Side::Write,
        }
    }
}

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
        last: Option<u64>,
    },
    Release {
        owner: u8,
        tombstone: Option<u64>,
    },
    /// `of_writer`: of the writer of a read/write lock.
    CoolDown {
        owner: u8,
        window: Duration,
        tombstone: Option<u64>,
        of_writer: bool,
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
    Preempt {
        since: u64,
        inbox: String,
    },
    InspectPermits {
        permits: u16,
    },
    AcquireSide {
        side: Side,
        owner: u8,
        ttl: Duration,
        token: u64,
        /// A reader reserves one token, whatever this is.
        last: u64,
        inbox: Option<Inbox>,
    },
    ExtendSide {
        side: Side,
        owner: u8,
        ttl: Duration,
        token: u64,
        last: u64,
    },
    ReleaseSide {
        side: Side,
        owner: u8,
        tombstone: u64,
    },
    LeaveWrite {
        inbox: Inbox,
        by: String,
    },
    InspectSides,
    ForceReleaseSides {
        by: u8,
        write_tombstone: Option<u64>,
        read_tombstone: Option<u64>,
        from: Vec<Vec<u8>>,
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
    Probe {
        fencing: bool,
    },
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
            Self::Extend {
                owner,
                ttl,
                token,
                last,
            } => command::Extend {
                owner: numbered(owner),
                ttl,
                token,
                last,
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
                of_writer,
            } => command::CoolDown {
                owner: numbered(owner),
                next: numbered(owner).cool_down(),
                window,
                until: crate::env::clock::Instant::END,
                of_writer,
                is_rest: false,
                tombstone,
            }
            .into(),
            request => request.command_of_a_side(),
        }
    }

    fn command_of_a_side(self) -> command::Command {
        match self {
            Self::AcquireSide {
                side,
                owner,
                ttl,
                token,
                last,
                inbox,
            } => command::AcquireSide {
                side: side.command(),
                owner: numbered(owner),
                ttl,
                token,
                last,
                inbox: inbox.map(Inbox::command),
            }
            .into(),
            Self::ExtendSide {
                side,
                owner,
                ttl,
                token,
                last,
            } => command::ExtendSide {
                side: side.command(),
                owner: numbered(owner),
                ttl,
                token,
                last,
            }
            .into(),
            Self::ReleaseSide {
                side,
                owner,
                tombstone,
            } => command::ReleaseSide {
                side: side.command(),
                owner: numbered(owner),
                tombstone,
            }
            .into(),
            request => request.further_command(),
        }
    }

    /// The commands that look at locks and take them away.
    fn command_of_operators(self) -> command::Command {
        match self {
            Self::ForceRelease { by, from } => command::ForceRelease {
                by: numbered(by),
                from: from.into(),
            }
            .into(),
            Self::ForceReleaseSides {
                by,
                write_tombstone,
                read_tombstone,
                from,
            } => command::ForceReleaseSides {
                by: numbered(by),
                write_tombstone,
                read_tombstone,
                from: from.into(),
            }
            .into(),
            Self::Inspect | Self::Holder => command::Inspect.into(),
            Self::InspectPermits { permits } => command::InspectPermits { permits }.into(),
            Self::InspectSides => command::InspectSides.into(),
            Self::Probe { fencing } => command::Probe { fencing }.into(),
            Self::Trust => command::Trust.into(),
            // An announcement is no command of a lock, and was written before. The others are those of the functions above.
            _ => command::Ping.into(),
        }
    }

    /// The commands of a register, and of the newest request.
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
            Self::Preempt { since, inbox } => command::Preempt {
                since,
                inbox: inbox.into(),
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
                inbox: inbox.command(),
                by,
            }
            .into(),
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
            request @ (Self::ReadRegister { .. }
            | Self::WriteRegister { .. }
            | Self::Preempt { .. }) => request.register_command(),
            request => request.command_of_operators(),
        }
    }
}
