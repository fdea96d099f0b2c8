//! Options that contradict each other: each request is rejected, with an error that names both and says what to do. All pairs.

use axum::Router;
use redlock::Redlock;
use redlock_tower::{Reason, RedlockLayer, Rejection, key, replay::MemoryStore};
use std::{sync::Arc, time::Duration};
use tests::{
    Cluster,
    web::{Answer, DAY, Orders, by_user, order, send},
};

type Layer = RedlockLayer<key::Identity<key::Header>>;

/// The options in the order in which a user may set them: those of the lock come first.
const OPTIONS: [&str; 12] = [
    "newest_wins",
    "permits",
    "read",
    "write",
    "reentrant",
    "dedupe_for",
    "at_least",
    "max_hold",
    "no_wait",
    "fail_open",
    "replay",
    "share",
];

/// The pairs that contradict each other, and why.
const CONTRADICTIONS: [(&str, &str, &str); 26] = [
    ("newest_wins", "permits", "a semaphore has several holders"),
    ("newest_wins", "read", "readers run beside each other"),
    ("newest_wins", "write", "readers are not superseded"),
    ("newest_wins", "reentrant", "a joined lock is the caller's"),
    (
        "newest_wins",
        "dedupe_for",
        "a cool-down refuses the newest request",
    ),
    ("newest_wins", "at_least", "it keeps the newest request out"),
    ("newest_wins", "no_wait", "the holder has to stop first"),
    ("newest_wins", "replay", "must not supersede it"),
    ("newest_wins", "share", "must not supersede it"),
    ("permits", "read", "a semaphore has no sides"),
    ("permits", "write", "a semaphore has no sides"),
    ("permits", "reentrant", "another permit may be free"),
    ("permits", "dedupe_for", "another permit may be free"),
    ("permits", "replay", "under an exclusive lock"),
    ("permits", "share", "under an exclusive lock"),
    ("read", "write", "A writer may read as well"),
    (
        "read",
        "dedupe_for",
        "nobody has to be kept out after a reader",
    ),
    (
        "read",
        "at_least",
        "nobody has to be kept out after a reader",
    ),
    ("read", "replay", "under an exclusive lock"),
    ("read", "share", "under an exclusive lock"),
    ("write", "replay", "under an exclusive lock"),
    ("write", "share", "under an exclusive lock"),
    ("reentrant", "dedupe_for", "belongs to the caller"),
    ("reentrant", "at_least", "belongs to the caller"),
    ("reentrant", "max_hold", "belongs to the caller"),
    ("at_least", "share", "refuses the duplicates that wait"),
];

fn with(layer: Layer, option: &str) -> Layer {
    let time = Duration::from_secs(20);
    match option {
        "newest_wins" => layer.newest_wins(true),
        "permits" => layer.permits(2),
        "read" => layer.read(),
        "write" => layer.write(),
        "reentrant" => layer.reentrant(true),
        "dedupe_for" => layer.dedupe_for(time),
        "at_least" => layer.at_least(time),
        "max_hold" => layer.max_hold(time),
        "no_wait" => layer.no_wait(),
        "fail_open" => layer.fail_open(),
        _ => layer,
    }
}

fn app(redlock: &Redlock, orders: &Arc<Orders>, (one, other): (&str, &str)) -> Router {
    let layer = RedlockLayer::new(redlock.clone(), by_user()).namespace(format!("{one}+{other}"));
    let layer = with(with(layer, one), other);
    match other {
        "replay" => orders.route().layer(layer.replay(MemoryStore::new(), DAY)),
        "share" => orders.route().layer(layer.share(MemoryStore::new())),
        _ => orders.route().layer(layer),
    }
}

/// What the log says.
fn text(answer: &Answer) -> String {
    let rejection: Option<&Rejection> = answer.extensions.get();
    let error = rejection.and_then(Rejection::error);
    error.map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn each_pair_is_accepted_or_refused_with_a_text_about_both() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let orders = Orders::unblocked();
    let (mut accepted, mut refused) = (0, 0);
    for (place, one) in OPTIONS.into_iter().enumerate() {
        for other in OPTIONS.into_iter().skip(place + 1) {
            // Stacked layers: one inside of the other does not compile.
            if (one, other) == ("replay", "share") {
                continue;
            }
            let before = orders.entered();
            let answer = send(&app(&redlock, &orders, (one, other)), order("ann")).await;
            let pair = format!("{one} and {other}");
            let mut contradictions = CONTRADICTIONS.into_iter();
            let Some((.., why)) = contradictions.find(|(a, b, _)| (*a, *b) == (one, other)) else {
                assert_eq!(answer.status, 201, "{pair}: {}", text(&answer));
                accepted += 1;
                continue;
            };
            refused += 1;
            assert_eq!(answer.reason(), Some(Reason::Misconfigured), "{pair}");
            assert_eq!(answer.status, 500, "{pair}");
            assert_eq!(orders.entered(), before, "{pair}: the handler did not run");
            let text = text(&answer);
            for option in [one, other] {
                assert!(text.contains(&format!("`{option}`")), "{pair}: {text}");
            }
            for part in [why, "eave"] {
                assert!(text.contains(part), "{pair}: {text}");
            }
            assert!(!answer.text().contains(one), "clients are not told");
        }
    }
    assert_eq!((accepted, refused), (39, 26));
}

/// A wait makes no difference.
#[tokio::test]
async fn a_replay_that_waits_contradicts_newest_wins_as_well() {
    let cluster = Cluster::start(3).await;
    let redlock = Redlock::connect(cluster.urls()).await.unwrap();
    let orders = Orders::unblocked();
    let layer = || {
        let layer = RedlockLayer::new(redlock.clone(), by_user()).newest_wins(true);
        layer.wait(Duration::from_secs(5))
    };
    let replays = orders
        .route()
        .layer(layer().replay(MemoryStore::new(), DAY));
    let shares = orders.route().layer(layer().share(MemoryStore::new()));
    for (app, name) in [(replays, "`replay`"), (shares, "`share`")] {
        let answer = send(&app, order("ann")).await;
        assert_eq!(answer.reason(), Some(Reason::Misconfigured), "{name}");
        let text = text(&answer);
        assert!(
            text.contains("`newest_wins`") && text.contains(name),
            "{text}"
        );
    }
    assert_eq!(orders.entered(), 0);
}
