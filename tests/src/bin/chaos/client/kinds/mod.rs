//! The tasks for kinds of lock beside the plain one.

mod leader;
mod permits;
mod register;
mod several;
mod sides;
mod ticket;

use std::rc::Rc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cycle::{Client, Cycle};
use super::tasks::{millis, one_in};
use crate::args::{ClientSettings, Problem};

/// How many tasks of a process request a permit, and how many a side of the read/write lock.
const TASKS: usize = 2;

pub(super) fn spawn(
    tasks: &mut JoinSet<Result<(), Problem>>,
    settings: &ClientSettings,
    client: impl Fn() -> Rc<Client>,
    draining: impl Fn() -> watch::Receiver<bool>,
) {
    let resource = || settings.resource.clone();
    for _ in 0..TASKS {
        tasks.spawn_local(permits::run(client(), draining()));
        tasks.spawn_local(sides::run(client(), draining()));
    }
    tasks.spawn_local(several::run(client(), draining()));
    tasks.spawn_local(leader::run(client(), draining()));
    tasks.spawn_local(ticket::send(client(), resource(), draining()));
    tasks.spawn_local(ticket::adopt(client(), resource(), draining()));
    tasks.spawn_local(register::hold(client(), draining()));
    tasks.spawn_local(register::look(client(), draining()));
}

/// A cycle that holds for milliseconds, and sometimes for longer than the ttl, renewed.
fn cycle() -> Cycle {
    let long = one_in(20);
    Cycle {
        hold: match long {
            true => millis(1_000..1_500),
            false => millis(0..40),
        },
        keep_alive: long || one_in(2),
        drop_request_after: one_in(10).then(|| millis(0..50)),
        drop_guard: one_in(8),
        ..Cycle::PLAIN
    }
}
