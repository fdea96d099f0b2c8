//! Thousands of locks that are released at once: no limit may cause a release to be dropped.

use rand::RngExt;
use tokio::{task::JoinSet, time::sleep};

use crate::{event::Event, plan::Dice, world::World};

/// More than a client's limits on attempts in flight and on deferred releases.
const LOCKS: usize = 10_000;

fn name(lock: usize) -> String {
    format!("many-{lock}")
}

/// One process acquires many locks and releases all of them at once.
pub(crate) async fn releases(world: &World, dice: &mut Dice) {
    let redlock = world.process(0, 0).redlock;
    let mut guards = Vec::with_capacity(LOCKS);
    for lock in 0..LOCKS {
        let request = redlock.lock(name(lock)).ttl(world.plan.max_ttl);
        match request.keep_alive(false).no_wait().await {
            Ok(guard) => guards.push(guard),
            Err(error) => world.violation(format!("lock {lock} of many was not granted: {error}")),
        }
    }
    world.count(Event::ManyReleases);
    if dice.random_bool(0.5) {
        world.log(|| format!("drops {LOCKS} guards"));
        drop(guards);
    } else {
        world.log(|| format!("releases {LOCKS} locks"));
        let mut releases = JoinSet::new();
        for guard in guards {
            releases.spawn(guard.release());
        }
        while let Some(released) = releases.join_next().await {
            if let Ok(Err(error)) = released {
                world.violation(format!("a release of many failed: {error}"));
            }
        }
    }
    sleep(world.plan.quiet()).await;
    for (index, node) in world.cluster.nodes().into_iter().enumerate() {
        let left = (0..LOCKS).filter(|lock| node.get(&name(*lock)).is_some());
        let left = left.count();
        if left > 0 {
            world.violation(format!(
                "I5: node {index} has {left} of {LOCKS} locks left that were released at once"
            ));
        }
    }
}
