//! Two runtimes under one simulated time. They run alternately, for a millisecond each, on one
//! thread.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::{Instant, advance, sleep_until},
};

use crate::plan::ms;

/// How long one runs before the other continues.
const TURN: Duration = ms(1);

/// The second runtime of a history, if it has one.
#[derive(Debug, Default)]
pub(crate) struct Second {
    handle: Mutex<Option<Handle>>,
    /// It is to be replaced by a new one.
    ends: AtomicBool,
}

impl Second {
    pub(crate) fn handle(&self) -> Option<Handle> {
        self.handle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn end(&self) {
        self.ends.store(true, Relaxed);
    }

    fn set(&self, runtime: &Runtime) {
        let mut handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner);
        *handle = Some(runtime.handle().clone());
    }
}

pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// Runs `main` in `first`, and what it spawns on `second` in another runtime.
pub(crate) fn run_both<T: Send + 'static>(
    first: &Runtime,
    second: &Second,
    main: impl Future<Output = T> + Send + 'static,
) -> T {
    let mut other = beside(first);
    second.set(&other);
    let main = first.spawn(main);
    let mut until = now_in(first);
    while !main.is_finished() {
        until += TURN;
        first.block_on(async { sleep_until(until).await });
        if second.ends.swap(false, Relaxed) {
            // The tasks that are dropped with it read the clock of the first runtime.
            let _inside = first.enter();
            drop(other);
            other = beside(first);
            second.set(&other);
        }
        other.block_on(async { sleep_until(until).await });
    }
    let result = first.block_on(main).expect("no panic");
    let _inside = first.enter();
    drop(other);
    result
}

/// A runtime with the same time.
fn beside(first: &Runtime) -> Runtime {
    let other = runtime();
    let (now, behind) = (now_in(first), now_in(&other));
    other.block_on(async { advance(now.saturating_duration_since(behind)).await });
    other
}

fn now_in(runtime: &Runtime) -> Instant {
    let _inside = runtime.enter();
    Instant::now()
}
