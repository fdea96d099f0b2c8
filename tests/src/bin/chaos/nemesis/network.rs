//! Faults of the network, made by the proxies between some clients and some nodes.

use std::time::Duration;

use tests::proxy::{Direction, Flow, Proxy};
use tokio::time::sleep;

use super::fault::Trouble;
use crate::world::World;

/// What it is called in the report.
pub(crate) fn name(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Slow(_) => "network: slow",
        Trouble::NoReplies => "network: replies vanish",
        Trouble::NoRequests => "network: requests vanish",
        Trouble::Held => "network: stalled",
        Trouble::Cut => "network: reset",
        Trouble::Refused => "network: refused",
        Trouble::Ghosts => "network: late after a reset",
    }
}

pub(crate) async fn trouble(
    world: &World,
    slots: &[usize],
    nodes: &[usize],
    trouble: Trouble,
    lasts: Duration,
) {
    let ways: Vec<&Proxy> = slots
        .iter()
        .flat_map(|&slot| nodes.iter().map(move |&node| &world.proxies[slot][node]))
        .collect();
    let all = |act: &dyn Fn(&Proxy)| ways.iter().copied().for_each(act);
    match trouble {
        Trouble::Slow(delay) => {
            all(&|way| way.set_both(Flow::delay(delay)));
            sleep(lasts).await;
            all(&|way| way.set_both(Flow::PASS));
        }
        Trouble::NoReplies | Trouble::NoRequests => {
            let direction = match trouble {
                Trouble::NoReplies => Direction::ToClient,
                _ => Direction::ToServer,
            };
            all(&|way| way.set(direction, Flow::Lose));
            sleep(lasts).await;
            // A stream with a hole in it cannot go on.
            all(&|way| {
                way.set(direction, Flow::PASS);
                way.cut();
            });
        }
        Trouble::Held => {
            all(&|way| way.set_both(Flow::Hold));
            sleep(lasts).await;
            all(&|way| way.set_both(Flow::PASS));
        }
        Trouble::Cut => all(&|way| way.cut()),
        Trouble::Refused => {
            all(&|way| {
                way.refuse(true);
                way.cut();
            });
            sleep(lasts).await;
            all(&|way| way.refuse(false));
        }
        Trouble::Ghosts => {
            all(&|way| way.set(Direction::ToServer, Flow::Hold));
            sleep(lasts / 3).await;
            all(&|way| {
                way.cut_client_side();
                way.set(Direction::ToServer, Flow::PASS);
            });
            sleep(lasts / 3 * 2).await;
            all(&|way| way.deliver());
        }
    }
}
