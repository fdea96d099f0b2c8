//! The rows of the benchmark.

mod cross;
pub(crate) mod crowd;
mod handover;
mod hung_memory;
mod hung_node;
mod kinds;
mod latency;
mod layer;
mod many;
mod memory_cycle;
mod nobody_listens;
pub(crate) mod pictured;
mod throughput;
mod wake_up;

use crate::{nodes::Stage, outcome::Outcome, report::Report};

/// What is measured together.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Latency,
    Throughput,
    HungNode,
    HungMemory,
    Handover,
    CrossProcess,
    WakeUp,
    Memory,
    MemoryCycle,
    Overload,
    Waiters,
    Burst,
    Growth,
    Kinds,
    Layer,
    NobodyListens,
    Curve,
}

impl Row {
    pub(crate) const ALL: [Self; 17] = [
        Self::Latency,
        Self::Throughput,
        Self::HungNode,
        Self::HungMemory,
        Self::Handover,
        Self::CrossProcess,
        Self::WakeUp,
        Self::Memory,
        Self::MemoryCycle,
        Self::Overload,
        Self::Waiters,
        Self::Burst,
        Self::Growth,
        Self::Kinds,
        Self::Layer,
        Self::NobodyListens,
        Self::Curve,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Latency => "latency",
            Self::Throughput => "throughput",
            Self::HungNode => "hung-node",
            Self::HungMemory => "hung-memory",
            Self::Handover => "handover",
            Self::CrossProcess => "cross-process",
            Self::WakeUp => "wake-up",
            Self::Memory => "memory",
            Self::MemoryCycle => "memory-cycle",
            Self::Overload => "overload",
            Self::Waiters => "waiters",
            Self::Burst => "burst",
            Self::Growth => "growth",
            Self::Kinds => "kinds",
            Self::Layer => "layer",
            Self::NobodyListens => "nobody-listens",
            Self::Curve => "curve",
        }
    }

    /// The goals that it tells of.
    pub(crate) fn goals(self) -> &'static [&'static str] {
        match self {
            Self::Latency => &["latency-1"],
            Self::Throughput => &[
                "throughput-512-plain",
                "throughput-512-fenced",
                "throughput-512-batched",
                "throughput-512-rslock",
                "server-512",
                "cpu-512",
                "tail-512",
            ],
            Self::HungNode => &["hung-node"],
            Self::HungMemory => &["hung-memory"],
            Self::Handover => &["handover", "handover-empty", "fairness", "commands"],
            Self::CrossProcess => &["cross-process", "cross-share", "cross-wait"],
            Self::WakeUp => &["wake-up"],
            Self::Memory => &["memory", "memory-100k-renewed"],
            Self::MemoryCycle => &["memory-cycle"],
            Self::Overload => &["overload", "overload-errors", "overload-lost"],
            Self::Waiters => &["idle-waiters", "waiter-memory"],
            Self::Burst => &["burst", "burst-errors"],
            Self::Growth => &["growth"],
            Self::Kinds => &["read-acquire", "readers-32", "permits-16"],
            Self::Layer => &[
                "layer-pass-ns",
                "layer-pass-allocations",
                "layer-guarded-us",
            ],
            Self::NobodyListens => &["nobody-listens", "nobody-listens-memory"],
            Self::Curve => &[],
        }
    }

    /// Takes minutes and has no goal, so it is measured only when it is asked for.
    pub(crate) fn is_only_by_name(self) -> bool {
        self == Self::Curve
    }

    /// README or the documentation shows its figures.
    pub(crate) fn is_in_readme(self) -> bool {
        matches!(
            self,
            Self::Latency
                | Self::Throughput
                | Self::HungNode
                | Self::Handover
                | Self::CrossProcess
                | Self::WakeUp
                | Self::Memory
                | Self::Layer
                | Self::Curve
        )
    }

    pub(crate) fn is_called(self, name: &str) -> bool {
        self.name() == name || self.goals().contains(&name)
    }

    pub(crate) async fn measure(self, stage: &Stage, report: &mut Report) -> Outcome<()> {
        match self {
            Self::Latency => latency::measure(stage, report).await,
            Self::Throughput => throughput::measure(stage, report).await,
            Self::HungNode => hung_node::measure(stage, report).await,
            Self::HungMemory => hung_memory::measure(stage, report).await,
            Self::Handover => handover::measure(stage, report).await,
            Self::CrossProcess => cross::measure(stage, report).await,
            Self::WakeUp => wake_up::measure(stage, report).await,
            Self::Memory => many::held::measure(stage, report).await,
            Self::MemoryCycle => memory_cycle::measure(stage, report).await,
            Self::Overload => crowd::overload::measure(stage, report).await,
            Self::Waiters => crowd::waiters::measure(stage, report).await,
            Self::Burst => crowd::burst::measure(stage, report).await,
            Self::Growth => many::growth::measure(stage, report).await,
            Self::Kinds => kinds::measure(stage, report).await,
            Self::Layer => layer::measure(stage, report).await,
            Self::NobodyListens => nobody_listens::measure(stage, report).await,
            Self::Curve => crowd::curve::measure(stage, report).await,
        }
    }
}
