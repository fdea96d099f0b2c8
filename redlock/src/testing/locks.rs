//! Assertions about the locks that nodes in memory hold.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    command::Owner,
    memory::{Node, Nodes},
};

/// How often to look again while a release is awaited.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// Asserts that somebody holds the lock of `key`: a majority of the nodes has it for the same owner.
///
/// `key` is that of the request, with the [namespace](crate::Builder::namespace) of the client in front of it, if it has one. The
/// data of the nodes count, whether they can be reached or not. A [cool-down](crate::Guard::cool_down) is not a holder.
///
/// The question whether the current task runs under a lock is another one: see [`redlock::assert_held`](crate::assert_held).
///
/// # Panics
/// If no majority has the lock. The message says what each node has.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes, testing};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// let nodes = Nodes::new(3);
/// let redlock = Redlock::builder().nodes(nodes.nodes()).namespace("shop:").connect().await?;
/// let guard = redlock.lock("invoice:42").await?;
/// testing::assert_held(&nodes, "shop:invoice:42");
/// # drop(guard); Ok(()) }
/// ```
#[track_caller]
pub fn assert_held(nodes: &Nodes, key: &str) {
    let nodes = nodes.nodes();
    let owners: Vec<String> = nodes.iter().filter_map(|node| node.get(key)).collect();
    let held = owners.iter().any(|owner| {
        let votes = owners.iter().filter(|other| *other == owner).count();
        votes > nodes.len() / 2 && !Owner::is_cool_down(owner.as_bytes())
    });
    assert!(
        held,
        "nobody holds `{}`: {}",
        key.escape_debug(),
        describe(&nodes, key)
    );
}

/// Asserts that no node has the lock of `key`, not even for a [cool-down](crate::Guard::cool_down).
///
/// A guard that is dropped is released in the background: see [`assert_released_within`].
///
/// # Panics
/// If a node has the key. The message says what each node has.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes, testing};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// let nodes = Nodes::new(3);
/// let redlock = Redlock::connect(nodes.nodes()).await?;
/// redlock.lock("invoice:42").run(async |_| { /* .. */ }).await?;
/// testing::assert_released(&nodes, "invoice:42");
/// # Ok(()) }
/// ```
#[track_caller]
pub fn assert_released(nodes: &Nodes, key: &str) {
    let nodes = nodes.nodes();
    assert!(
        is_released(&nodes, key),
        "`{}` is not released: {}",
        key.escape_debug(),
        describe(&nodes, key)
    );
}

/// Waits until no node has the lock of `key`, and asserts that this takes no longer than `bound`, in tokio's time.
///
/// `key` is that of [`assert_held`]. The bound for a lock that nobody releases, as after a crash, is its ttl.
///
/// # Panics
/// If a node still has the key after `bound`. The message says what each node has.
///
/// # Cancel safety
/// It only looks; dropping the future changes nothing.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes, testing};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// let nodes = Nodes::new(3);
/// let redlock = Redlock::connect(nodes.nodes()).await?;
/// drop(redlock.lock("invoice:42").await?);
/// testing::assert_released_within(&nodes, "invoice:42", Duration::from_secs(1)).await;
/// # Ok(()) }
/// ```
pub async fn assert_released_within(nodes: &Nodes, key: &str, bound: Duration) {
    let (nodes, start) = (nodes.nodes(), Instant::now());
    while !is_released(&nodes, key) {
        assert!(
            start.elapsed() < bound,
            "`{}` is not released after {bound:?}: {}",
            key.escape_debug(),
            describe(&nodes, key)
        );
        sleep(LOOK_AGAIN).await;
    }
}

fn is_released(nodes: &[Node], key: &str) -> bool {
    nodes.iter().all(|node| node.get(key).is_none())
}

/// What each node has under the key.
fn describe(nodes: &[Node], key: &str) -> String {
    let on_node = |node: &Node| {
        let name = node.name();
        match (node.get(key), node.ttl(key)) {
            (None, _) => format!("{name} has nothing"),
            (Some(owner), left) => {
                let what = match Owner::is_cool_down(owner.as_bytes()) {
                    true => "a cool-down".to_owned(),
                    false => format!("the owner {}", owner.escape_debug()),
                };
                match left {
                    Some(left) => format!("{name} has {what} for {left:?}"),
                    None => format!("{name} has {what} without an expiry"),
                }
            }
        }
    };
    let nodes: Vec<String> = nodes.iter().map(on_node).collect();
    nodes.join("; ")
}
