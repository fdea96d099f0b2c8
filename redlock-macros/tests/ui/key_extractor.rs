//! The key of a layer is an extractor: the name of a header alone is none.

use redlock::Redlock;
use redlock_tower::RedlockLayer;

fn a_name(redlock: Redlock) {
    let _ = RedlockLayer::new(redlock, "x-user-id");
}

fn main() {}
