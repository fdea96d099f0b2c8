//! Tickets: a lock continues in another process, is never free in between, and is adopted once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use redlock::{ErrorKind, Redlock, Ticket, memory};
use tests::{Cluster, eventually, proxy::Proxy, within};
use tokio::task::JoinSet;

use crate::{SOON, client};

async fn ticket(redlock: &Redlock, ttl: Duration) -> Ticket {
    let guard = redlock.lock("invoice:42").ttl(ttl).await.expect("free");
    guard.detach().expect("a lock that is held")
}

#[tokio::test]
async fn another_process_adopts_the_lock_which_was_never_free() {
    let cluster = Cluster::start(3).await;
    let (sender, adopter) = (client(&cluster).await, client(&cluster).await);
    let guard = sender.lock("invoice:42").await.expect("free");
    let (token, mut lost) = (guard.token(), guard.lost());
    // Other clients in both processes request the lock all the time.
    let stop = Arc::new(AtomicBool::new(false));
    let strangers: Vec<_> = [sender.clone(), adopter.clone()]
        .into_iter()
        .map(|stranger| {
            let stop = Arc::clone(&stop);
            tokio::spawn(async move {
                while !stop.load(SeqCst) {
                    let held = stranger.try_lock("invoice:42").await;
                    assert!(held.expect("three nodes").is_none(), "it was free");
                }
            })
        })
        .collect();
    let ticket = guard.detach().expect("a lock that is held");
    within(SOON, &mut lost).await;
    let message = ticket.to_string();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let ticket: Ticket = message.parse().expect("what was written");
    let guard = within(SOON, adopter.adopt(&ticket)).await;
    let guard = guard.expect("nobody adopted it");
    assert!(guard.token() > token && ticket.token() >= token);
    assert_eq!(guard.key(), "invoice:42");
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.store(true, SeqCst);
    for stranger in strangers {
        stranger.await.expect("it was never free");
    }
    guard.release().await.expect("three nodes");
    let next = within(SOON, sender.lock("invoice:42")).await;
    next.expect("free").release().await.expect("three nodes");
}

#[tokio::test]
async fn a_ticket_can_be_adopted_only_once() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    for _ in 0..10 {
        let ticket = Arc::new(ticket(&redlock, Duration::from_secs(10)).await);
        let adopted = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..4 {
            let adopter = client(&cluster).await;
            let (ticket, adopted) = (Arc::clone(&ticket), Arc::clone(&adopted));
            tasks.spawn(async move {
                loop {
                    match adopter.adopt(&ticket).await {
                        Ok(guard) => {
                            adopted.fetch_add(1, SeqCst);
                            guard.release().await.expect("three nodes");
                            return;
                        }
                        // Several adopted at the same moment, and none had a majority.
                        Err(error) if error.is_busy() => {
                            let pause = rand::random_range(1..20);
                            tokio::time::sleep(Duration::from_millis(pause)).await;
                        }
                        Err(error) => {
                            assert!(error.is_ticket_over(), "{error}");
                            return;
                        }
                    }
                }
            });
        }
        within(SOON, tasks.join_all()).await;
        assert_eq!(adopted.load(SeqCst), 1);
        eventually(SOON, async || {
            cluster.locked_on("invoice:42").await.is_empty()
        })
        .await;
    }
}

