//! What can happen in a history, and how often it did. A kind of event that never happens proves
//! nothing, so a run of many histories fails if one of them has not occurred.

use std::fmt;

use crate::variants::with_all;

with_all! {
    /// A kind of event: a fault, or a situation in which faults were found before.
    Event {
        /// The network between a client and a node gets other delays.
        Delay,
        /// It loses requests, replies, or both, for at most [`LONGEST_CUT`](crate::plan::LONGEST_CUT).
        Loss,
        /// A client is cut off from some nodes for as long.
        Partition,
        /// The same for longer than any ttl.
        LongCut,
        /// What is sent is held back, overtaken over a new connection, and delivered late.
        HoldBack,
        /// Connections are reset.
        Reset,
        /// Connections die unnoticed.
        HalfOpen,
        /// All connections of a client are cut while it does nothing, silently or by a reset.
        IdleCut,
        /// A new process meets nodes that are far away: a round trip takes a good part of a node time-out.
        FarContact,
        /// A client's process stands still.
        Freeze,
        /// All processes stand still.
        Stall,
        /// The thread of all clients is blocked, right behind a release.
        BlockedThread,
        /// A node refuses connections, and keeps its data.
        Stop,
        /// A node answers nothing for a while.
        Hang,
        /// Nodes answer nothing for longer than any ttl.
        LongHang,
        /// A node is a new process, with its data.
        Restart,
        /// A node forgets and is a new process.
        EmptyRestart,
        /// A node becomes a replica of another and is promoted, so it has the data of that one.
        Promotion,
        /// Nodes have no memory left.
        Full,
        /// A node loads its data.
        Loading,
        /// A node is busy in a script.
        Busy,
        /// A node cannot save its data, and refuses writes.
        FailedSave,
        /// A node forgets the scripts.
        ScriptFlush,
        /// A client's process is replaced by a new one that has met no node yet.
        NewClient,
        /// Two new processes draw the same random numbers, as after a fork or from one snapshot.
        EqualRandom,
        /// A node's clock runs fast, within what validity allows for.
        Drift,
        /// A node's clock steps forward, within the skew bound.
        Step,
        /// A node forgets, and is the same process as before.
        Flush,
        /// An operator deletes a key on some nodes.
        Delete,
        /// A long string, or a value of another type, stands under a key.
        ForeignValue,
        /// A value of others stands under a key like a lock of theirs: it expires.
        ForeignLease,
        /// A lease is handed over to the next waiter of the process.
        HandOver,
        /// A permit of a semaphore is granted while another one is held.
        Permit,
        /// A client is used in two runtimes at once.
        SharedHandle,
        /// A runtime ends, with all that runs in it.
        EndedRuntime,
        /// A process lets go of thousands of locks at once.
        ManyReleases,
    }
}

/// How often each event occurred.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts([u64; Event::ALL.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; Event::ALL.len()])
    }
}

impl Counts {
    pub(crate) fn add(&mut self, event: Event) {
        self.0[event as usize] += 1;
    }

    pub(crate) fn of(&self, event: Event) -> u64 {
        self.0[event as usize]
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }

    /// The events that never occurred.
    pub(crate) fn missing(&self) -> Vec<Event> {
        let never = |event: &Event| self.of(*event) == 0;
        Event::ALL.iter().copied().filter(never).collect()
    }
}

/// Three columns.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in Event::ALL.chunks(3) {
            for event in row {
                write!(f, "  {:<14} {:>9}", format!("{event:?}"), self.of(*event))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
