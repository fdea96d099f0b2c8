//! Elections: one process leads, another one follows, and a lost term ends its body.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use redlock::{ErrorKind, Redlock};
use tests::{Cluster, eventually, within};

use crate::{SOON, client};

const PERIOD: Duration = Duration::from_millis(20);

#[tokio::test]
async fn one_process_leads_and_the_next_leader_has_a_larger_token() {
    let cluster = Cluster::start(3).await;
    let (first, second) = (client(&cluster).await, client(&cluster).await);
    let leader = within(SOON, first.election("scheduler").campaign()).await;
    let leader = leader.expect("nobody leads");
    let election = second.election("scheduler");
    let mut campaign = tokio::spawn(async move { election.campaign().await });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut campaign).await;
    assert!(early.is_err(), "two lead");
    let token = leader.token();
    leader.resign().await.expect("three nodes");
    let next = within(SOON, campaign).await.expect("no panic");
    assert!(next.expect("nobody leads").token() > token);
}

#[tokio::test]
async fn a_lost_term_cancels_its_body_and_the_next_win_runs_it_again() {
    let cluster = Cluster::start(3).await;
    let (redlock, operator) = (client(&cluster).await, client(&cluster).await);
    let terms = Arc::new(AtomicU64::new(0));
    let election = redlock.election("scheduler").ttl(Duration::from_secs(2));
    let counted = Arc::clone(&terms);
    let leading = tokio::spawn(async move {
        election
            .run(move |leader| {
                let term = counted.fetch_add(1, SeqCst);
                async move {
                    if term == 0 {
                        std::future::pending::<()>().await;
                    }
                    leader.token()
                }
            })
            .await
    });
    eventually(SOON, async || terms.load(SeqCst) == 1).await;
    let first = operator.holder("scheduler").await.expect("three nodes");
    let first = first.expect("a leader").token;
    operator
        .force_release("scheduler")
        .await
        .expect("three nodes");
    let token = within(SOON, leading).await.expect("no panic");
    assert!(token.expect("the second term ends well") > first);
    assert_eq!(terms.load(SeqCst), 2);
    eventually(SOON, async || {
        cluster.locked_on("scheduler").await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn another_process_leads_after_the_leader_crashed() {
    let cluster = Cluster::start(3).await;
    let urls = cluster.urls();
    let crashed = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("threads");
        // Without its runtime the term is not renewed, and it is not released while it is kept.
        runtime.block_on(async {
            let redlock = Redlock::connect(urls).await.expect("three nodes");
            let election = redlock.election("scheduler").ttl(Duration::from_secs(1));
            election.campaign().await.expect("nobody leads")
        })
    });
    let crashed = crashed.join().expect("no panic");
    let redlock = client(&cluster).await;
    let next = within(SOON, redlock.election("scheduler").campaign()).await;
    assert!(next.expect("the ttl is over").token() > crashed.token());
    assert!(crashed.is_lost());
}

#[tokio::test]
async fn observers_see_the_leader_and_an_outage() {
    let cluster = Cluster::start(3).await;
    let (redlock, observer) = (client(&cluster).await, client(&cluster).await);
    let mut leaders = observer.election("scheduler").observe(PERIOD);
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    assert_eq!(seen.expect("three nodes"), None);
    let election = redlock.election("scheduler");
    let term = election.campaign().await.expect("nobody leads");
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    let leader = seen.expect("three nodes").expect("a leader");
    assert_eq!(leader.owner, term.owner());
    assert_eq!(leader.token, term.token());
    term.resign().await.expect("three nodes");
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    assert_eq!(seen.expect("three nodes"), None);
    cluster.node(0).kill();
    cluster.node(1).kill();
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    assert!(seen.expect_err("one node").is_no_quorum());
    observer.close().await;
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    assert_eq!(seen.expect_err("closed").kind(), ErrorKind::Closed);
    assert!(within(SOON, leaders.next()).await.is_none());
}

#[tokio::test]
async fn nobody_leads_during_a_cool_down() {
    let redlock = Redlock::connect(redlock::memory::Nodes::new(3).nodes());
    let redlock = redlock.await.expect("three nodes");
    let guard = redlock.lock("scheduler").await.expect("free");
    let mut leaders = redlock.election("scheduler").observe(PERIOD);
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    let leader = seen.expect("three nodes").expect("a holder");
    assert_eq!(leader.owner, guard.owner());
    let window = Duration::from_secs(60);
    guard.cool_down(window).await.expect("three nodes");
    let seen = within(SOON, leaders.next()).await.expect("not ended");
    assert_eq!(seen.expect("three nodes"), None);
}

#[tokio::test]
async fn an_invalid_election_is_an_error_of_its_campaign() {
    let redlock = Redlock::connect(redlock::memory::Nodes::new(3).nodes());
    let redlock = redlock.await.expect("three nodes");
    let invalid = redlock.election("").campaign().await;
    assert!(invalid.expect_err("no key").is_invalid());
    let election = redlock.election("scheduler").ttl(Duration::ZERO);
    assert!(election.campaign().await.expect_err("no ttl").is_invalid());
    let mut leaders = redlock.election("").observe(PERIOD);
    let seen = leaders.next().await.expect("an error");
    assert!(seen.expect_err("no key").is_invalid());
    assert!(leaders.next().await.is_none());
}

#[tokio::test]
async fn a_term_is_watched_by_code_that_does_not_keep_it() {
    let cluster = Cluster::start(3).await;
    let (redlock, operator) = (client(&cluster).await, client(&cluster).await);
    let election = redlock.election("scheduler").ttl(Duration::from_secs(2));
    let term = within(SOON, election.campaign()).await;
    let term = term.expect("nobody leads");
    let (held, lost) = (term.held(), term.lost());
    assert_eq!((held.key(), held.token()), ("scheduler", term.token()));
    assert!(!held.is_lost() && !term.remaining().is_zero());
    assert!(term.remaining() <= Duration::from_secs(2));
    let forced = operator.force_release("scheduler").await;
    forced.expect("three nodes");
    within(SOON, lost).await;
    assert!(held.is_lost() && term.is_lost());
    assert!(held.remaining().is_zero() && term.remaining().is_zero());
    let next = within(SOON, operator.election("scheduler").campaign()).await;
    assert!(next.expect("nobody leads").token() > term.token());
}
