//! Return types of the user's own under `dedupe_for`: the type says what a success is.

use http::{HeaderMap, StatusCode};
use redlock::{Outcome, Redlock, redlock};
use tests::World;

/// Becomes a response in the framework, so it has no status yet.
#[derive(Clone, Copy)]
enum Page {
    Receipt,
    SoldOut,
}

impl Outcome for Page {
    fn is_success(&self) -> bool {
        matches!(self, Self::Receipt)
    }
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m", on_error = |_| Page::SoldOut)]
async fn plain(locks: &Redlock, page: Page) -> Page {
    page
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
async fn in_result(locks: &Redlock, page: Page) -> Result<Page, redlock::Error> {
    Ok(page)
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
async fn behind_headers(locks: &Redlock, page: Page) -> Result<(HeaderMap, Page), redlock::Error> {
    Ok((HeaderMap::new(), page))
}

/// A generic type of the user's own.
struct Accepted<T>(T, StatusCode);

impl<T> Outcome for Accepted<T> {
    fn is_success(&self) -> bool {
        Outcome::is_success(&self.1)
    }
}

#[redlock(key = "k", ttl = "10s", lock = locks, no_wait, dedupe_for = "1m")]
async fn generic<T: Send>(
    locks: &Redlock,
    value: T,
    status: StatusCode,
) -> Result<Accepted<T>, redlock::Error> {
    Ok(Accepted(value, status))
}

#[tokio::test]
async fn f24_a_failure_of_a_type_of_the_users_own_starts_no_cool_down() {
    for (page, status) in [
        (Page::Receipt, StatusCode::CREATED),
        (Page::SoldOut, StatusCode::CONFLICT),
    ] {
        let opens = page.is_success();
        for kind in 0..4 {
            let world = World::new().await;
            let locks = &world.locks;
            match kind {
                0 => drop(plain(locks, page).await),
                1 => drop(in_result(locks, page).await.expect("free")),
                2 => drop(behind_headers(locks, page).await.expect("free")),
                _ => drop(generic(locks, 7, status).await.expect("free").0),
            }
            if !opens {
                world.free("k").await;
            }
            assert_eq!(world.is_held("k"), opens, "{kind}");
        }
    }
}
