//! Locks that are detached by one client and adopted by another one. Each ticket goes to several
//! clients, which adopt it at the same time.

use std::path::PathBuf;
use std::rc::Rc;
use std::slice::from_mut;
use std::time::Duration;

use redlock::Ticket;
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::hold::{self, Granted, Hold};
use super::{Client, Cycle, millis, one_in};
use crate::args::Problem;
use crate::config::{TICKET_KEYS, TTL};
use crate::history::Kind;
use crate::resource::Access;
use crate::timestamp::now;

/// How often a client tries to adopt a ticket.
const ATTEMPTS: usize = 3;
/// When a ticket has expired on the nodes as well.
const EXPIRED: Duration = TTL.saturating_add(Duration::from_millis(200));

/// Locks, detaches, and sends the ticket.
pub(super) async fn send(
    client: Rc<Client>,
    resource: PathBuf,
    drain: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut access = Access::open(&resource, &client.name).await?;
    while !*drain.borrow() {
        let cycle = Cycle {
            wait: Duration::from_millis(300),
            hold: millis(0..10),
            ..Cycle::PLAIN
        };
        let key = TICKET_KEYS[rand::random_range(0..TICKET_KEYS.len())];
        if let Some((grant, ticket)) = detach(&client, key, cycle).await {
            access.post(&grant, &ticket.to_string()).await?;
        }
        sleep(millis(20..80)).await;
    }
    // Tickets that nobody adopts keep their locks until then.
    sleep(EXPIRED).await;
    for key in TICKET_KEYS {
        if let Some((grant, ticket)) = detach(&client, key, Cycle::LAST).await {
            take_over(&client, &grant, &ticket, Cycle::LAST).await;
        }
    }
    Ok(())
}

/// The identifier of the grant, and its ticket.
async fn detach(client: &Client, key: &str, cycle: Cycle) -> Option<(String, Ticket)> {
    let called = now();
    let request = client.plain(key, cycle);
    let guard = client.request(key, cycle, request).await?;
    let granted = Granted {
        kind: Kind::Lock,
        called,
        ttl: cycle.ttl,
        rounds: guard.rounds(),
        ticket: None,
    };
    let mut hold = Hold::new(client, guard.held(), granted);
    hold::work(from_mut(&mut hold), cycle.hold).await;
    hold.releasing();
    match guard.detach() {
        Ok(ticket) => {
            client.journal.detached(&hold.id, now());
            Some((hold.id, ticket))
        }
        Err(error) => {
            hold.released(&format!("{:?}", error.kind()));
            None
        }
    }
}

/// Adopts what other clients have sent.
pub(super) async fn adopt(
    client: Rc<Client>,
    resource: PathBuf,
    drain: watch::Receiver<bool>,
) -> Result<(), Problem> {
    let mut access = Access::open(&resource, &client.name).await?;
    while !*drain.borrow() {
        let Some((grant, text)) = access.fetch().await? else {
            sleep(millis(5..20)).await;
            continue;
        };
        let ticket: Ticket = text.parse()?;
        for _ in 0..ATTEMPTS {
            let cycle = Cycle {
                wait: Duration::ZERO,
                hold: millis(0..20),
                drop_request_after: one_in(10).then(|| millis(0..4)),
                drop_guard: one_in(8),
                ..Cycle::PLAIN
            };
            if take_over(&client, &grant, &ticket, cycle).await {
                break;
            }
            sleep(millis(0..10)).await;
        }
    }
    Ok(())
}

/// Adopts the ticket of `grant`. Returns whether it did.
async fn take_over(client: &Client, grant: &str, ticket: &Ticket, cycle: Cycle) -> bool {
    let called = now();
    let request = client.redlock.adopt(ticket);
    let Some(guard) = client.request(ticket.key(), cycle, request).await else {
        return false;
    };
    let granted = Granted {
        kind: Kind::Adopted,
        called,
        ttl: ticket.ttl(),
        rounds: guard.rounds(),
        ticket: Some(grant),
    };
    let mut hold = Hold::new(client, guard.held(), granted);
    hold::work(from_mut(&mut hold), cycle.hold).await;
    client.end(&mut hold, cycle, guard).await;
    true
}
