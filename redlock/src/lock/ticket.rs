//! Tickets: a lock that continues in another process.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use crate::{
    acquire::{AcquireRequest, adopt, engine::Engine},
    command::Owner,
    config::check_ttl,
    core::in_runtime,
    error::{Error, Result, shortened},
    lease::{Detached, Hold},
    lock::options::LockOptions,
    lock_kind::Claim,
    quorum::{token::FencingToken, token_block::TokenBlock},
};

/// The prefix of the text of a ticket, and its version.
const FORMAT: &str = "redlock-ticket";
const VERSION: &str = "1";

/// A [detached](crate::Guard::detach) lock, which another process can
/// [adopt](crate::Redlock::adopt). Send it with the work that continues under the lock, in a
/// message or a row of a table.
///
/// `Display` writes a ticket as text, and `FromStr` reads it; with the feature `serde` it is
/// serialized as this text. The text has about 150 bytes and the key, at most 1,280 bytes. It
/// contains a version, so that later versions of this crate can read it, and a checksum. It is a
/// secret: whoever has the text can adopt the lock.
///
/// # Examples
/// ```
/// # use redlock::{Redlock, Ticket, memory::Nodes};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
/// # let nodes = Nodes::new(3);
/// # let redlock = Redlock::connect(nodes.nodes()).await?;
/// # let worker = Redlock::connect(nodes.nodes()).await?;
/// // Where the request arrives: the lock is held when the response "202 Accepted" is sent.
/// let guard = redlock.lock("invoice:42").await?;
/// guard.extend().await?; // the ticket has the whole ttl
/// let message = guard.detach()?.to_string();
///
/// // In the worker, which may be another process: the lock was never free in between.
/// let ticket: Ticket = message.parse()?;
/// let guard = worker.adopt(&ticket).await?;
/// assert!(guard.token() > ticket.token());
/// guard.release().await
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(into = "String", try_from = "String"))]
pub struct Ticket {
    namespace: String,
    /// Without the namespace.
    key: String,
    owner: Owner,
    /// The highest token that the sender may have used.
    token: u64,
    ttl: Duration,
    /// When it expires, in microseconds of the token clock, which follows the clocks of the nodes.
    until: u64,
}

impl Ticket {
    /// The key of the lock, without the namespace of the client.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The highest token that the sender may have used. That of the adopter is larger.
    #[must_use]
    pub fn token(&self) -> FencingToken {
        FencingToken::new(self.token)
    }

    /// The ttl of the lock, which stays the same after the adoption.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.ttl
    }

    /// Takes the lock from its `hold`.
    pub(super) fn detach(hold: &Arc<Hold>) -> Result<Self> {
        let lease = hold.lease();
        let core = Arc::clone(lease.core());
        let name = lease.key().given();
        if lease.key().lock() != lease.key().name() {
            let why = "a permit and a side of a read/write lock cannot be detached: detach a lock";
            return Err(Error::invalid_ticket(Some(name), why));
        }
        let namespace = core.defaults.namespace.clone();
        let Some(token) = Some(lease.last_token()).filter(|token| *token > 0) else {
            let why = "a lock without a fencing token cannot be detached, because a store could not distinguish the adopter from \
                       the sender: acquire it with `fencing(true)`";
            return Err(Error::invalid_ticket(Some(name), why));
        };
        let Detached { claim, until } = hold.detach()?;
        Ok(Self {
            key: name.to_owned(),
            namespace,
            owner: claim.owner,
            token,
            ttl: in_text(lease.options().ttl),
            until: core.nodes.tokens.micros(until),
        })
    }

    pub(crate) async fn adopt(&self, engine: &Engine) -> Result<Arc<Hold>> {
        let core = &engine.core;
        let name = &self.key;
        core.open(Some(name))?;
        in_runtime()?;
        if self.namespace != core.defaults.namespace {
            let why = format!(
                "the ticket has the namespace `{}`, and this client has `{}`: adopt it with a client of its namespace",
                shortened(&self.namespace).escape_debug(),
                core.defaults.namespace.escape_debug()
            );
            return Err(Error::invalid_ticket(Some(name), why));
        }
        let key = core.key(name)?;
        check_ttl(self.ttl, core.nodes.max_ttl)?;
        let options = LockOptions {
            ttl: Some(self.ttl),
            wait: Some(Duration::ZERO),
            fencing: Some(true),
            ..LockOptions::default()
        };
        let options = options.resolve(core)?;
        let request = AcquireRequest {
            engine,
            name,
            key: &key,
            permits: None,
            options: &options,
            since: core.now(),
        };
        let tokens = TokenBlock::single(self.token);
        let claim = Claim {
            owner: self.owner,
            tokens,
        };
        let until = || {
            let now = core.now();
            let left = self.until.saturating_sub(core.nodes.tokens.micros(now));
            now.after(Duration::from_micros(left).min(self.ttl))
        };
        adopt(&request, claim, until).await
    }

    /// All but the checksum.
    fn content(&self) -> String {
        let Self {
            namespace,
            key,
            owner,
            token,
            ttl,
            until,
        } = self;
        let (ttl, split) = (ttl.as_millis(), namespace.len());
        format!(
            "{} {token} {ttl} {until} {split} {namespace}{key}",
            owner.as_str()
        )
    }

    fn read(content: &str) -> Option<Self> {
        let mut parts = content.splitn(6, ' ');
        let mut next = || parts.next();
        let (owner, token, ttl, until, split) = (next()?, next()?, next()?, next()?, next()?);
        let (namespace, key) = next()?.split_at_checked(split.parse().ok()?)?;
        Some(Self {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
            owner: Owner::read(owner.as_bytes())?,
            token: token.parse::<FencingToken>().ok()?.get(),
            ttl: Duration::from_millis(ttl.parse().ok()?),
            until: until.parse().ok()?,
        })
    }
}

/// The ttl as the text has it, in whole milliseconds. So a ticket equals the one that is read from its text.
fn in_text(ttl: Duration) -> Duration {
    let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis)
}

/// FNV-1a. Detects a truncated or mistyped ticket, but not a forged one.
fn checksum(content: &str) -> String {
    let hash = content
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}")
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = self.content();
        write!(f, "{FORMAT} {VERSION} {} {content}", checksum(&content))
    }
}

impl FromStr for Ticket {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidTicket`](crate::ErrorKind::InvalidTicket) if the text is not a ticket,
    /// was cut or changed, or has a newer version.
    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: String| Err(Error::invalid_ticket(None, why));
        let mut parts = text.splitn(4, ' ');
        if parts.next() != Some(FORMAT) {
            return invalid(format!("not a ticket: a ticket begins with `{FORMAT}`"));
        }
        let (version, sum, content) = (parts.next(), parts.next(), parts.next());
        let is_number = |text: &&str| text.parse::<u32>().is_ok();
        match version.filter(is_number) {
            Some(VERSION) => {}
            Some(newer) => {
                return invalid(format!(
                    "the ticket has version {newer}, and this version of the crate reads {VERSION}: update the reader first"
                ));
            }
            None => return invalid("the ticket was cut or changed on its way".to_owned()),
        }
        let content = content.filter(|content| sum == Some(&*checksum(content)));
        match content.and_then(Self::read) {
            Some(ticket) => Ok(ticket),
            None => invalid("the ticket was cut or changed on its way".to_owned()),
        }
    }
}

impl From<Ticket> for String {
    fn from(ticket: Ticket) -> Self {
        ticket.to_string()
    }
}

impl TryFrom<String> for Ticket {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Debug for Ticket {
    /// Omits the owner, with which the lock can be adopted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("key", &self.key)
            .field("token", &self.token)
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}