/// The adoption does not reach one of the nodes, which still holds the lock for the sender.
#[tokio::test]
async fn nothing_of_the_sender_is_left_on_a_node_that_missed_the_adoption() {
    let cluster = Cluster::start(3).await;
    let sender = client(&cluster).await;
    let proxies = Proxy::before_all(&cluster).await;
    let adopter = Redlock::connect(proxies.iter().map(Proxy::url)).await;
    let adopter = adopter.expect("all nodes answer");
    let ticket = ticket(&sender, Duration::from_secs(60)).await;
    eventually(SOON, async || {
        cluster.locked_on("invoice:42").await.len() == 3
    })
    .await;
    proxies[2].refuse(true);
    proxies[2].cut();
    let guard = within(SOON, adopter.adopt(&ticket)).await;
    let guard = guard.expect("two nodes of three");
    assert_eq!(cluster.locked_on("invoice:42").await, [0, 1, 2]);
    guard.release().await.expect("two nodes of three");
    proxies[2].refuse(false);
    eventually(SOON, async || {
        cluster.locked_on("invoice:42").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn an_adopted_lock_is_renewed() {
    let cluster = Cluster::start(3).await;
    let redlock = client(&cluster).await;
    let ticket = ticket(&redlock, Duration::from_secs(5)).await;
    let guard = redlock.adopt(&ticket).await.expect("nobody adopted it");
    // The time that is left rises with an extension only.
    within(SOON, async {
        let (mut before, mut left) = (Duration::MAX, guard.remaining());
        while left <= before {
            tokio::time::sleep(Duration::from_millis(10)).await;
            (before, left) = (left, guard.remaining());
        }
    })
    .await;
    assert!(!guard.is_lost());
    guard.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_ticket_that_is_not_adopted_expires_with_its_ttl() {
    let cluster = Cluster::start(3).await;
    let (redlock, other) = (client(&cluster).await, client(&cluster).await);
    let ticket = ticket(&redlock, Duration::from_millis(300)).await;
    let next = within(SOON, other.lock("invoice:42").wait(SOON)).await;
    let next = next.expect("the ticket is over");
    assert!(next.token() > ticket.token());
    let late = other.adopt(&ticket).await.expect_err("over");
    assert_eq!(late.kind(), ErrorKind::TicketOver);
    assert!(!next.is_lost());
    next.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_failed_adoption_leaves_the_ticket_adoptable() {
    let nodes = memory::Nodes::new(3);
    let (redlock, other) = (
        Redlock::connect(nodes.nodes()).await.expect("three nodes"),
        Redlock::connect(nodes.nodes()).await.expect("three nodes"),
    );
    let ticket = ticket(&redlock, Duration::from_secs(10)).await;
    let all = nodes.nodes();
    all[1].hang();
    all[2].hang();
    let none = other.adopt(&ticket).await.expect_err("one node");
    assert!(none.is_no_quorum(), "{none}");
    all[1].resume();
    all[2].resume();
    // An adoption that the nodes carry out late is given back too.
    let adopted = async || match redlock.adopt(&ticket).await {
        Ok(guard) => Some(guard),
        Err(error) => {
            assert!(error.is_busy() || error.is_no_quorum(), "{error}");
            None
        }
    };
    let guard = within(SOON, async {
        loop {
            if let Some(guard) = adopted().await {
                return guard;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    guard.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_cancelled_adoption_leaves_the_ticket_adoptable() {
    let cluster = Cluster::start(3).await;
    let (redlock, other) = (client(&cluster).await, client(&cluster).await);
    let ticket = ticket(&redlock, Duration::from_secs(10)).await;
    for turns in 0..20 {
        let mut adoption = Box::pin(other.adopt(&ticket));
        // Dropped after it was sent and before its replies were read, at different moments.
        assert!(adoption.as_mut().now_or_never().is_none());
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
        drop(adoption);
    }
    let guard = within(SOON, async {
        loop {
            match redlock.adopt(&ticket).await {
                Ok(guard) => return guard,
                Err(error) => assert!(error.is_busy() || error.is_ticket_over(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    guard.release().await.expect("three nodes");
}

#[tokio::test]
async fn a_ticket_that_this_client_cannot_adopt_is_a_clear_error() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let elsewhere = Redlock::builder().nodes(nodes.nodes()).namespace("shop:");
    let elsewhere = elsewhere.connect().await.expect("three nodes");
    let ticket = ticket(&redlock, Duration::from_secs(10)).await;
    let told = |error: redlock::Error, text: &str| {
        assert_eq!(error.kind(), ErrorKind::InvalidTicket);
        assert!(
            error.is_invalid() && error.to_string().contains(text),
            "{error}"
        );
    };
    let error = elsewhere
        .adopt(&ticket)
        .await
        .expect_err("another namespace");
    told(error, "this client has `shop:`");
    let text = ticket.to_string();
    assert!(text.len() < 256, "{text}");
    for cut in 1..text.len() {
        let error = text[..cut].parse::<Ticket>().expect_err("cut");
        assert_eq!(error.kind(), ErrorKind::InvalidTicket, "{}", &text[..cut]);
    }
    told(
        "".parse::<Ticket>().expect_err("empty"),
        "a ticket begins with",
    );
    told(
        text.replacen(" 1 ", " 2 ", 1)
            .parse::<Ticket>()
            .expect_err("newer"),
        "version 2",
    );
    told(
        text.replace("invoice:42", "invoice:43")
            .parse::<Ticket>()
            .expect_err("changed"),
        "cut or changed",
    );
    // A serialized ticket is that text.
    let stored = serde_json::to_string(&ticket).expect("a text");
    assert_eq!(
        serde_json::from_str::<Ticket>(&stored).expect("the same"),
        ticket
    );
    assert!(serde_json::from_str::<Ticket>("\"redlock-ticket 1\"").is_err());
    let shown = format!("{ticket:?}");
    assert!(
        shown.contains("invoice:42") && !shown.contains("2ed1"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_guard_that_cannot_be_detached_is_released_with_a_clear_error() {
    let nodes = memory::Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let plain = redlock
        .lock("invoice:42")
        .fencing(false)
        .await
        .expect("free");
    let error = plain.detach().expect_err("no token");
    assert!(
        error.to_string().contains("without a fencing token"),
        "{error}"
    );
    let permit = redlock.semaphore("invoice:42", 1).acquire().await;
    let error = permit.expect("free").detach().expect_err("a permit");
    assert!(error.to_string().contains("permit"), "{error}");
    let free = async || {
        let lock = redlock.try_lock("invoice:42").await.expect("three nodes");
        lock.is_some()
            && redlock
                .semaphore("invoice:42", 1)
                .available()
                .await
                .expect("three nodes")
                == 1
    };
    eventually(SOON, free).await;
    let lost = redlock
        .lock("invoice:42")
        .ttl(Duration::from_millis(100))
        .keep_alive(false)
        .await;
    let lost = lost.expect("free");
    within(SOON, lost.lost()).await;
    assert!(lost.detach().expect_err("lost").is_lost());
}
