//! Bounded waits: for a condition, and for a future that must not hang.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Additional time for the condition itself to finish.
const GRACE: Duration = Duration::from_secs(10);

/// Waits until `condition` returns true, and checks it every few milliseconds.
///
/// The condition is checked at least once, and once more when the bound is reached.
///
/// # Panics
///
/// When it is still false after `bound`. The message names the line that waited.
#[track_caller]
pub fn eventually<F>(bound: Duration, mut condition: F) -> impl Future<Output = ()>
where
    F: AsyncFnMut() -> bool,
{
    let caller = Location::caller();
    async move {
        let deadline = Instant::now() + bound;
        let mut step = Duration::from_millis(1);
        loop {
            let last = Instant::now() >= deadline;
            match timeout(bound + GRACE, condition()).await {
                Ok(true) => return,
                Ok(false) if last => panic!("{caller}: not so within {bound:?}"),
                Ok(false) => {}
                Err(_) => panic!("{caller}: the condition itself did not answer"),
            }
            sleep(step.min(deadline.saturating_duration_since(Instant::now()))).await;
            step = (step * 2).min(Duration::from_millis(20));
        }
    }
}

/// The output of `future`, which must be there within `bound`.
///
/// # Panics
///
/// When it is not. The message names the line that waited.
#[track_caller]
pub fn within<F: IntoFuture>(bound: Duration, future: F) -> impl Future<Output = F::Output> {
    let caller = Location::caller();
    let future = timeout(bound, future);
    async move {
        match future.await {
            Ok(output) => output,
            Err(_) => panic!("{caller}: did not finish within {bound:?}"),
        }
    }
}
