//! Other functions of real programs, without a warning of the compiler or of clippy's pedantic lints.
#![deny(
    warnings,
    missing_docs,
    unused_qualifications,
    unused_lifetimes,
    trivial_casts,
    unsafe_code
)]
// Written as users write it.
#![allow(clippy::non_minimal_cfg)]
#![deny(rust_2018_idioms)]
#![allow(dead_code)]

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redlock::{Error, Redlock, redlock};

/// An app.
#[derive(Debug, Clone)]
pub struct App {
    /// Locks.
    pub locks: Redlock,
    /// A name.
    pub name: String,
}

/// Generic, with a where clause.
///
/// # Errors
/// Those of the lock.
#[redlock(key("g:{}:{n}", value), ttl = "10s", lock = app.locks)]
pub async fn generic<T, const N: usize>(
    app: &App,
    value: T,
    items: [u8; N],
    n: usize,
) -> Result<usize, Error>
where
    T: Display + Debug + Send + Sync,
{
    Ok(items.len() + n)
}

/// `impl Trait` arguments.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "i:{name}", ttl = "10s", lock = *locks, guard = held)]
pub async fn imp(
    locks: &Redlock,
    name: impl Display + Send + Sync,
    mut each: impl FnMut(u64) + Send,
) -> Result<(), Error> {
    each(held.token().get());
    Ok(())
}

/// Lifetimes.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "l:{b}", ttl = "10s", lock = app.locks)]
pub async fn lives<'a, 'b: 'a>(
    app: &'a App,
    a: &'a str,
    b: &'b str,
    _c: &'b str,
) -> Result<&'a str, Error> {
    if a.is_empty() {
        return Ok(b);
    }
    Ok(a)
}

/// Unused arguments with an underscore, patterns with a rest.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "u:{first}", ttl = "10s", lock = app.locks, no_wait)]
pub async fn unused(
    app: App,
    _guard: String,
    (first, ..): (u8, String),
    App { name, .. }: App,
    [a, .., b]: [u8; 4],
    _: Arc<str>,
) -> Result<(u8, String), Error> {
    Ok((a + b, name))
}

/// An argument that is not always there.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "c:{id}", ttl = "10s", lock = app.locks)]
pub async fn conditional(
    app: App,
    #[cfg(any())] tenant: String,
    #[cfg(all())] plain: String,
    #[allow(unused_variables)] allowed: String,
    #[expect(unused_variables)] expected: String,
    id: u64,
) -> Result<u64, Error> {
    #[cfg(any())]
    drop(tenant);
    #[cfg(all())]
    drop(plain);
    Ok(id)
}

/// The same, not named by the body.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "c:{id}", ttl = "10s", lock = app.locks)]
pub async fn conditional_unnamed(
    app: App,
    #[cfg(any())] _tenant: String,
    _last: String,
    id: u64,
) -> Result<u64, Error> {
    Ok(id)
}

/// Methods.
#[derive(Debug)]
pub struct Service {
    locks: Redlock,
    count: u64,
    id: u8,
}

impl Service {
    /// A name.
    pub const AREA: &'static str = "area";

    /// By `&mut`.
    ///
    /// # Errors
    /// Those of the lock.
    #[redlock(key = "{Self::AREA}:{self.id}", ttl = "10s", lock = self.locks)]
    pub async fn bump(&mut self) -> Result<u64, Error> {
        self.count += 1;
        Ok(self.count)
    }

    /// By `Arc`.
    ///
    /// # Errors
    /// Those of the lock.
    #[redlock(key = "s:{self.id}", ttl = "10s", lock = self.locks)]
    pub async fn arc(self: Arc<Self>) -> Result<u8, Error> {
        Ok(self.id)
    }

