//! The identity may be any part of the key, and a key without one may be declared public.

use redlock::Redlock;
use redlock_tower::{KeyExtractor, RedlockLayer, key, replay::MemoryStore};
use std::time::Duration;

#[derive(Clone)]
struct User {
    id: u64,
}

fn check<K: KeyExtractor<Scope = key::Stated>>(redlock: &Redlock, key: K) {
    let day = Duration::from_secs(24 * 60 * 60);
    let _ = RedlockLayer::new(redlock.clone(), key).replay(MemoryStore::new(), day);
}

fn stated(redlock: &Redlock) {
    check(redlock, key::identity(key::header("x-user-id")));
    check(
        redlock,
        key::identity(key::header("x-user-id")).and(key::idempotency_key()),
    );
    check(
        redlock,
        key::path("id").and(key::identity(key::extension(|user: &User| {
            Some(user.id.to_string())
        }))),
    );
    check(
        redlock,
        key::identity(|parts: &http::request::Parts| {
            parts
                .extensions
                .get::<User>()
                .map(|user| user.id.to_string())
        }),
    );
    check(redlock, key::public(key::idempotency_key()));
}

#[test]
fn compiles() {
    let _ = stated;
}
