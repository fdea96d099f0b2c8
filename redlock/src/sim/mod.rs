//! Runs your own code under seeded crashes, pauses, lost replies and clock shifts, on [nodes in memory](crate::memory) and in
//! simulated time. Feature `sim`, for `[dev-dependencies]`: it turns on tokio's `test-util`.
//!
//! A lock cannot stop a holder that is paused for longer than its lease, so code that reads, modifies and writes needs a store
//! that checks [fencing tokens](crate::FencingToken). Whether yours does is hard to try by hand: the pause has to come between
//! the read and the write. [`explore`] runs a scenario many times, each time with other faults at other times, and prints the seed
//! and the faults of a run that fails. The same seed makes the same faults again.
//!
//! ```
//! use redlock::{FencingToken, sim};
//! use std::sync::{Arc, Mutex};
//!
//! /// A counter in a store that refuses requests of earlier holders, reads as well as writes.
//! #[derive(Default)]
//! struct Store {
//!     highest: Option<FencingToken>,
//!     value: u64,
//! }
//!
//! impl Store {
//!     fn read(&mut self, token: FencingToken) -> Option<u64> {
//!         if self.highest.is_some_and(|highest| token < highest) {
//!             return None; // without this check, some seeds lose an update
//!         }
//!         self.highest = Some(token);
//!         Some(self.value)
//!     }
//!
//!     fn write(&mut self, token: FencingToken, value: u64) -> Option<()> {
//!         self.read(token)?;
//!         self.value = value;
//!         Some(())
//!     }
//! }
//!
//! /// The code under test: reads, adds one and writes, under the lock.
//! async fn add(world: sim::World, process: sim::Process, store: Arc<Mutex<Store>>) -> Option<()> {
//!     let guard = process.redlock().lock("counter").await.ok()?;
//!     world.latency().await; // a request to the store takes time
//!     let read = store.lock().unwrap().read(guard.token())?;
//!     world.latency().await;
//!     store.lock().unwrap().write(guard.token(), read + 1)
//! }
//!
//! sim::explore(0..20, |world| async move {
//!     let store = Arc::new(Mutex::new(Store::default()));
//!     let processes: Vec<_> = (0..3)
//!         .map(|_| {
//!             let (inside, store) = (world.clone(), Arc::clone(&store));
//!             world.spawn(|process| add(inside, process, store))
//!         })
//!         .collect();
//!
//!     let mut written = 0;
//!     for process in processes {
//!         written += u64::from(process.await.flatten().is_some()); // `None`: it crashed
//!     }
//!     assert!(store.lock().unwrap().value >= written, "an update is lost");
//! });
//! ```
//!
//! # What may happen
//!
//! Each run draws a few of these, and when they occur:
//!
//! | fault | |
//! |---|---|
//! | pause | A process is not polled for 10 ms to 40 s, half of the times for longer than the default ttl, like one in a garbage collection or on a suspended machine. It renews no lock, and does not know it. |
//! | crash | A process ends at an await, and its connections with it. It releases nothing: its lock expires. |
//! | lost replies | A node carries out what a process sends, and the replies are lost for a while. |
//! | cut | A process and a node do not reach each other for a while. |
//! | node | A node hangs or is down for a while, or restarts empty: that only of a minority. |
//! | clock shift | The clock of a node moves forward, so that locks expire early on it: by 4 s in all at most, less than the default [`clock_skew`](crate::Builder::clock_skew). |
//!
//! A fault strikes at an await. A fake that answers without one leaves nothing in between: let it await [`World::latency`], or
//! sleep. Promises of the lock that need no token, such as that two holders do not overlap, end with a clock shift or with a pause,
//! since no lock can keep them; tokens keep their order under all of these faults. A test for other code turns faults off with
//! [`Explorer::without`].
//!
//! # What repeats
//!
//! The faults, the times, the latencies and the pauses of the client follow from the seed. Your code has to be deterministic as
//! well: one thread, no wall clock, no I/O of its own, random numbers from [`World::seed`]. A few races inside the client are decided by
//! the random names of owners, so rarely a seed runs differently a second time.

mod explorer;
mod nemesis;
mod process;
mod world;

pub use explorer::{Explorer, Failure, explore};
pub use nemesis::Hazard;
pub use process::{Process, Running};
pub use world::World;
