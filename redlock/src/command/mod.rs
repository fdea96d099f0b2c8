//! The commands that a node understands. Each has a file with its arguments, its encoding, its decoding and its
//! [`Facts`], and beside it the Lua script that it runs.
//!
//! To add a command, write its file, implement [`NodeCommand`] and add it to [`commands!`] below. To add a script, put it
//! beside its command and add it to [`script::Script`]. ARCHITECTURE.md has all steps.

mod admin;
mod batch;
mod decode;
mod encode;
mod lock;
mod node;
mod owner;
mod permits;
mod register;
mod reply;
mod request;
mod rw;
mod script;
mod ticket;
mod waitlist;

use std::time::Duration;

pub(crate) use self::{
    admin::{ForceRelease, Inspect, Trust},
    batch::{BatchReply, MAX_COMMANDS as MAX_BATCH, decode_batch, encode_batch},
    decode::Answer,
    encode::{Marker, Session},
    lock::{Acquire, CoolDown, Extend, Preempt, Release, newer_request},
    node::{Announcement, NodeRecord, OtherList, Ping, Probe},
    owner::{KeptOwner, Owner, fingerprint},
    permits::{InspectPermits, LookPermits},
    register::{ReadRegister, RegisterAnswer, RegisterReply, Stored, Version, WriteRegister},
    reply::{HolderState, HoldersState, PermitState, Reply},
    request::{Request, decode, encode, with_versions},
    rw::{AcquireSide, ExtendSide, ForceReleaseSides, InspectSides, LeaveWrite, ReleaseSide, Side},
    script::{Form, Script, Step},
    ticket::{Adopt, GiveBack},
    waitlist::{Inbox, JoinWaitlist, LeaveWaitlist, SECOND, decode_notification},
};
use crate::{env::clock::Instant, key::Key, resp::Value};
use batch::Part;
use encode::Encoder;

/// Fences and tokens are below this. Lua numbers are doubles: from 2^53 on, neighbours become
/// equal. The distance to it is room for one fence that is far ahead.
pub(crate) const TOKEN_LIMIT: u64 = (1 << 53) - (1 << 40);

/// The properties of a command, whatever its arguments are.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The server commands that its user needs permission for, for the error of a user without it.
    pub(crate) rights: &'static str,
    /// A yes does not count while the node may have forgotten locks.
    pub(crate) needs_trust: bool,
    pub(crate) delivery: Delivery,
    pub(crate) purpose: Purpose,
    pub(crate) scope: Scope,
}

/// Until when a command is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// While somebody waits for the reply.
    WhileWanted,
    /// Until the node has carried it out, however late: what an acquire or an extension wrote, or
    /// may still write when a silent node processes its buffers, must not stay.
    UntilDone,
}

/// What a command does to a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Begins,
    Renews,
    Ends,
    Other,
}

/// Which servers of a node a command goes to, if the node has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// The one that has the key.
    Key,
    /// All of them.
    Node,
}

/// The implementation of a command.
trait NodeCommand {
    fn facts(&self) -> &'static Facts;

    /// Writes its arguments.
    fn encode(&self, key: &Key, out: &mut Encoder<'_, '_>);

    /// Decodes the reply to `step`, which is not an error.
    fn decode(&self, step: Step, reply: &Value) -> Answer;

    /// How it goes into a batch. `None`: it is always sent alone.
    fn part(&self) -> Option<Part> {
        None
    }

    /// Writes its arguments in a batch.
    fn encode_part(&self, _out: &mut Encoder<'_, '_>) {}

    /// The command to send instead when this one is still undelivered at `now`. `None`: the same one.
    fn deferred(&self, _now: Instant) -> Option<Command> {
        None
    }

    /// Whether the node carried it out so late that what it wrote lasts too long, if its reply arrives at `now`. The
    /// [deferred](Self::deferred) form is sent then.
    fn began_late(&self, _now: Instant, _allowed: Duration) -> bool {
        false
    }

    /// The command to send first when this one is sent a second time because its reply was lost. `None`: sending it twice
    /// does no harm.
    fn rollback(&self) -> Option<Command> {
        None
    }

    /// The ttl of the lock that waits for the reply.
    fn ttl(&self) -> Option<Duration> {
        None
    }
}

macro_rules! commands {
    ($($name:ident,)*) => {
        /// A command to a node.
        #[derive(Clone, Debug)]
        pub(crate) enum Command {
            $($name($name),)*
        }

        /// A command without its arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum CommandKind {
            $($name,)*
        }

        impl CommandKind {
            /// How many there are.
            pub(crate) const COUNT: usize = [$(Self::$name),*].len();
        }

        impl Command {
            fn parts(&self) -> &dyn NodeCommand {
                match self {
                    $(Self::$name(command) => command,)*
                }
            }

            pub(crate) fn kind(&self) -> CommandKind {
                match self {
                    $(Self::$name(_) => CommandKind::$name,)*
                }
            }
        }

        $(
            impl From<$name> for Command {
                fn from(command: $name) -> Self {
                    Self::$name(command)
                }
            }
        )*
    };
}

commands! {
    Acquire,
    Extend,
    Release,
    CoolDown,
    JoinWaitlist,
    LeaveWaitlist,
    LookPermits,
    InspectPermits,
    AcquireSide,
    ExtendSide,
    ReleaseSide,
    Preempt,
    LeaveWrite,
    ForceReleaseSides,
    InspectSides,
    Adopt,
    GiveBack,
    ReadRegister,
    WriteRegister,
    ForceRelease,
    Inspect,
    Ping,
    Probe,
    Trust,
}

impl Command {
    pub(crate) fn facts(&self) -> &'static Facts {
        self.parts().facts()
    }

    pub(crate) fn needs_trust(&self) -> bool {
        self.facts().needs_trust
    }

    /// Whether it is delivered [`UntilDone`](Delivery::UntilDone).
    pub(crate) fn must_arrive(&self) -> bool {
        self.facts().delivery == Delivery::UntilDone
    }

    pub(crate) fn begins_a_hold(&self) -> bool {
        self.facts().purpose == Purpose::Begins
    }

    pub(crate) fn ends_a_hold(&self) -> bool {
        self.facts().purpose == Purpose::Ends
    }

    /// Whether a node with a full backlog refuses it. Renewals and ends of locks are never refused:
    /// there are no more of them than locks that were granted.
    pub(crate) fn is_new_work(&self) -> bool {
        !self.must_arrive() && self.facts().purpose != Purpose::Renews
    }

    /// Whether it may go out in one call with commands for other locks.
    pub(crate) fn is_batchable(&self) -> bool {
        self.parts().part().is_some()
    }

    /// See [`NodeCommand::deferred`].
    pub(crate) fn deferred(&self, now: Instant) -> Option<Self> {
        self.parts().deferred(now)
    }

    /// See [`NodeCommand::began_late`].
    pub(crate) fn began_late(&self, now: Instant, allowed: Duration) -> bool {
        self.parts().began_late(now, allowed)
    }

    /// See [`NodeCommand::rollback`].
    pub(crate) fn rollback(&self) -> Option<Self> {
        self.parts().rollback()
    }

    /// See [`NodeCommand::ttl`].
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.parts().ttl()
    }
}
