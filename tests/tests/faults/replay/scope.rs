//! To whom a recorded answer is given again.
//!
//! A key that names no caller does not compile: `tests/ui/fail/f42_replay_scope.rs`.

use super::{DAY, locks, read, replayed, submit};
use axum::{Extension, Router, extract::Request, middleware, routing::post};
use redlock_tower::{KeyExtractor as _, RedlockLayer, key, replay::MemoryStore};
use tower::ServiceExt as _;

#[derive(Clone)]
struct User(String);

/// An authentication that believes a bearer token.
fn authenticated(app: Router) -> Router {
    app.layer(middleware::from_fn(
        async |mut request: Request, next: middleware::Next| {
            let token = request.headers()["authorization"].to_str().unwrap();
            let user = User(token.trim_start_matches("Bearer ").to_owned());
            request.extensions_mut().insert(user);
            next.run(request).await
        },
    ))
}

fn account() -> Router {
    let handler = async |Extension(User(name)): Extension<User>| format!("the account of {name}");
    Router::new()
        .route("/orders/{id}/pay", post(handler))
        .route("/orders/{id}/ship", post(handler))
}

async fn as_user(app: &Router, path: &str, user: &str) -> (u16, bool, String) {
    let mut request = submit(path, "1", "");
    let token = format!("Bearer {user}").parse().unwrap();
    request.headers_mut().insert("authorization", token);
    let answer = read(app.clone().oneshot(request).await.unwrap()).await;
    (answer.status, replayed(&answer), answer.text())
}

#[tokio::test]
async fn f42_an_answer_goes_to_the_identity_that_asked_and_to_nobody_else() {
    let by_user = || key::identity(key::extension(|user: &User| Some(user.0.clone())));
    let stated = RedlockLayer::new(locks().await, by_user()).replay(MemoryStore::new(), DAY);
    let first = RedlockLayer::new(locks().await, by_user().and(key::path("id")))
        .replay(MemoryStore::new(), DAY);
    let last = RedlockLayer::new(locks().await, key::path("id").and(by_user()))
        .replay(MemoryStore::new(), DAY);
    for app in [
        account().layer(stated),
        account().layer(first),
        account().layer(last),
    ] {
        let app = authenticated(app);
        for again in [false, true] {
            for user in ["ann", "bob"] {
                assert_eq!(
                    as_user(&app, "/orders/7/pay", user).await,
                    (200, again, format!("the account of {user}"))
                );
            }
        }
    }
}

#[tokio::test]
async fn f42_what_is_declared_public_is_given_to_all() {
    let layer = RedlockLayer::new(locks().await, key::public(key::idempotency_key()));
    let app = authenticated(account().layer(layer.replay(MemoryStore::new(), DAY)));
    let ann = as_user(&app, "/orders/7/pay", "ann").await;
    let bob = as_user(&app, "/orders/7/pay", "bob").await;
    assert_eq!(ann, (200, false, "the account of ann".to_owned()));
    assert_eq!(bob, (200, true, "the account of ann".to_owned()));
}

/// Two services of one store are apart by the namespaces of their locks.
#[tokio::test]
async fn f42_two_services_share_no_record() {
    let store = MemoryStore::new();
    let cluster = redlock::memory::Cluster::new(3);
    for namespace in ["shop:", "bank:"] {
        let redlock = redlock::Redlock::builder()
            .namespace(namespace)
            .nodes(cluster.nodes())
            .connect()
            .await
            .unwrap();
        let by_user = key::identity(key::header("authorization"));
        let layer = RedlockLayer::new(redlock, by_user).replay(store.clone(), DAY);
        let app = authenticated(account().layer(layer));
        let (_, again, _) = as_user(&app, "/orders/7/pay", "ann").await;
        assert!(!again, "{namespace}");
    }
}

/// A layer further in whose requests have no key of its own does not work under the outer layer's lock.
#[tokio::test]
async fn f42_a_layer_without_a_key_records_nothing_under_anothers_lock() {
    let inner = RedlockLayer::new(locks().await, key::identity(key::header("x-nobody")))
        .replay(MemoryStore::new(), DAY);
    let outer = RedlockLayer::new(locks().await, key::header("authorization"));
    let app = authenticated(account().layer(inner).layer(outer));
    for user in ["ann", "ann", "bob"] {
        let (_, again, _) = as_user(&app, "/orders/7/pay", user).await;
        assert!(!again, "{user}");
    }
}

/// What else a caller can be.
#[derive(Clone)]
struct Machine(u64);

#[derive(Clone)]
struct Partner(u64);

/// Callers of several kinds, each with numbers of its own: user 7 and machine 7 are two.
#[tokio::test]
async fn f42_alternatives_with_the_same_value_are_others() {
    let user = || key::identity(key::extension(|user: &User| Some(user.0.clone())));
    let machine = || key::identity(key::extension(|machine: &Machine| Some(machine.0)));
    let partner = || key::identity(key::extension(|partner: &Partner| Some(partner.0)));
    let to_the_left = user().or(machine()).or(partner());
    let to_the_right = user().or(machine().or(partner()));
    let boxed = user().boxed().or(machine().boxed()).boxed().or(partner());
    let store = MemoryStore::new;
    for app in [
        account_of_any().layer(RedlockLayer::new(locks().await, to_the_left).replay(store(), DAY)),
        account_of_any().layer(RedlockLayer::new(locks().await, to_the_right).replay(store(), DAY)),
        account_of_any().layer(RedlockLayer::new(locks().await, boxed).replay(store(), DAY)),
    ] {
        for again in [false, true] {
            for kind in ["user", "machine", "partner"] {
                let mut request = submit("/", "1", "");
                match kind {
                    "user" => request
                        .extensions_mut()
                        .insert(User("7".to_owned()))
                        .is_some(),
                    "machine" => request.extensions_mut().insert(Machine(7)).is_some(),
                    _ => request.extensions_mut().insert(Partner(7)).is_some(),
                };
                let answer = read(app.clone().oneshot(request).await.unwrap()).await;
                assert_eq!((replayed(&answer), answer.text()), (again, kind.to_owned()));
            }
        }
    }
}

fn account_of_any() -> Router {
    let handler = async |request: Request| {
        let of = request.extensions();
        match (of.get::<User>(), of.get::<Machine>()) {
            (Some(_), _) => "user",
            (_, Some(_)) => "machine",
            _ => "partner",
        }
    };
    Router::new().route("/", post(handler))
}

/// A record is guarded by the token, so a layer that keeps answers has one, whatever the client's setting.
#[tokio::test]
async fn f42_a_client_without_fencing_keeps_answers_under_tokens() {
    let nodes = redlock::memory::Cluster::new(3).nodes();
    let redlock = redlock::Redlock::builder().nodes(nodes).fencing(false);
    let redlock = redlock.connect().await.unwrap();
    let handler = async |lock: redlock_tower::HeldLock| lock.token().to_string();
    let by_user = key::identity(key::header("x-user-id"));
    let layer = RedlockLayer::new(redlock, by_user).replay(MemoryStore::new(), DAY);
    let app = Router::new().route("/", post(handler)).layer(layer);
    let answer = read(app.oneshot(submit("/", "1", "")).await.unwrap()).await;
    assert_ne!(answer.text(), "0");
}
