//! Crowds: very many tasks, and very many waiters.

pub(super) mod burst;
pub(crate) mod curve;
pub(super) mod overload;
pub(super) mod waiters;

use crate::{child::Child, nodes::Stage, outcome::Outcome};

/// A child that holds keys, and one with a waiter for each of them.
struct Crowd {
    holder: Child,
    waiters: Child,
    /// By how many bytes the waiters made their process grow.
    memory: f64,
}

impl Crowd {
    async fn start(stage: &Stage, prefix: &str, count: usize) -> Outcome<Self> {
        let settings = [("prefix", prefix.to_owned()), ("count", count.to_string())];
        let mut waiters = Child::start(stage, "queue", &settings)?;
        waiters.hear("ready").await?;
        let mut holder = Child::start(stage, "occupy", &settings)?;
        holder.hear("holds").await?;
        waiters.tell("wait").await?;
        let memory = waiters.hear("waits").await?.parse()?;
        Ok(Self {
            holder,
            waiters,
            memory,
        })
    }
}
