//! A process that can be frozen, as by `SIGSTOP`: its tasks are not polled.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use pin_project::pin_project;

use crate::env::sync::lock;

/// Freezes and thaws the tasks of one process.
#[derive(Debug, Default)]
pub(crate) struct Freezer(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    frozen: bool,
    /// Tasks that should have been polled meanwhile.
    waiting: Vec<Waker>,
}

impl Freezer {
    pub(super) fn freeze(&self) {
        lock(&self.0).frozen = true;
    }

    pub(super) fn thaw(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.frozen = false;
            mem::take(&mut state.waiting)
        };
        for task in waiting {
            task.wake();
        }
    }

    /// Makes `task` part of the process.
    pub(crate) fn task<F: Future>(self: Arc<Self>, task: F) -> Freezable<F> {
        Freezable {
            freezer: self,
            task,
        }
    }
}

/// A task of a process that can be frozen.
#[pin_project]
pub(crate) struct Freezable<F> {
    freezer: Arc<Freezer>,
    #[pin]
    task: F,
}

impl<F: Future> Future for Freezable<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut state = lock(&this.freezer.0);
        if state.frozen {
            if !state.waiting.iter().any(|task| task.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        drop(state);
        this.task.poll(cx)
    }
}
