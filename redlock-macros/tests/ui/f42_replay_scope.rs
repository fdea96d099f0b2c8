//! A replay needs a key that names the caller. Otherwise a client could get the recorded response of another one.

use redlock::Redlock;
use redlock_tower::{KeyExtractor, RedlockLayer, key, replay::MemoryStore};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn by_resource(redlock: Redlock) {
    let _ = RedlockLayer::new(redlock, key::path("id")).replay(MemoryStore::new(), DAY);
}

fn by_submit_only(redlock: Redlock) {
    let _ = RedlockLayer::new(redlock, key::idempotency_key()).replay(MemoryStore::new(), DAY);
}

fn identity_only_in_one_alternative(redlock: Redlock) {
    let user_or_session = key::identity(key::header("x-user-id")).or(key::cookie("session"));
    let _ = RedlockLayer::new(redlock, user_or_session).replay(MemoryStore::new(), DAY);
}

fn main() {}
