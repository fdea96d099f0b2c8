//! The kinds of faults from which a plan is drawn.

use std::collections::VecDeque;

use redlock::RestartGuard;

use super::super::fault::NetworkKind;
use crate::args::{Control, Settings};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    PauseHolder,
    PauseAny,
    KillAny,
    KillHolder,
    /// The next kind of data loss.
    DataLoss,
    HangOne,
    HangTwo,
    HangMajority,
    Proxy(ProxyKind),
    /// Proxies between half of the clients and some of the nodes.
    ProxyPartition,
    Network(NetworkKind),
    FlushScripts,
}

/// How nodes lose their data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum DataLoss {
    RestartOne,
    RestartMajority,
    RestartAll,
    FlushOne,
    FlushAll,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ProxyKind {
    Delay,
    LoseReplies,
    LoseRequests,
    Hold,
    Reset,
    Refuse,
    LateAfterReset,
}

pub(super) const PROXY: [ProxyKind; 7] = [
    ProxyKind::Delay,
    ProxyKind::LoseReplies,
    ProxyKind::LoseRequests,
    ProxyKind::Hold,
    ProxyKind::Reset,
    ProxyKind::Refuse,
    ProxyKind::LateAfterReset,
];

pub(super) const NETWORK: [NetworkKind; 6] = [
    NetworkKind::Loss,
    NetworkKind::Delay,
    NetworkKind::CutRequests,
    NetworkKind::CutReplies,
    NetworkKind::Partition,
    NetworkKind::PartitionHolder,
];

/// The kinds that come first, however short the run: those without which the invariants prove
/// little.
pub(super) fn first(settings: &Settings, networked: usize) -> Vec<Kind> {
    match settings.control {
        Some(_) => Vec::new(),
        None if networked == 0 => vec![Kind::PauseHolder, Kind::DataLoss],
        None => vec![
            Kind::PauseHolder,
            Kind::DataLoss,
            Kind::Network(NetworkKind::PartitionHolder),
        ],
    }
}

/// All kinds of a run.
pub(super) fn all(settings: &Settings, networked: usize) -> Vec<Kind> {
    use Kind::*;
    match settings.control {
        Some(Control::NoGuard) => return vec![DataLoss],
        Some(Control::IgnoredLoss) => return vec![Network(NetworkKind::PartitionHolder)],
        None => {}
    }
    let mut kinds = vec![
        PauseHolder,
        PauseAny,
        KillAny,
        KillHolder,
        DataLoss,
        HangOne,
        HangTwo,
        HangMajority,
        ProxyPartition,
        FlushScripts,
    ];
    kinds.extend(PROXY.map(Proxy));
    if networked > 0 {
        kinds.extend(NETWORK.map(Network));
    }
    kinds
}

/// The repeated order of the kinds of data loss.
pub(super) fn data_losses(settings: &Settings) -> VecDeque<DataLoss> {
    use DataLoss::*;
    let order: &[DataLoss] = match settings.guard {
        _ if settings.control.is_some() => &[RestartMajority],
        RestartGuard::Strict => &[RestartMajority, FlushAll, RestartOne, RestartAll, FlushOne],
        _ => &[RestartMajority, FlushOne, RestartOne, RestartOne, FlushOne],
    };
    order.iter().copied().collect()
}
