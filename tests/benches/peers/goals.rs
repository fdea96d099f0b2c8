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

const GOALS: [Goal; 19] = [
    at_most("latency-1", 1.25),
    at_least("throughput-512-plain", 0.75),
    at_least("throughput-512-fenced", 0.8),
    at_least("throughput-512-rslock", 4.0),
    at_most("cpu-512", 0.4),
    at_most("hung-node", 1.3),
    at_most("hung-memory", 8.0),
    at_least("handover", 0.97),
    at_least("handover-empty", 100.0),
    at_most("fairness", 1.05),
    at_most("commands", 0.5),
    at_least("cross-process", 0.85),
    at_most("cross-share", 1.5),
    at_most("cross-wait", 2.5),
    at_most("wake-up", 4.0),
    at_most("memory", 600.0),
    at_most("layer-pass-ns", 150.0),
    at_most("layer-pass-allocations", 0.0),
    at_most("layer-guarded-us", 5.0),
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