    /// By value, unused.
    ///
    /// # Errors
    /// Those of the lock.
    #[redlock(key = "s:{self.id}", ttl = "10s", lock = self.locks)]
    pub async fn consume(self, r#type: u8) -> Result<u8, Error> {
        Ok(r#type)
    }

    /// Pinned.
    ///
    /// # Errors
    /// Those of the lock.
    #[redlock(key = "s:{self.id}", ttl = "10s", lock = self.locks)]
    pub async fn pinned(self: std::pin::Pin<&mut Self>) -> Result<u8, Error> {
        Ok(self.id)
    }

    /// Recursive.
    ///
    /// # Errors
    /// Those of the lock.
    #[redlock(key = "r:{depth}", ttl = "10s", lock = self.locks, reentrant)]
    pub async fn down(&self, depth: u32) -> Result<u32, Error> {
        if depth == 0 {
            return Ok(0);
        }
        Ok(Box::pin(self.down(depth - 1)).await? + 1)
    }
}

/// In traits.
pub trait Jobs {
    /// A job.
    fn job(&self, id: u64) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl Jobs for Service {
    #[redlock(key = "j:{id}", ttl = "10s", lock = self.locks, wait = "1s", max_hold = Duration::from_secs(5))]
    async fn job(&self, id: u64) -> Result<u64, Error> {
        Ok(id)
    }
}

/// Boxed.
#[async_trait::async_trait]
pub trait Boxed {
    /// A job.
    async fn boxed(&self, id: u64, name: Cow<'_, str>) -> Result<u64, Error>;
    /// With a body.
    #[redlock(key = "d:{id}", ttl = "10s", on_busy = skip)]
    async fn provided(&self, id: u64) {
        let _: u64 = id;
    }
}

#[async_trait::async_trait]
impl Boxed for Service {
    #[redlock(key = "b:{id}:{name}", ttl = "10s", lock = self.locks, dedupe_for = "1s")]
    #[tracing::instrument(skip_all)]
    async fn boxed(&self, id: u64, name: Cow<'_, str>) -> Result<u64, Error> {
        Ok(id)
    }
}

macro_rules! job {
    ($name:ident, $app:ident, $id:ident, $key:literal, $lock:expr, $ttl:expr, $body:block) => {
        /// Made by a macro.
        ///
        /// # Errors
        /// Those of the lock.
        #[redlock(key = $key, ttl = $ttl, lock = $lock)]
        pub async fn $name($app: &App, $id: u64) -> Result<u64, Error> $body
    };
}
mod made {
    use super::{App, Error, redlock};
    job!(made, app, id, "made:{id}", app.locks, "10s", { Ok(7) });
}
pub use made::made;

/// Nested functions and closures.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "n:{{{id}}}:{id:03}:{name:?}:{id:>width$}", ttl = "10s", lock = app.locks, on_error = |error| Err(error.to_string()))]
pub async fn nested(app: &App, id: u64, name: &str, width: usize) -> Result<u64, String> {
    #[redlock(key = "inner:{id}", ttl = "10s", lock = locks)]
    async fn inner(locks: &Redlock, id: u64) -> Result<u64, Error> {
        Ok(id)
    }
    let double = async |id: u64| inner(&app.locks, id).await.map(|id| id * 2);
    double(id).await.map_err(|error| error.to_string())
}

/// Options with `?`.
///
/// # Errors
/// Those of the lock.
#[redlock(key("q:{}", text.parse::<u8>()?), ttl = Duration::from_secs(text.parse()?), lock = app.ok_or("no app")?.locks)]
pub async fn questions(
    app: Option<&App>,
    text: &str,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Ok(())
}

/// Mutable arguments.
///
/// # Errors
/// Those of the lock.
#[redlock(key = "m:{n}", ttl = "10s", lock = app.locks)]
pub async fn mutable(
    app: &App,
    mut n: u64,
    list: Vec<u8>,
    all @ (_, _): (u8, String),
) -> Result<u64, Error> {
    n += list.len() as u64 + u64::from(all.0);
    Ok(n)
}

/// A job.
#[redlock(key = "nightly", ttl = "30s", lock = app.locks, on_busy = skip)]
pub async fn nightly(app: &App) {
    drop(app.name.clone());
}

/// Without an await in it.
///
/// # Errors
/// Those of the lock.
#[redlock(key = const "all", ttl = "30s", lock = app.locks)]
pub async fn one_for_all(app: &App, id: u64) -> Result<u64, Error> {
    Ok(id)
}

/// Shadowed.
#[allow(
    dead_code,
    clippy::module_name_repetitions,
    clippy::redundant_pub_crate
)]
pub mod shadowed {
    use ::redlock::redlock as locked;
    /// Ours.
    pub mod redlock {
        /// Nothing.
        #[derive(Debug)]
        pub struct Error;
    }
    mod core {}
    mod std {}
    struct Option;
    struct Result;
    struct Some;
    struct None;
    struct Ok;
    struct Err;
    struct Box;
    struct Duration;
    struct Future;
    /// Shadowed names all over.
    ///
    /// # Errors
    /// Those of the lock.
    #[locked(key = "x:{key}:{call}:{body}:{value}", ttl = "10s", wait = "1s", at_least = "1s", guard = error, condition = true, fail_open)]
    pub async fn all(
        key: u8,
        call: u8,
        body: u8,
        value: u8,
    ) -> ::std::result::Result<u8, ::redlock::Error> {
        let window = error.is_some();
        ::core::result::Result::Ok(key + call + body + value + u8::from(window))
    }
}
