//! Who gets a recorded response.
//!
//! `redlock-macros/tests/ui/f42_replay_scope.rs` shows that a key without an identity does not compile.

use axum::{Extension, Router, extract::Request, middleware, routing::post};
use redlock_tower::{KeyExtractor as _, RedlockLayer, key, replay::MemoryStore};
use tests::web::{DAY, read, redlock, send, submit};
use tower::ServiceExt as _;

#[derive(Clone)]
struct User(String);

/// An authentication whose bearer token is the user's name.
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
    let answer = send(app, request).await;
    (
        answer.status,
        answer.is_replayed(),
        answer.text().to_owned(),
    )
}

#[tokio::test]
async fn f42_a_response_is_replayed_only_to_its_identity() {
    let by_user = || key::identity(key::extension(|user: &User| Some(user.0.clone())));
    let stated = RedlockLayer::new(redlock().await, by_user()).replay(MemoryStore::new(), DAY);
    let first = RedlockLayer::new(redlock().await, by_user().and(key::path("id")))
        .replay(MemoryStore::new(), DAY);
    let last = RedlockLayer::new(redlock().await, key::path("id").and(by_user()))
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
async fn f42_a_response_under_a_public_key_is_replayed_to_all() {
    let layer = RedlockLayer::new(redlock().await, key::public(key::idempotency_key()));
    let app = authenticated(account().layer(layer.replay(MemoryStore::new(), DAY)));
    let ann = as_user(&app, "/orders/7/pay", "ann").await;
    let bob = as_user(&app, "/orders/7/pay", "bob").await;
    assert_eq!(ann, (200, false, "the account of ann".to_owned()));
    assert_eq!(bob, (200, true, "the account of ann".to_owned()));
}

/// The namespace of the client is part of the name of a record.
#[tokio::test]
async fn f42_two_services_share_no_record() {
    let store = MemoryStore::new();
    let cluster = redlock::memory::Nodes::new(3);
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

/// The requests have a key for the outer layer, and none for the inner one.
#[tokio::test]
async fn f42_a_request_without_a_key_is_not_recorded_under_an_outer_lock() {
    let inner = RedlockLayer::new(redlock().await, key::identity(key::header("x-nobody")))
        .replay(MemoryStore::new(), DAY);
    let outer = RedlockLayer::new(redlock().await, key::header("authorization"));
    let app = authenticated(account().layer(inner).layer(outer));
    for user in ["ann", "ann", "bob"] {
        let (_, again, _) = as_user(&app, "/orders/7/pay", user).await;
        assert!(!again, "{user}");
    }
}

/// Other kinds of callers.
#[derive(Clone)]
struct Machine(u64);

#[derive(Clone)]
struct Partner(u64);

/// Callers of several kinds are numbered independently: user 7 and machine 7 are different.
#[tokio::test]
async fn f42_alternatives_with_equal_values_do_not_share_records() {
    let user = || key::identity(key::extension(|user: &User| Some(user.0.clone())));
    let machine = || key::identity(key::extension(|machine: &Machine| Some(machine.0)));
    let partner = || key::identity(key::extension(|partner: &Partner| Some(partner.0)));
    let to_the_left = user().or(machine()).or(partner());
    let to_the_right = user().or(machine().or(partner()));
    let boxed = user().boxed().or(machine().boxed()).boxed().or(partner());
    let store = MemoryStore::new;
    for app in [
        account_of_any()
            .layer(RedlockLayer::new(redlock().await, to_the_left).replay(store(), DAY)),
        account_of_any()
            .layer(RedlockLayer::new(redlock().await, to_the_right).replay(store(), DAY)),
        account_of_any().layer(RedlockLayer::new(redlock().await, boxed).replay(store(), DAY)),
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
                let answer = send(&app, request).await;
                assert_eq!((answer.is_replayed(), answer.text()), (again, kind));
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

/// Records are guarded by the token.
#[tokio::test]
async fn f42_a_replay_has_a_fencing_token_although_the_client_has_none() {
    let nodes = redlock::memory::Nodes::new(3).nodes();
    let redlock = redlock::Redlock::builder().nodes(nodes).fencing(false);
    let redlock = redlock.connect().await.unwrap();
    let handler = async |lock: redlock_tower::HeldLock| lock.token().to_string();
    let by_user = key::identity(key::header("x-user-id"));
    let layer = RedlockLayer::new(redlock, by_user).replay(MemoryStore::new(), DAY);
    let app = Router::new().route("/", post(handler)).layer(layer);
    let answer = read(app.oneshot(submit("/", "1", "")).await.unwrap()).await;
    assert_ne!(answer.text(), "0");
}
