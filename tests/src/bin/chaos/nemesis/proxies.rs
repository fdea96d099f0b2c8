//! Faults that proxies inject between some clients and some nodes.

use std::time::Duration;

use tests::proxy::{Direction, Flow, Proxy};
use tokio::time::sleep;

use super::fault::ProxyFault;

/// Returns whether there were proxies to inject it.
pub(super) async fn impose(proxies: &[&Proxy], fault: ProxyFault, lasts: Duration) -> bool {
    let all = |act: &dyn Fn(&Proxy)| proxies.iter().copied().for_each(act);
    match fault {
        ProxyFault::Delay(delay) => {
            all(&|proxy| proxy.set_both(Flow::delay(delay)));
            sleep(lasts).await;
            all(&|proxy| proxy.set_both(Flow::PASS));
        }
        ProxyFault::LoseReplies | ProxyFault::LoseRequests => {
            let direction = match fault {
                ProxyFault::LoseReplies => Direction::ToClient,
                _ => Direction::ToServer,
            };
            all(&|proxy| proxy.set(direction, Flow::Lose));
            sleep(lasts).await;
            // A stream with a gap cannot continue.
            all(&|proxy| {
                proxy.set(direction, Flow::PASS);
                proxy.cut();
            });
        }
        ProxyFault::Hold => {
            all(&|proxy| proxy.set_both(Flow::Hold));
            sleep(lasts).await;
            all(&|proxy| proxy.set_both(Flow::PASS));
        }
        ProxyFault::Reset => all(&|proxy| proxy.cut()),
        ProxyFault::Refuse => {
            all(&|proxy| {
                proxy.refuse(true);
                proxy.cut();
            });
            sleep(lasts).await;
            all(&|proxy| proxy.refuse(false));
        }
        ProxyFault::LateAfterReset => {
            all(&|proxy| proxy.set(Direction::ToServer, Flow::Hold));
            sleep(lasts / 3).await;
            all(&|proxy| {
                proxy.cut_client_side();
                proxy.set(Direction::ToServer, Flow::PASS);
            });
            sleep(lasts / 3 * 2).await;
            all(&|proxy| proxy.deliver());
        }
    }
    !proxies.is_empty()
}
