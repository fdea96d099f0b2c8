//! The kinds of events in a history, and how often each occurred. A kind that never occurs is not
//! tested, so a run of many histories fails if one of them is missing.

use std::fmt;

use crate::variants::with_all;

with_all! {
    /// A kind of event: an injected fault, or a situation in which bugs were found before.
    Event {
        /// The delays of the network between a client and a node change.
        Delay,
        /// That network loses requests, replies, or both, for at most
        /// [`LONGEST_CUT`](crate::plan::LONGEST_CUT).
        Loss,
        /// A client is cut off from some nodes, for at most
        /// [`LONGEST_CUT`](crate::plan::LONGEST_CUT).
        Partition,
        /// A client is cut off from some nodes for longer than any ttl.
        LongCut,
        /// All clients but one are cut off from the same node, so that their grants rest on a bare
        /// majority.
        BareMajority,
        /// Requests are held back and delivered late, after later ones on a new connection.
        HoldBack,
        /// Connections are reset.
        Reset,
        /// Connections die without a reset (half-open).
        HalfOpen,
        /// All connections of an idle client are cut, silently or by a reset.
        IdleCut,
        /// A new process connects over a slow network: a round trip takes a large part of the node
        /// time-out.
        FarContact,
        /// The process of a client is paused.
        Freeze,
        /// All processes are paused.
        Stall,
        /// The thread that runs all clients is blocked, right after a release.
        BlockedThread,
        /// A node refuses connections and keeps its data.
        Stop,
        /// A node does not answer for a while.
        Hang,
        /// Nodes do not answer for longer than any ttl.
        LongHang,
        /// A node restarts with its data.
        Restart,
        /// A node restarts without its data.
        EmptyRestart,
        /// A node becomes a replica of another and is promoted with that node's data.
        Promotion,
        /// Nodes are out of memory.
        Full,
        /// A node is loading its data.
        Loading,
        /// A node is busy running a script.
        Busy,
        /// A node cannot save its data and refuses writes.
        FailedSave,
        /// A node loses its cached scripts.
        ScriptFlush,
        /// The process of a client is replaced by a new one that has not connected yet.
        NewClient,
        /// Two new processes have the same random state, as after a fork or from one VM snapshot.
        EqualRandom,
        /// The clock of a node runs fast, within the drift that validity allows for.
        Drift,
        /// The clock of a node steps forward, within the skew bound.
        Step,
        /// A node loses its data without a restart.
        Flush,
        /// An operator deletes a key on some nodes.
        Delete,
        /// A key contains a long string, or a value of another type.
        ForeignValue,
        /// A key contains a foreign value that expires, like a lock of another library.
        ForeignLease,
        /// A lease is handed over to the next waiter of the process.
        HandOver,
        /// A permit of a semaphore is granted while another one is held.
        Permit,
        /// A client is used in two runtimes at once.
        SharedHandle,
        /// A runtime is shut down, with all of its tasks.
        EndedRuntime,
        /// A process releases thousands of locks at once.
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

/// A table of three columns.
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
