//! Scripts of faults: what happens to which node, and when.

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    env::random::Random,
    memory::{Node, Nodes},
};

/// The shortest fault of a script from a seed. The longest is 2^10 times as long.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest script from a seed. It has a fault every few seconds.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// How many times the length of a fault may double.
const DOUBLINGS: u64 = 11;

/// A fault of one node in memory, or of the network between it and the clients of one handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Refuses connections, like a stopped server: [`Node::stop`].
    Stop,
    /// Accepts requests and answers nothing: [`Node::hang`].
    Hang,
    /// A new process with its data: [`Node::restart`].
    Restart,
    /// A new process without data: [`Node::restart_empty`].
    RestartEmpty,
    /// Forgets all keys, like `FLUSHALL`: [`Node::flush`].
    Flush,
    /// Accepts no new locks, like a server beyond its `maxmemory`: [`Node::fill`].
    Fill,
    /// The network loses requests and replies.
    Cut,
    /// The network loses replies; requests are carried out: [`Node::lose_replies`].
    LoseReplies,
    /// The network delays requests and replies by this time each.
    Delay(Duration),
    /// The clock of the node moves forward, so that keys expire early: [`Node::shift_clock`].
    ShiftClock(Duration),
    /// Ends all faults of the node and of the network to it: [`Nodes::heal`] for one node.
    Heal,
}

impl Fault {
    fn strike(self, node: &Node) {
        match self {
            Self::Stop => node.stop(),
            Self::Hang => node.hang(),
            Self::Restart => node.restart(),
            Self::RestartEmpty => node.restart_empty(),
            Self::Flush => node.flush(),
            Self::Fill => node.fill(true),
            Self::Cut => {
                node.lose_requests(true);
                node.lose_replies(true);
            }
            Self::LoseReplies => node.lose_replies(true),
            Self::Delay(by) => {
                node.delay(by);
                node.delay_replies(by);
            }
            Self::ShiftClock(by) => node.shift_clock(by),
            Self::Heal => {
                node.heal_network();
                node.heal_server();
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stop => f.write_str("stops"),
            Self::Hang => f.write_str("hangs"),
            Self::Restart => f.write_str("restarts with its data"),
            Self::RestartEmpty => f.write_str("restarts empty"),
            Self::Flush => f.write_str("forgets its keys"),
            Self::Fill => f.write_str("is full"),
            Self::Cut => f.write_str("is cut off"),
            Self::LoseReplies => f.write_str("loses its replies"),
            Self::Delay(by) => write!(f, "is {by:?} away"),
            Self::ShiftClock(by) => write!(f, "has its clock moved forward by {by:?}"),
            Self::Heal => f.write_str("works again"),
        }
    }
}

/// A list of faults, each at a time and of a node. [`run`](Self::run) makes them.
///
/// # Examples
/// Everybody can lock again after an outage of all nodes:
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redlock::Error> {
/// use redlock::{
///     Redlock,
///     memory::Nodes,
///     testing::{Fault, FaultScript},
/// };
/// use std::time::Duration;
///
/// let nodes = Nodes::new(3);
/// let redlock = Redlock::connect(nodes.nodes()).await?;
/// let mut outage = FaultScript::new();
/// for node in 0..3 {
///     outage = outage.at(Duration::ZERO, node, Fault::Stop);
///     outage = outage.at(Duration::from_secs(5), node, Fault::Heal);
/// }
/// let waiting = redlock.lock("invoice:42").wait(Duration::from_secs(20));
/// let (lock, ()) = tokio::join!(waiting, outage.run(&nodes));
/// lock?.release().await
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScript {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    at: Duration,
    node: usize,
    fault: Fault,
}

impl FaultScript {
    /// A script without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a fault of node `node`, counted from 0, at a time since the script runs. Faults of the same time are made in the
    /// order in which they were added.
    #[must_use]
    pub fn at(mut self, time: Duration, node: usize, fault: Fault) -> Self {
        let after = self.steps.partition_point(|step| step.at <= time);
        let step = Step {
            at: time,
            node,
            fault,
        };
        self.steps.insert(after, step);
        self
    }

    /// A script that follows from `seed`: for `length`, one of `nodes` nodes after the other stops, hangs, is cut off, loses its
    /// replies or is slow, for 10 ms to 10 s, and is healed. At most one node fails at a time.
    ///
    /// # Panics
    /// If `nodes` is 0, or `length` is more than a year.
    #[must_use]
    pub fn seeded(seed: u64, nodes: usize, length: Duration) -> Self {
        assert!(nodes > 0, "a script of faults needs a node that can fail");
        assert!(
            length <= LONGEST,
            "a script of faults lasts at most {} days, and this one {length:?}: use a shorter one",
            LONGEST.as_secs() / 86_400
        );
        let random = Random::seeded(seed);
        let below = |end: u64| random.draw::<u64>() % end;
        let some_time = || SHORTEST * (1 << below(DOUBLINGS));
        let mut script = Self::new();
        let mut now = some_time();
        while now < length {
            let node = usize::try_from(below(nodes as u64)).unwrap_or_default();
            let fault = match below(5) {
                0 => Fault::Stop,
                1 => Fault::Hang,
                2 => Fault::Cut,
                3 => Fault::LoseReplies,
                _ => Fault::Delay(SHORTEST * (1 + u32::try_from(below(10)).unwrap_or_default())),
            };
            let healed = (now + some_time()).min(length);
            script = script.at(now, node, fault).at(healed, node, Fault::Heal);
            now = healed + some_time();
        }
        script
    }

    /// Makes the faults at their times, counted from the first poll of the future in tokio's time, and ends after the last one.
    /// Faults of the network affect the clients of this handle only, see [`Nodes::apart`].
    ///
    /// What is not healed stays: [`Nodes::heal`] ends it.
    ///
    /// # Panics
    /// If the script names a node that there is not, before it makes the first fault.
    ///
    /// # Cancel safety
    /// Dropping the future makes no further faults. Those that were made stay.
    pub async fn run(&self, nodes: &Nodes) {
        let (nodes, start) = (nodes.nodes(), Instant::now());
        let last = self.steps.iter().map(|step| step.node).max();
        if let Some(last) = last {
            assert!(
                last < nodes.len(),
                "the script names node {last}, and there are {} nodes, counted from 0",
                nodes.len()
            );
        }
        for step in &self.steps {
            sleep(step.at.saturating_sub(start.elapsed())).await;
            step.fault.strike(&nodes[step.node]);
        }
    }
}

/// A line for each fault.
impl fmt::Display for FaultScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { at, node, fault } in &self.steps {
            writeln!(f, "{:>10.3} s  node {node} {fault}", at.as_secs_f64())?;
        }
        Ok(())
    }
}
