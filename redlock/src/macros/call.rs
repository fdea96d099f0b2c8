//! One call of an annotated function: from the options to the lock, and the body under it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::ending::{Dedupe, Ending};
use super::fire::Name;
use super::firing::Rules;
use super::handle::Handle;
use super::hold::{Hold, OnLost};
use super::key::Key;
use crate::{
    Error, Held, LockOptions, LockRequest, Redlock, Result,
    events::{attribute as events, span},
    get_default, key,
};

/// The options of one call.
#[derive(Debug)]
#[must_use]
pub struct Call<E = ()> {
    function: &'static str,
    key: Result<String>,
    lock: Option<Redlock>,
    /// The options of the lock, which the expansion sets.
    pub options: LockOptions,
    firing: Rules,
    needed: bool,
    fail_open: bool,
    on_lost: OnLost,
    ending: E,
}

impl Call {
    /// A call of `function`, under the lock `key`.
    pub fn new(function: &'static str, key: Key, ttl: Duration) -> Self {
        Self {
            function,
            key: key.finish(),
            lock: None,
            options: LockOptions {
                ttl: Some(ttl),
                ..LockOptions::default()
            },
            firing: Rules::default(),
            needed: true,
            fail_open: false,
            on_lost: OnLost::Cancel,
            ending: (),
        }
    }

    /// After a success the key stays busy for `window`.
    pub fn dedupe_for<P>(self, window: Duration, success: P) -> Call<Dedupe<P>> {
        Call {
            function: self.function,
            key: self.key,
            lock: self.lock,
            options: LockOptions {
                dedupe_for: Some(window),
                ..self.options
            },
            firing: self.firing,
            needed: self.needed,
            fail_open: self.fail_open,
            on_lost: self.on_lost,
            ending: Dedupe { window, success },
        }
    }
}

impl<E> Call<E> {
    /// Uses this handle instead of the process default.
    pub fn on(&mut self, lock: &(impl Handle + ?Sized)) {
        self.lock = Some(lock.redlock().clone());
    }

    /// Locks one firing of a schedule: its name is part of the key, which stays busy after the body has ended. Nobody waits for
    /// it, unless it is run again after a crash.
    pub fn fire(&mut self, name: Name) {
        self.firing.fires = true;
        self.firing.at = name.instant();
        if let Ok(key) = &mut self.key {
            match name.into_text() {
                Ok(name) => *key = format!("{key}:{}", key::part(name)),
                Err(fmt::Error) => {
                    let why = "the `Display` of the value of `fire` returned an error";
                    self.key = Err(Error::invalid_key(key, why));
                }
            }
        }
    }

    /// Waits while another replica runs the firing, and runs it if that one crashes.
    pub fn rerun_crashed(&mut self) {
        self.firing.reruns = true;
    }

    /// Runs no firing that is older than `window`.
    pub fn catch_up(&mut self, window: Duration) {
        self.firing.catch_up = Some(window);
    }

    /// Returns while another call holds the lock. Waits only if `wait` was given before.
    pub fn skip_busy(&mut self) {
        self.options.wait.get_or_insert(Duration::ZERO);
    }

    /// Lets the body continue after the lock is lost.
    pub fn signal_lost(&mut self) {
        self.on_lost = OnLost::Signal;
    }

    /// Runs the body without the lock if the condition is false. For [`run_open`](Self::run_open).
    pub fn only_if(&mut self, condition: bool) {
        self.needed = condition;
    }

    /// Runs the body without the lock if no quorum answers. For [`run_open`](Self::run_open).
    pub fn fail_open(&mut self) {
        self.fail_open = true;
    }

    /// Runs the body under the lock.
    pub fn run<F>(self, body: F) -> impl Future<Output = Result<F::Output>>
    where
        F: Future,
        E: Ending<F::Output>,
    {
        let body = boxed(body);
        async move {
            let hold = self.acquire().await?;
            hold.run(body).await
        }
    }

    /// Runs the body under the lock, which it can look at.
    pub async fn run_with<F>(self, body: impl FnOnce(Held) -> F) -> Result<F::Output>
    where
        F: Future,
        E: Ending<F::Output>,
    {
        let hold = self.acquire().await?;
        let body = boxed(body(hold.held()));
        hold.run(body).await
    }

    /// Runs the body under the lock, or without it if the condition or `fail_open` allows that.
    pub async fn run_open<F>(self, body: impl FnOnce(Option<Held>) -> F) -> Result<F::Output>
    where
        F: Future,
        E: Ending<F::Output>,
    {
        let (function, fail_open) = (self.function, self.fail_open);
        let held = if self.needed {
            Some(self.acquire().await)
        } else {
            None
        };
        match held {
            Some(Ok(hold)) => {
                let body = boxed(body(Some(hold.held())));
                return hold.run(body).await;
            }
            Some(Err(error)) if fail_open && error.is_no_quorum() => {
                events::runs_unlocked(function, &error);
            }
            Some(Err(error)) => return Err(error),
            None => {}
        }
        Ok(boxed(body(None)).await)
    }

    async fn acquire(self) -> Result<Hold<E>> {
        let function = self.function;
        let acquired = async move {
            let (request, remembered) = self.request()?;
            let guard = request.await?;
            let hold = Hold::new(function, guard, self.on_lost, self.ending);
            Ok(hold.remembered_for(remembered))
        };
        let acquired: Result<_, Error> = span::of_call(function, acquired).await;
        if let Err(error) = &acquired {
            events::not_locked(function, error);
        }
        acquired
    }

    /// The request, and for how long the key is kept busy after the body.
    fn request(&self) -> Result<(LockRequest, Option<Duration>)> {
        let lock = match &self.lock {
            Some(lock) => lock.clone(),
            None => get_default()?,
        };
        let mut options = self.options.clone();
        options.fail_fast |= self.fail_open;
        let key = self.key.clone()?;
        let remembered = self.firing.apply(&mut options, &lock, &key)?;
        Ok((lock.lock(key).options(options), remembered))
    }
}

/// Each async function that a future is passed through contains it once more. One allocation keeps the future of the caller
/// small, and costs little beside the round trips.
fn boxed<F: Future>(body: F) -> Pin<Box<F>> {
    Box::pin(body)
}
