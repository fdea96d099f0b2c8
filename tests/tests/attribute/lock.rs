//! `lock = expression`, and the process default where there is none.

use std::sync::{Arc, LazyLock};

use redlock::{Redlock, Result, redlock};
use tokio::sync::RwLock;

use tests::World;

struct App {
    locks: Arc<Redlock>,
    guarded: Arc<RwLock<Redlock>>,
}

static LAZY: LazyLock<Redlock> =
    LazyLock::new(|| Redlock::connect_lazy(["redis://127.0.0.1:1"]).unwrap());

#[redlock(key = "app", ttl = "10s", lock = app.locks)]
async fn field(app: App) -> Result<App> {
    Ok(app)
}

/// What the expression borrows is given back before the body runs.
#[redlock(key = "app", ttl = "10s", lock = *app.guarded.read().await)]
async fn guarded(app: &App) -> Result<bool> {
    Ok(app.guarded.try_write().is_ok())
}

#[redlock(key = "app", ttl = "10s", lock = find(app)?)]
async fn fallible(app: Option<&App>) -> Result<()> {
    Ok(())
}

fn find(app: Option<&App>) -> Result<&Redlock> {
    match app {
        Some(app) => Ok(&app.locks),
        None => redlock::get_default().map(|_| unreachable!()),
    }
}

#[redlock(key = "lazy", ttl = "1s", wait = "100ms", lock = LAZY)]
async fn lazy() -> Result<()> {
    Ok(())
}

#[redlock(key = "default", ttl = "10s")]
async fn by_default() -> Result<u8> {
    Ok(1)
}

#[tokio::test]
async fn any_expression_that_yields_a_handle() {
    let world = World::new().await;
    let app = App {
        locks: Arc::new(world.locks.clone()),
        guarded: Arc::new(RwLock::new(world.locks.clone())),
    };
    let app = field(app).await.unwrap();
    assert!(guarded(&app).await.unwrap());
    fallible(Some(&app)).await.unwrap();
    assert!(lazy().await.unwrap_err().is_no_quorum());
}

/// The only test of this process that sets the default.
#[tokio::test]
async fn the_default_is_set_once_and_its_absence_is_a_clear_error() {
    let error = by_default().await.unwrap_err();
    assert!(error.is_not_configured(), "{error}");
    assert!(error.to_string().contains("set_default"), "{error}");
    assert!(fallible(None).await.unwrap_err().is_not_configured());

    let world = World::new().await;
    redlock::set_default(world.locks.clone()).unwrap();
    assert_eq!(by_default().await.unwrap(), 1);
    assert!(redlock::set_default(world.locks.clone()).is_err());
}
