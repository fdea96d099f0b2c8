//! What the model of batches consists of: a node, clients, commands that wait, and a call in
//! flight.

pub(crate) const LOCKS: usize = 3;
pub(crate) const CLIENTS: usize = 3;
/// Commands of a call.
pub(crate) const MAX_BATCH: usize = 3;
/// A client has at most one command that waits or is in flight, and a late one.
const QUEUE: usize = CLIENTS;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    /// The client that holds each lock, counted from 1.
    pub(crate) owner: [u8; LOCKS],
    pub(crate) fence: [u8; LOCKS],
    /// The clients that wait, one bit for each.
    pub(crate) waiting: [u8; LOCKS],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Does {
    #[default]
    Nothing,
    Asks,
    Holds,
    /// Its release is in flight.
    Leaves,
    Gone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    pub(crate) does: Does,
    pub(crate) lock: u8,
    pub(crate) token: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Command {
    pub(crate) client: u8,
    pub(crate) releases: bool,
    /// It was in a call that was refused, and goes alone.
    pub(crate) alone: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    #[default]
    Ok,
    Woke,
    Held,
    Stale,
    Error,
}

/// Up to `N` values in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct List<T, const N: usize> {
    pub(crate) values: [T; N],
    pub(crate) len: usize,
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self {
            values: [T::default(); N],
            len: 0,
        }
    }
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    pub(crate) fn push(&mut self, value: T) {
        self.values[self.len] = value;
        self.len += 1;
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        &self.values[..self.len]
    }

    pub(crate) fn of(values: &[T]) -> Self {
        let mut list = Self::default();
        values.iter().for_each(|value| list.push(*value));
        list
    }
}

pub(crate) type Call = List<Command, MAX_BATCH>;
pub(crate) type Replies = List<Reply, MAX_BATCH>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) node: Node,
    pub(crate) clients: [Client; CLIENTS],
    pub(crate) queue: List<Command, QUEUE>,
    /// Written and not answered, with the replies once it ran.
    pub(crate) call: Call,
    pub(crate) replies: Option<Replies>,
    /// On a connection that was cut: it may still run.
    pub(crate) late: Call,
    pub(crate) differs: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Ask {
        client: usize,
        lock: u8,
        token: u8,
    },
    Leave {
        client: usize,
    },
    /// So many of the commands that wait go out in one call.
    Write {
        count: usize,
    },
    /// The server refuses the call before it runs.
    Refuse,
    /// The call runs. `fails`: this command of it ends in an error before it has written anything.
    Run {
        fails: Option<usize>,
    },
    Answer,
    Cut,
    RunLate,
    DropLate,
}
