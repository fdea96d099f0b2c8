//! Tickets with foreign content, whose checksum is right: anybody can compute it.

use redlock::{Redlock, Ticket, memory::Nodes};
use tests::World;

use crate::MINUTE;

/// The checksum of the format.
fn with_checksum(content: &str) -> String {
    let hash = content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("redlock-ticket 1 {hash:016x} {content}")
}

/// Each is an error of the text or of its adoption, and what it names is left alone.
#[tokio::test]
async fn a_forged_ticket_is_an_error_and_changes_nothing() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes()).await.expect("three nodes");
    let held = redlock.lock("a").ttl(MINUTE).await.expect("free");
    let owner = "00112233445566778899aabbccdd2ed1";
    let max = u64::MAX;
    let own = held.owner().to_owned();
    let mut contents = Vec::new();
    for owner in [owner, &own, "cool-down:00112233445566778899aa", "x", ""] {
        for token in ["0", "1", "9007199254740991", "18446744073709551615", "-1"] {
            for (ttl, until) in [(0, 0), (10_000, 0), (max, max), (1, max), (10_000, max)] {
                for (split, name) in [(0, "a"), (0, ""), (1, "ab"), (9, "a"), (0, "a{b"), (0, "é")]
                {
                    contents.push(format!("{owner} {token} {ttl} {until} {split} {name}"));
                }
            }
        }
    }
    for content in contents {
        let Ok(ticket) = with_checksum(&content).parse::<Ticket>() else {
            continue;
        };
        // That of the lock itself is no forgery: whoever knows the owner may adopt.
        if content.starts_with(&own) && ticket.key() == "a" {
            continue;
        }
        match redlock.adopt(&ticket).await {
            Ok(guard) => assert!(guard.key() != "a", "{content}"),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(!held.is_lost());
    held.extend().await.expect("nobody took it");
    held.release().await.expect("three nodes");
}

/// An adoption needs memory for its token. The ticket stays what it was.
#[tokio::test]
async fn full_nodes_leave_a_ticket_adoptable() {
    let world = World::new().await;
    let guard = world.locks.lock("a").ttl(MINUTE).await.expect("free");
    let ticket = guard.detach().expect("it is held");
    for node in world.nodes.nodes() {
        node.fill(true);
    }
    world
        .elsewhere
        .adopt(&ticket)
        .await
        .expect_err("full nodes");
    for node in world.nodes.nodes() {
        node.fill(false);
    }
    let adopted = world.elsewhere.adopt(&ticket).await;
    let adopted = adopted.expect("nobody else has it");
    assert!(adopted.token() > ticket.token());
    adopted.release().await.expect("three nodes");
}
