//! Prints how many allocations the layer adds to a request that it lets pass: with the method GET, and without a key.
//!
//! A program of its own, since counting takes an allocator that the figures of the benchmark should not pay for.

mod passing;

use allocation_counter::measure;
use passing::{Passes, Plain, call};
use redlock::{Redlock, memory::Nodes};
use redlock_tower::{RedlockLayer, key};
use tower::Layer;

const REQUESTS: u64 = 1_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), redlock::Error> {
    let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    let mut plain = Plain;
    let mut layered = RedlockLayer::new(redlock, key::header("x-user-id")).layer(Plain);
    for passes in [Passes::Get, Passes::NoKey] {
        let count = |call: &mut dyn FnMut()| {
            // The first may set up what all others share.
            call();
            measure(|| (0..REQUESTS).for_each(|_| call())).count_total as f64 / REQUESTS as f64
        };
        let with = count(&mut || call(&mut layered, passes.request()));
        let without = count(&mut || call(&mut plain, passes.request()));
        println!("{}", with - without);
    }
    Ok(())
}
