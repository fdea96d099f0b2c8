//! The example of the front page.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    let_underscore_drop,
    rust_2018_idioms,
    single_use_lifetimes
)]

use redlock::{Redlock, redlock};

/// Who buys.
#[derive(Debug)]
pub struct User {
    id: u64,
}

/// The service.
#[derive(Clone, Debug)]
pub struct App {
    locks: Redlock,
}

/// What is bought.
#[derive(Debug)]
pub struct Receipt;

/// Why not.
#[derive(Debug)]
pub enum AppError {
    /// The lock.
    Lock(redlock::Error),
}

impl From<redlock::Error> for AppError {
    fn from(error: redlock::Error) -> Self {
        Self::Lock(error)
    }
}

/// Buys.
#[redlock(key = "order:{user.id}", ttl = "10s", lock = app.locks)]
pub async fn submit(user: User, app: App) -> Result<Receipt, AppError> {
    let _both = (user, app);
    Ok(Receipt)
}

/// Reports.
#[redlock(key = "nightly-report", ttl = "30s", at_least = "1m", on_busy = skip)]
pub async fn nightly_report() {}
