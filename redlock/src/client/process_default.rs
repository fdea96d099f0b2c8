//! The process default: set once, and used by attributes that name no lock service.

use std::sync::OnceLock;

use crate::{
    client::Redlock,
    error::{Error, Result},
};

static DEFAULT: OnceLock<Redlock> = OnceLock::new();

/// Sets the lock service that `#[redlock]` uses if it names none. Call it once, usually in `main`.
///
/// # Errors
/// [`is_invalid`](Error::is_invalid) if one was set before. The first one stays.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// redlock::set_default(Redlock::connect(Nodes::new(3).nodes()).await?)?;
/// let guard = redlock::get_default()?.lock("nightly-report").await?;
/// # drop(guard); Ok(()) }
/// ```
pub fn set_default(redlock: Redlock) -> Result<()> {
    DEFAULT.set(redlock).map_err(|_| {
        Error::invalid_config("a default lock service was set before: set it once, in main")
    })
}

/// The lock service that was set by [`set_default`].
///
/// # Errors
/// [`is_not_configured`](Error::is_not_configured) if none was set.
pub fn get_default() -> Result<Redlock> {
    DEFAULT.get().cloned().ok_or_else(Error::not_configured)
}
