//! The worker: it adopts the lock of an order and ships the order under it.

use std::time::Duration;

use examples::say;
use redlock::{Error, Guard, Redlock, Ticket};

use crate::queue::{Queue, Work};

/// A pause before what failed is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// Ships orders until the process is ended.
pub(crate) async fn work(name: &str, redlock: &Redlock, queue: Queue) -> Result<(), String> {
    loop {
        let Some(work) = queue.next(name).await? else {
            continue;
        };
        let guard = resume(name, redlock, &work).await?;
        let token = guard.token();
        // Redelivered after a worker crashed: it may have shipped the order before.
        if !queue.is_shipped(&work.order).await? {
            let shipped = guard.run(queue.ship(&work.order, token)).await;
            match shipped {
                Ok(shipped) => shipped?,
                // The order stays in the queue, and is delivered again.
                Err(lost) => {
                    say(format_args!("{name}: order {}: {lost}", work.order));
                    continue;
                }
            }
        }
        queue.done(&work).await?;
        say(format_args!(
            "{name}: order {} shipped with token {token}",
            work.order
        ));
    }
}

/// Goes on with the lock of an order, or acquires it again where its ticket is used up: by a worker that crashed, or by the
/// time in the queue.
async fn resume(name: &str, redlock: &Redlock, work: &Work) -> Result<Guard, String> {
    let of_order = |error: Error| format!("order {}: {error}", work.order);
    let ticket: Ticket = work.ticket.parse().map_err(of_order)?;
    loop {
        match redlock.adopt(&ticket).await {
            Ok(guard) => {
                let token = guard.token();
                say(format_args!(
                    "{name}: order {} adopted with token {token}",
                    work.order
                ));
                return Ok(guard);
            }
            Err(error) if error.is_ticket_over() => break,
            Err(error) if error.is_busy() || error.is_no_quorum() => {
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(of_order(error)),
        }
    }
    let lock = redlock.lock(ticket.key()).ttl(ticket.ttl());
    let guard = lock.wait(Duration::MAX).await.map_err(of_order)?;
    let token = guard.token();
    say(format_args!(
        "{name}: order {} locked again with token {token}",
        work.order
    ));
    Ok(guard)
}
