//! A body under its lock: cancelled or notified when the lock is lost, released or kept busy at the end.

use std::future::Future;
use std::panic::resume_unwind;
use std::time::Duration;

use super::ending::Ending;
use crate::env::unwind::{Panic, caught};
use crate::events::attribute as events;
use crate::{Guard, Held};

/// What happens to the body when its lock is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnLost {
    Cancel,
    Signal,
}

/// A lock that was acquired for one call, and how it ends.
#[derive(Debug)]
pub(super) struct Hold<E> {
    function: &'static str,
    guard: Guard,
    on_lost: OnLost,
    ending: E,
    /// For how long the key is kept busy after a body that returned or panicked, unless `ending` says it.
    remembered: Option<Duration>,
}

impl<E> Hold<E> {
    pub(super) fn new(function: &'static str, guard: Guard, on_lost: OnLost, ending: E) -> Self {
        Self {
            function,
            guard,
            on_lost,
            ending,
            remembered: None,
        }
    }

    /// Keeps the key busy after the body has returned or panicked. After a loss, it is free for others.
    pub(super) fn remembered_for(self, remembered: Option<Duration>) -> Self {
        Self { remembered, ..self }
    }

    pub(super) fn held(&self) -> Held {
        self.guard.held()
    }

    /// Runs the body to its end, or until the lock is lost. Dropped on the way, it drops the body
    /// first and then the guard, which is released in the background.
    pub(super) async fn run<F>(self, body: F) -> crate::Result<F::Output>
    where
        F: Future,
        E: Ending<F::Output>,
    {
        let held = self.guard.held();
        let outcome = match self.on_lost {
            OnLost::Cancel => until_lost(self.function, &held, body).await,
            OnLost::Signal => Some(caught(held.scope_named(self.function, body)).await),
        };
        let value = match outcome {
            Some(Ok(value)) => value,
            Some(Err(panic)) if self.remembered.is_some() => {
                let remembered = self.remembered;
                self.end(remembered).await;
                resume_unwind(panic)
            }
            Some(Err(panic)) => self.guard.end_panicked(panic).await,
            None => {
                let lost = self.guard.end_lost().await;
                events::cancelled(self.function, &lost);
                return Err(lost);
            }
        };
        events::ran(self.function);
        let window = self.ending.window(&value).or(self.remembered);
        self.end(window).await;
        Ok(value)
    }

    /// Ends the lock. The body has finished by now, so a failure is only an event. A loss has had its own.
    async fn end(self, window: Option<Duration>) {
        let ended = match window {
            None => self.guard.release().await,
            Some(window) => self.guard.cool_down(window).await,
        };
        if let Err(error) = ended
            && !error.is_of_lost_lock()
        {
            events::not_ended(self.function, &error);
        }
    }
}

/// How the body ended, or `None` as soon as the lock is lost. The body is dropped before this returns.
async fn until_lost<F: Future>(
    function: &'static str,
    held: &Held,
    body: F,
) -> Option<Result<F::Output, Panic>> {
    tokio::select! {
        biased;
        // Loss is checked first: after a stall the body must not run another step without its lock.
        () = held.lost() => None,
        outcome = caught(held.scope_named(function, body)) => Some(outcome),
    }
}
