//! Thousands of locks, released at once: no limit on what is under way may cost a release.

use rand::RngExt;
use tokio::{task::JoinSet, time::sleep};

use crate::{event::Event, plan::Dice, world::World};

/// More than the new work that a client takes on at once, and than the releases that it puts off.
const LOCKS: usize = 10_000;

fn name(lock: usize) -> String {
    format!("many-{lock}")
}

/// One process takes locks and lets go of them, without a pause.
pub(crate) async fn releases(world: &World, dice: &mut Dice) {
    let redlock = world.process(0, 0).redlock;
    let mut guards = Vec::with_capacity(LOCKS);
    for lock in 0..LOCKS {
        let request = redlock.lock(name(lock)).ttl(world.plan.max_ttl);
        match request.keep_alive(false).no_wait().await {
            Ok(guard) => guards.push(guard),
            Err(error) => world.violation(format!("no lock {lock} of many: {error}")),
        }
    }
    world.count(Event::ManyReleases);
    if dice.random_bool(0.5) {
        world.tell(|| format!("drops {LOCKS} guards"));
        drop(guards);
    } else {
        world.tell(|| format!("releases {LOCKS} locks"));
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
