//! Which figures go into the plot.

use super::{cross, handover, hung_node, latency, throughput};
use crate::contender::Kind;

/// One question, with a bar for each contender.
pub(crate) struct Panel {
    pub(crate) question: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    /// The tables that have the figure.
    pub(crate) titles: &'static [&'static str],
    pub(crate) what: &'static str,
    pub(crate) kinds: &'static [Kind],
}

/// Which way is up.
#[derive(Clone, Copy)]
pub(crate) enum Better {
    Less,
    More,
}

const LOCKS: [Kind; 3] = [Kind::Fenced, Kind::RSLOCK, Kind::PEER];
const ALL: [Kind; 6] = [
    Kind::Plain,
    Kind::Fenced,
    Kind::RSLOCK,
    Kind::PEER,
    Kind::RedisPlain,
    Kind::RawPlain,
];

pub(crate) const PANELS: [Panel; 6] = [
    Panel {
        question: "Acquire, nobody else",
        unit: "p50 in µs",
        better: Better::Less,
        titles: &[latency::TITLE],
        what: latency::P50,
        kinds: &[
            Kind::Plain,
            Kind::Fenced,
            Kind::RSLOCK,
            Kind::PEER,
            Kind::RedisFenced,
            Kind::RawFenced,
        ],
    },
    Panel {
        question: "Acquire, 1 of 5 nodes hung",
        unit: "p99 in µs",
        better: Better::Less,
        titles: &[hung_node::TITLE],
        what: hung_node::HUNG_P99,
        kinds: &LOCKS,
    },
    Panel {
        question: "512 tasks, distinct keys",
        unit: "acquire and release, a second",
        better: Better::More,
        titles: &[throughput::PLAIN, throughput::FENCED],
        what: throughput::RATE,
        kinds: &ALL,
    },
    Panel {
        question: "512 tasks: CPU of the client",
        unit: "µs for each acquire and release",
        better: Better::Less,
        titles: &[throughput::PLAIN, throughput::FENCED],
        what: throughput::CPU,
        kinds: &ALL,
    },
    Panel {
        question: "32 tasks, one key, nothing done",
        unit: "acquisitions a second",
        better: Better::More,
        titles: &[handover::EMPTY],
        what: handover::RATE,
        kinds: &LOCKS,
    },
    Panel {
        question: "4 processes, one key, 1 ms body",
        unit: "wait p99 in ms",
        better: Better::Less,
        titles: &[cross::TITLE],
        what: cross::P99,
        kinds: &LOCKS,
    },
];
