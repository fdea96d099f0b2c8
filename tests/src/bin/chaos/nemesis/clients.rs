//! Faults of client processes: stopped for longer than a ttl, or killed.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fault::Victim;
use crate::events::What;
use crate::stamp::{Stamp, now};
use crate::world::World;

/// How long to wait for somebody to begin to work.
const OPPORTUNITY: Duration = Duration::from_millis(1_500);
/// How often to try to meet a holder between its read and its write.
const TRIES: usize = 6;

/// Stops a client for a while. Whether it was done.
pub(crate) async fn freeze(world: &World, who: Victim, lasts: Duration) -> bool {
    let Some(stopped) = stop(world, who).await else {
        return false;
    };
    sleep(lasts).await;
    stopped.go_on(world);
    true
}

/// Kills a client, and starts another in its place as soon as that one can judge the nodes.
pub(crate) async fn murder(world: &World, who: Victim, folder: &Path) -> bool {
    let slot = match who {
        Victim::Slot(slot) => Some(slot),
        Victim::Holder(key) => {
            let name = world.resource.next_entry(key, OPPORTUNITY).await;
            name.and_then(|name| world.slot_of(&name))
        }
    };
    let Some(slot) = slot else { return false };
    let Some(worker) = world.slots[slot].worker.take() else {
        return false;
    };
    world.note_problem(worker.kill().await);
    wait_for_strangers(world).await;
    if !world.over.get() {
        world.note_problem(populate(world, slot, folder).await);
    }
    true
}

/// A start that finds no quorum is tried again: that is what whoever runs services does.
async fn populate(world: &World, slot: usize, folder: &Path) -> Result<(), crate::args::Problem> {
    let mut tries = 0;
    loop {
        let Err(problem) = world.populate(slot, folder).await else {
            return Ok(());
        };
        tries += 1;
        if tries == 20 || !problem.to_string().contains("no quorum") {
            return Err(problem);
        }
        if world.over.get() {
            return Ok(());
        }
        sleep(Duration::from_millis(300)).await;
        wait_for_strangers(world).await;
    }
}

/// Until a client that meets the nodes for the first time can judge them by their age; at most until it must be so.
pub(crate) async fn wait_for_strangers(world: &World) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !world.may_meet_strangers() && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
}

/// A client that does not run.
struct Stopped {
    client: String,
    slot: usize,
    from: Stamp,
}

impl Stopped {
    fn in_slot(world: &World, slot: usize) -> Option<Self> {
        let worker = world.slots[slot].worker.borrow();
        let worker = worker.as_ref()?;
        let from = now();
        worker.stop();
        Some(Self {
            client: worker.name.clone(),
            slot,
            from,
        })
    }

    /// Lets it go on, if it is still there, and notes the time.
    fn go_on(self, world: &World) {
        if let Some(worker) = &*world.slots[self.slot].worker.borrow()
            && worker.name == self.client
        {
            worker.go_on();
        }
        let client = self.client;
        world.events.note(self.from, What::Stopped { client });
    }
}

/// Stops the victim. A holder is met between its read and its write.
async fn stop(world: &World, who: Victim) -> Option<Stopped> {
    let key = match who {
        Victim::Slot(slot) => return Stopped::in_slot(world, slot),
        Victim::Holder(key) => key,
    };
    for _ in 0..TRIES {
        let name = world.resource.next_entry(key, OPPORTUNITY).await?;
        let Some(slot) = world.slot_of(&name) else {
            continue;
        };
        let stopped = Stopped::in_slot(world, slot)?;
        // Its write may be on its way already.
        sleep(Duration::from_millis(2)).await;
        if world.resource.is_inside(key, &name) {
            return Some(stopped);
        }
        stopped.go_on(world);
    }
    None
}
