//! Helpers for tests of your service on [nodes in memory](crate::memory): whether a lock is held, and scripts of faults.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), redlock::Error> {
//! use redlock::{
//!     Redlock,
//!     memory::Nodes,
//!     testing::{self, Fault, FaultScript},
//! };
//! use std::time::Duration;
//!
//! let nodes = Nodes::seeded(3, 7);
//! let redlock = Redlock::connect(nodes.nodes()).await?;
//!
//! // The work continues while one node after the other fails.
//! let script = FaultScript::new()
//!     .at(Duration::from_secs(1), 0, Fault::Hang)
//!     .at(Duration::from_secs(5), 0, Fault::Heal)
//!     .at(Duration::from_secs(6), 2, Fault::Stop);
//! let work = redlock.lock("invoice:42").run(async |_| {
//!     tokio::time::sleep(Duration::from_secs(60)).await;
//!     testing::assert_held(&nodes, "invoice:42");
//! });
//! let (work, ()) = tokio::join!(work, script.run(&nodes));
//! work?;
//! nodes.heal();
//! testing::assert_released_within(&nodes, "invoice:42", Duration::from_secs(1)).await;
//! # Ok(()) }
//! ```
//!
//! Time is tokio's: under `tokio::time::pause` (`start_paused = true`) a minute passes at once. With [`Nodes::seeded`] and
//! [`FaultScript::seeded`] a test repeats itself.
//!
//! [`Nodes::seeded`]: crate::memory::Nodes::seeded

mod locks;
mod script;

pub use locks::{assert_held, assert_released, assert_released_within};
pub use script::{Fault, FaultScript};
