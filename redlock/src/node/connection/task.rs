//! The life of a connection: connect, serve until it is lost, and again.

use std::{
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    connect::{MAX_PAUSE, MIN_PAUSE, connect},
    in_flight::{InFlight, panicked, runtime_ended},
    open::{self, End, RetryTimer},
    shared::Shared,
    unanswered::Unanswered,
};
use crate::{
    command::Reply,
    env::{sync::lock, unwind::caught},
    events::node as events,
    fault::{Fault, FaultKind},
};

/// For this long after a failed attempt to connect the node counts as unreachable. An operation that comes later triggers
/// an attempt at once.
const KNOWN_DOWN: Duration = Duration::from_millis(50);
/// A lost connection is replaced without a pause, so that no operation fails. Maximum number of
/// times in a row if none of the connections received anything or lived for [`MAX_PAUSE`].
const MAX_QUICK_RECONNECTS: u32 = 5;

/// Drives a connection until it ends.
pub(in crate::node) struct ConnectionTask {
    run: Pin<Box<dyn Future<Output = ()> + Send>>,
    shared: Arc<Shared>,
}

impl ConnectionTask {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            run: Box::pin(run_until_done(Ending(Arc::clone(&shared)))),
            shared,
        }
    }

    /// Whether more operations are likely to come at once.
    pub(super) fn is_busy(&self) -> bool {
        self.shared.busy.load(Relaxed)
    }
}

impl Future for ConnectionTask {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.run.as_mut().poll(cx)
    }
}

/// Closes the backlog when the task is dropped, for example by a runtime that shuts down.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let ended = runtime_ended();
        // Do not inline into the `for` head: the backlog would stay locked while dropped operations re-enter. The last
        // handle to the nodes may go with one of them, and this connection with it.
        let refused = lock(&self.0.backlog).block(&ended, self.0.clock.now(), Duration::MAX);
        self.0.ended.store(true, Relaxed);
        self.0.hand_over_deferred();
        for op in refused {
            op.answer(Reply::Failed(ended.clone()));
        }
    }
}

/// A panic in code of the user that the connection calls, such as a verifier of certificates, ends
/// one connection, or one attempt to connect.
async fn run_until_done(ending: Ending) {
    let shared = &ending.0;
    let mut pause = MIN_PAUSE;
    loop {
        let started = Instant::now();
        if caught(run(shared)).await.is_ok() {
            return;
        }
        shared.contact.attempted(shared.index, false);
        if started.elapsed() >= MAX_PAUSE {
            pause = MIN_PAUSE;
        }
        shared.block(&panicked(), pause);
        shared.rest(shared.jittered(pause)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// Runs until nothing is left to do after the handle was dropped.
async fn run(shared: &Shared) {
    let mut pause = MIN_PAUSE;
    let mut quick_reconnects = 0;
    let mut retry = RetryTimer::new();
    let mut unanswered = Unanswered {
        shared,
        in_flight: InFlight::default(),
    };
    loop {
        let started = Instant::now();
        let connected = connect(shared).await;
        shared.contact.attempted(shared.index, connected.is_ok());
        let fault = match connected {
            Ok(connection) => {
                shared.unblock();
                pause = MIN_PAUSE;
                let connected = Instant::now();
                let served = open::serve(
                    shared,
                    &mut retry,
                    connection,
                    std::mem::take(&mut unanswered.in_flight),
                );
                let Some(End {
                    fault,
                    in_flight,
                    was_of_use,
                }) = served.await
                else {
                    return;
                };
                unanswered.in_flight = in_flight;
                quick_reconnects = match was_of_use || connected.elapsed() >= MAX_PAUSE {
                    true => 0,
                    false => quick_reconnects + 1,
                };
                if quick_reconnects < MAX_QUICK_RECONNECTS && !lock(&shared.backlog).is_blocked() {
                    events::connection_lost(shared.state.name(), &fault);
                    continue;
                }
                fault
            }
            Err(fault) => fault,
        };
        for lost in unanswered.in_flight.drain() {
            shared.lost(&lost.op, &fault);
        }
        shared.block(&fault, known_for(&fault, started));
        if shared.is_done() {
            return;
        }
        shared.rest(shared.jittered(pause)).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// For how long the cause of a failed attempt is used for further operations: a server that refused
/// us will do so again, one that could not be reached may be back soon.
fn known_for(fault: &Fault, started: Instant) -> Duration {
    match fault.kind {
        FaultKind::Unreachable | FaultKind::TimedOut => {
            started.elapsed().clamp(KNOWN_DOWN, MAX_PAUSE)
        }
        _ => MAX_PAUSE,
    }
}
