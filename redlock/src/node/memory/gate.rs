//! A process that can be frozen: its tasks are not polled, and what comes for it is not read.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use pin_project::pin_project;

use super::parcel::News;
use crate::env::sync::lock;

/// Whether a process runs. Open unless closed.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    closed: bool,
    /// Tasks that were to be polled meanwhile.
    waiting: Vec<Waker>,
    /// What came meanwhile, in its order.
    unread: Vec<News>,
}

impl Gate {
    pub(super) fn close(&self) {
        lock(&self.0).closed = true;
    }

    /// Lets the tasks go on, once what came meanwhile has been read.
    pub(super) fn open(&self) {
        let (unread, waiting) = {
            let mut state = lock(&self.0);
            state.closed = false;
            (mem::take(&mut state.unread), mem::take(&mut state.waiting))
        };
        for news in unread {
            news.read();
        }
        for task in waiting {
            task.wake();
        }
    }

    /// Gives `news` to the process, now or when it goes on.
    pub(super) fn tell(&self, news: News) {
        let mut state = lock(&self.0);
        if state.closed {
            state.unread.push(news);
        } else {
            drop(state);
            news.read();
        }
    }

    /// `task`, as a part of the process.
    pub(crate) fn through<F: Future>(self: Arc<Self>, task: F) -> Gated<F> {
        Gated { gate: self, task }
    }
}

/// A task of a process that can be frozen.
#[pin_project]
pub(crate) struct Gated<F> {
    gate: Arc<Gate>,
    #[pin]
    task: F,
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut state = lock(&this.gate.0);
        if state.closed {
            if !state.waiting.iter().any(|task| task.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        drop(state);
        this.task.poll(cx)
    }
}
