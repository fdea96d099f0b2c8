//! What is to be reached, by name.

/// On which side of the goal a value has to lie.
#[derive(Clone, Copy)]
pub(crate) enum Side {
    AtMost,
    AtLeast,
}

/// A figure that is judged.
#[derive(Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) value: f64,
}

const fn at_most(name: &'static str, value: f64) -> Goal {
    Goal {
        name,
        side: Side::AtMost,
        value,
    }
}

const fn at_least(name: &'static str, value: f64) -> Goal {
    Goal {
        name,
        side: Side::AtLeast,
        value,
    }
}

const GOALS: [Goal; 35] = [
    at_most("latency-1", 1.15),
    at_least("throughput-512-plain", 1.1),
    at_least("throughput-512-fenced", 1.5),
    at_least("throughput-512-batched", 0.75),
    at_least("throughput-512-rslock", 5.0),
    at_most("server-512", 0.6),
    at_most("cpu-512", 0.3),
    at_most("tail-512", 2.0),
    at_most("hung-node", 1.2),
    at_most("hung-memory", 6.0),
    at_least("handover", 0.98),
    at_least("handover-empty", 150.0),
    at_most("fairness", 1.02),
    at_most("commands", 0.1),
    at_least("cross-process", 0.95),
    at_most("cross-share", 1.5),
    at_most("cross-wait", 1.5),
    at_most("wake-up", 2.0),
    at_most("memory", 400.0),
    at_most("memory-100k-renewed", 0.05),
    at_least("overload", 0.8),
    at_most("overload-errors", 0.0),
    at_most("overload-lost", 0.0),
    at_most("idle-waiters", 0.03),
    at_most("waiter-memory", 1_500.0),
    at_most("burst", 1.5),
    at_most("burst-errors", 0.0),
    at_most("growth", 1.2),
    at_most("read-acquire", 1.1),
    at_least("readers-32", 20.0),
    at_least("permits-16", 0.9),
    at_most("layer-pass-ns", 80.0),
    at_most("layer-pass-allocations", 0.0),
    at_most("layer-guarded-us", 1.2),
    at_most("nobody-listens", 1.01),
];

/// The goal of this name, if there is one.
pub(crate) fn goal(name: &str) -> Option<Goal> {
    GOALS.into_iter().find(|goal| goal.name == name)
}

impl Goal {
    pub(crate) fn is_met(self, value: f64) -> bool {
        match self.side {
            Side::AtMost => value <= self.value,
            Side::AtLeast => value >= self.value,
        }
    }

    pub(crate) fn side_name(self) -> &'static str {
        match self.side {
            Side::AtMost => "at-most",
            Side::AtLeast => "at-least",
        }
    }
}
