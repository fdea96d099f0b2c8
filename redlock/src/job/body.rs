//! One run of a body under the lock, with its retries, until it ends or has to.

use std::time::Duration;

use super::{
    BodyResult, Firing, definition::Definition, options::Options, rules::Overlap,
    schedule::following,
};
use crate::{
    env::unwind::{Panic, caught},
    events::job as events,
    lock::{guard::Guard, held::Held},
};

/// How a run ended.
pub(super) enum Ended {
    Completed,
    Failed(String),
    Cancelled,
    Lost,
}

pub(super) struct Run<'a> {
    pub(super) job: &'a Definition,
    pub(super) options: &'a Options,
    pub(super) guard: &'a Guard,
    /// Which firing it is.
    pub(super) at: u64,
    pub(super) again: bool,
    pub(super) attempts: u32,
}

impl Run<'_> {
    /// Runs the body until it ends, or has to. Counts its attempts.
    pub(super) async fn until_ended<F, B>(&mut self, body: &mut F) -> Ended
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        let guard = self.guard;
        // What the body owns may panic too when it is dropped.
        match caught(self.attempts_until_ended(body)).await {
            Ok(ended) => ended,
            Err(_) if guard.is_lost() => Ended::Lost,
            Err(panic) => Ended::Failed(text_of(&panic)),
        }
    }

    async fn attempts_until_ended<F, B>(&mut self, body: &mut F) -> Ended
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        let (job, options, guard, at) = (self.job, self.options, self.guard, self.at);
        tokio::select! {
            biased;
            // Polled first: after a stall the body must not continue without the lock.
            () = guard.lost() => Ended::Lost,
            ended = guard.held().scope(self.attempts(body)) => ended,
            most = too_long(options) => Ended::Failed(format!("took longer than max_run, {most:?}")),
            () = replaced(job, options, at) => Ended::Cancelled,
        }
    }

    async fn attempts<F, B>(&mut self, body: &mut F) -> Ended
    where
        F: FnMut(Firing, Held) -> B,
        B: Future,
        B::Output: BodyResult,
    {
        loop {
            self.attempts += 1;
            let firing = Firing {
                at: self.at,
                attempt: self.attempts,
                again: self.again,
            };
            let held = self.guard.held();
            let outcome = caught(async { body(firing, held).await.into_failure() });
            let failure = outcome.await.unwrap_or_else(|panic| Some(text_of(&panic)));
            let Some(failure) = failure else {
                return Ended::Completed;
            };
            events::failed(&self.job.name, self.attempts, &failure);
            if self.attempts > self.options.retries {
                return Ended::Failed(failure);
            }
            let pause = self.options.backoff.pause(self.attempts);
            tokio::time::sleep(pause).await;
        }
    }
}

/// Resolves after `max_run`, to it.
async fn too_long(options: &Options) -> Duration {
    let Some(most) = options.max_run else {
        return std::future::pending().await;
    };
    tokio::time::sleep(most).await;
    most
}

/// Resolves when the next firing is due, if that cancels this one.
async fn replaced(job: &Definition, options: &Options, at: u64) {
    let rules = &options.rules;
    if rules.overlap == Overlap::Cancel
        && let Ok(Some(next)) = following(&*job.schedule, at.max(rules.due_by(job.now())))
    {
        return job.sleep_until(next.saturating_add(rules.delay)).await;
    }
    std::future::pending::<()>().await;
}

fn text_of(panic: &Panic) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "panicked: {}",
        text.unwrap_or("with another value than a text")
    )
}
