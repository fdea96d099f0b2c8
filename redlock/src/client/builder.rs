//! The settings of a client, and their checks.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    client::{Redlock, health},
    config::{MAX_DURATION, check_ttl},
    core::{Core, Defaults},
    env::{background::Background, clock::Clock, random::Random},
    error::{Error, Result, shortened},
    events,
    key::Key,
    label::Label,
    node::{
        Access, ConnectionWakers, CredentialsProvider, Lists, NodeAddress, NodeState, Nodes,
        Strict, Target,
    },
    quorum::{
        node_set::NodeSet,
        restart_guard::{self, RestartGuard},
        token_clock::TokenClock,
        validity,
    },
};

/// How much longer a fence lives than the longest lock and the clock skew, unless `fence_retention`
/// is set.
const FENCE_RETENTION: Duration = Duration::from_secs(600);

/// The settings of a [`Redlock`]. The defaults are for applications that lock for seconds.
///
/// ```no_run
/// # async fn connect() -> redlock::Result<redlock::Redlock> {
/// redlock::Redlock::builder()
///     .nodes(["redis://a:6379", "redis://b:6379", "redis://c:6379"])
///     .namespace("shop:")
///     .label("api-7")
///     .connect()
///     .await
/// # }
/// ```
///
/// | setting | default | |
/// |---|---|---|
/// | [`ttl`](Self::ttl) | 10 s | the time to recover from a crash, not the length of the work: locks are renewed at each third of it |
/// | [`wait`](Self::wait) | 10 s | `try_lock` and `no_wait` do not wait |
/// | [`node_timeout`](Self::node_timeout) | 250 ms | at most a quarter of the ttl; for each operation and for each step of connecting |
/// | [`max_ttl`](Self::max_ttl) | 60 s | the same for all clients of the nodes |
/// | [`clock_skew`](Self::clock_skew) | 5 s | how far the clocks of clients and nodes may lie apart |
/// | [`fencing`](Self::fencing) | on | whether locks have tokens |
/// | [`renewal_thread`](Self::renewal_thread) | off | for a runtime that is blocked for long |
/// | [`restart_guard`](Self::restart_guard) | [`RestartGuard::Observed`] | for how long a node that may have forgotten locks has no vote |
/// | [`namespace`](Self::namespace) | none | a prefix of all keys |
/// | [`label`](Self::label) | none | the name of this process in errors and for operators |
/// | [`fence_retention`](Self::fence_retention) | `max_ttl` + `clock_skew` + 10 min | how long the nodes remember the highest token of a key |
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it connects"]
pub struct Builder {
    nodes: Vec<NodeAddress>,
    ttl: Duration,
    wait: Duration,
    node_timeout: Duration,
    max_ttl: Duration,
    clock_skew: Duration,
    fencing: bool,
    renewal_thread: bool,
    restart_guard: RestartGuard,
    namespace: String,
    label: Option<String>,
    fence_retention: Option<Duration>,
    access: Access,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            nodes: Vec::new(),
            ttl: Duration::from_secs(10),
            wait: Duration::from_secs(10),
            node_timeout: Duration::from_millis(250),
            max_ttl: Duration::from_secs(60),
            clock_skew: Duration::from_secs(5),
            fencing: true,
            renewal_thread: false,
            restart_guard: RestartGuard::default(),
            namespace: String::new(),
            label: None,
            fence_retention: None,
            access: Access::default(),
        }
    }
}

impl Builder {
    /// Adds a node.
    pub fn node(mut self, node: impl Into<NodeAddress>) -> Self {
        self.nodes.push(node.into());
        self
    }

    /// Adds nodes.
    pub fn nodes<I>(mut self, nodes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<NodeAddress>,
    {
        self.nodes.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// The ttl of requests that do not set one. Default: 10 s.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The wait of requests that do not set one. Default: 10 s.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Maximum time of an operation on a node, and of each step of connecting (TCP, TLS, login). It has to be longer than a round
    /// trip to the farthest node. Default: 250 ms, at most a quarter of the ttl.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// Maximum ttl of a request. A node that restarted has no vote for this time and a little more. It has to be the same for
    /// all clients of the nodes. Default: 60 s.
    pub fn max_ttl(mut self, max_ttl: Duration) -> Self {
        self.max_ttl = max_ttl;
        self
    }

    /// Maximum difference between the clocks of clients and nodes. Default: 5 s.
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Whether locks have fencing tokens. Default: on. Without them, an acquire is a plain `SET NX PX`: cheaper
    /// for the server, but a store cannot distinguish a paused holder from the next one, and an
    /// acquire that arrives after its release leaves the key busy for a ttl.
    pub fn fencing(mut self, on: bool) -> Self {
        self.fencing = on;
        self
    }

    /// Whether locks are renewed on a thread of the client, instead of the runtimes that use it.
    /// Default: off.
    ///
    /// For runtimes that may be blocked for longer than a lock can go without a renewal: see the
    /// section *Renewals that run late* of the [crate's documentation](crate). The thread has
    /// connections of its own, one for each node. It ends when the client and its guards are
    /// dropped. It does not survive a `fork`: connect in the child. It has no effect if all nodes
    /// are in memory.
    pub fn renewal_thread(mut self, on: bool) -> Self {
        self.renewal_thread = on;
        self
    }

    /// How nodes that restarted are treated. Default: [`RestartGuard::Observed`].
    pub fn restart_guard(mut self, guard: RestartGuard) -> Self {
        self.restart_guard = guard;
        self
    }

    /// A prefix of every key. Include a separator, as in `shop:`. Default: none.
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// A human-readable name of this process, such as `api-7`, to find the holder of a lock: it is returned by
    /// [`holder`](Redlock::holder), appears in the errors of requests for a held lock ("is held by
    /// api-7; the lease ends in 3.2 s unless it is renewed"), and is the name of the connections in `CLIENT LIST`. Default: none.
    ///
    /// It has 1 to 31 ASCII letters, digits and `-_.:/@`. It is stored in plain text on the nodes, so it must not be a secret. It
    /// does not affect who holds a lock: owners stay random, and two processes may have the same label.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// How long a node remembers the highest token of a key after its last acquire or renewal.
    /// Default: `max_ttl` + `clock_skew` + 10 min.
    pub fn fence_retention(mut self, retention: Duration) -> Self {
        self.fence_retention = Some(retention);
        self
    }

    /// The user for logging in to nodes whose addresses name none.
    pub fn username(mut self, user: impl Into<String>) -> Self {
        self.access.login.user = Some(user.into());
        self
    }

    /// The password of nodes whose addresses contain none. It is not percent-encoded.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.access.login.password = Some(password.into().into());
        self
    }

    /// Provides logins that change while the client runs, for nodes whose addresses contain none. It replaces
    /// [`username`](Self::username) and [`password`](Self::password).
    ///
    /// For sentinels it is the login of the master.
    pub fn credentials(mut self, provider: CredentialsProvider) -> Self {
        self.access.credentials = Some(provider);
        self
    }

    /// The user for logging in to sentinels, if the address names none.
    #[cfg(feature = "sentinel")]
    pub fn sentinel_username(mut self, user: impl Into<String>) -> Self {
        self.access.sentinel_login.user = Some(user.into());
        self
    }

    /// The password of the sentinels (their `requirepass`), if the address contains none. It is not
    /// percent-encoded.
    #[cfg(feature = "sentinel")]
    pub fn sentinel_password(mut self, password: impl Into<String>) -> Self {
        self.access.sentinel_login.password = Some(password.into().into());
        self
    }

    /// The certificate, in PEM form, of the authority that signed the nodes' certificates, instead of the platform's
    /// roots.
    #[cfg(feature = "tls-no-provider")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "tls-no-provider"))))]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.access.certificates.root = Some(pem.into());
        self
    }

    /// The certificate and the private key, in PEM form, that nodes require of their clients
    /// (`tls-auth-clients yes`).
    #[cfg(feature = "tls-no-provider")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "tls-no-provider"))))]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.access.certificates.client = Some((certificate.into(), key.into()));
        self
    }

    /// A configuration of rustls for all TLS connections: with authorities, client certificates, a verifier or a crypto
    /// provider of your own. Instead of [`root_certificate`](Self::root_certificate) and
    /// [`client_certificate`](Self::client_certificate). Its ALPN protocols should be empty.
    ///
    /// Default: the platform's roots, the crypto provider that the process has installed
    /// ([`CryptoProvider::install_default`](rustls::crypto::CryptoProvider::install_default)), or *ring* if it has none. With
    /// the feature `tls-no-provider` in place of `tls`, *ring* is not part of the build.
    #[cfg(feature = "tls-no-provider")]
    #[cfg_attr(docsrs, doc(cfg(any(feature = "tls", feature = "tls-no-provider"))))]
    pub fn tls_config(mut self, config: impl Into<Arc<rustls::ClientConfig>>) -> Self {
        self.access.certificates.own = Some(config.into());
        self
    }

    /// Checks the settings and connects; see [`Redlock::connect`].
    ///
    /// # Errors
    /// As [`Redlock::connect`]; also for a setting out of its bounds.
    pub async fn connect(self) -> Result<Redlock> {
        let redlock = self.connect_lazy()?;
        health::first_contact(redlock.core()).await?;
        Ok(redlock)
    }

    /// Checks the settings only; see [`Redlock::connect_lazy`].
    ///
    /// # Errors
    /// As [`Redlock::connect_lazy`]; also for a setting out of its bounds.
    pub fn connect_lazy(mut self) -> Result<Redlock> {
        events::metrics::describe();
        self.check_durations()?;
        if self.restart_guard == RestartGuard::Strict && !self.fencing {
            return Err(Error::invalid_config(
                "the strict restart guard needs fencing: leave it on, or choose another guard",
            ));
        }
        #[cfg(feature = "tls-no-provider")]
        self.access.certificates.check()?;
        if self.access.credentials.is_some() && self.access.login.is_given() {
            return Err(Error::invalid_config(
                "credentials come from a provider and from username or password: set one of them",
            ));
        }
        self.access.certificates.begin();
        let label = self.checked_label()?;
        let targets = self.targets(label)?;
        self.check_namespace()?;
        if targets.len() % 2 == 0 {
            events::node::even_number(targets.len(), targets.len() / 2 + 1);
        }
        let nodes = self.nodes_at(targets)?;
        let defaults = Defaults {
            ttl: self.ttl,
            wait: self.wait,
            fencing: self.fencing,
            namespace: self.namespace,
            label,
        };
        Ok(Redlock::new(Core::new(nodes, defaults)))
    }

    fn checked_label(&self) -> Result<Option<Label>> {
        let Some(label) = &self.label else {
            return Ok(None);
        };
        let checked = Label::new(label);
        checked.map(Some).map_err(|wrong| {
            let label = shortened(label);
            Error::invalid_config(format!("label `{}` {wrong}", label.escape_debug()))
        })
    }

    fn check_namespace(&self) -> Result<()> {
        // The rules for a namespace are those for a key.
        Key::new(&self.namespace, "x").map_err(|error| {
            let shown = shortened(&self.namespace);
            Error::invalid_config(format!(
                "namespace `{}` cannot stand before a key: {}",
                shown.escape_debug(),
                error.reason()
            ))
        })?;
        Ok(())
    }

    /// The nodes of the client, before it has connected to any.
    fn nodes_at(&self, targets: Vec<Target>) -> Result<Nodes> {
        let (max_ttl, skew) = (self.max_ttl, self.clock_skew);
        let in_memory = targets.iter().all(|target| target.memory().is_some());
        let clock = match in_memory {
            true => Clock::Tokio,
            false => Clock::Machine,
        };
        let states: Arc<[Arc<NodeState>]> = targets
            .iter()
            .map(|target| Arc::new(NodeState::new(target.name())))
            .collect();
        let first_in_memory = targets.first().and_then(Target::memory);
        let (random, freezer) = match (clock, first_in_memory) {
            (Clock::Tokio, Some(node)) => (node.random().clone(), Some(Arc::clone(node.freezer()))),
            _ => (Random::System, None),
        };
        let mut tokens = TokenClock::new(targets.len(), clock.now(), skew);
        if let Some(node) = first_in_memory {
            // The wall clock of the machine does not follow a paused clock of tokio.
            tokens.assume(node.wall_clock(), clock.now());
        }
        let guard_time = restart_guard::guard_time(max_ttl, skew);
        let is_strict = self.restart_guard == RestartGuard::Strict;
        Ok(Nodes {
            strict: is_strict.then(|| Strict::new(&self.namespace, max_ttl, skew)),
            clock,
            random,
            freezer,
            tokens,
            guard: self.restart_guard,
            max_ttl,
            skew,
            timeout: self.node_timeout,
            retention: self
                .fence_retention
                .unwrap_or(max_ttl + skew + FENCE_RETENTION),
            lists: Arc::new(Lists::new(&self.namespace, &states, guard_time)),
            states,
            targets,
            notifications: Arc::default(),
            #[cfg(feature = "cluster")]
            namespace: self.namespace.clone(),
            channel: format!("{}redlock:inbox:", self.namespace),
            connection_wakers: ConnectionWakers::default(),
            outbox: Arc::default(),
            background: self.background(clock)?,
        })
    }

    /// The thread for renewals, if it was requested and the nodes are servers.
    fn background(&self, clock: Clock) -> Result<Option<Background>> {
        if !self.renewal_thread || clock == Clock::Tokio {
            return Ok(None);
        }
        let started = Background::start().map_err(|error| {
            Error::invalid_config(format!("no renewal_thread can be started: {error}"))
        });
        started.map(Some)
    }

    fn check_durations(&self) -> Result<()> {
        let setting = |name: &str, value: Duration, least: Duration| {
            if (least..=MAX_DURATION).contains(&value) {
                return Ok(());
            }
            Err(Error::invalid_ttl(format!(
                "{name} of {value:?} cannot be used: it must lie between {least:?} and {} days",
                MAX_DURATION.as_secs() / 86_400
            )))
        };
        setting("max_ttl", self.max_ttl, validity::MIN_TTL)?;
        setting("node_timeout", self.node_timeout, Duration::from_millis(1))?;
        setting("clock_skew", self.clock_skew, Duration::ZERO)?;
        check_ttl(self.ttl, self.max_ttl)?;
        if let Some(retention) = self.fence_retention {
            // If a fence is forgotten while its lock may still be held, tokens go backwards.
            setting("fence_retention", retention, self.max_ttl + self.clock_skew)?;
        }
        Ok(())
    }

    /// Not every kind of node works with every guard.
    fn check_guard(&self, target: &Target) -> Result<()> {
        let (name, guard) = (target.name(), self.restart_guard);
        if target.is_cluster() && guard == RestartGuard::Strict {
            return Err(Error::invalid_nodes(format!(
                "node `{name}` has no process of its own to mark: choose another restart guard than Strict"
            )));
        }
        if target.is_sentinel() && guard == RestartGuard::Observed {
            return Err(Error::invalid_nodes(format!(
                "node `{name}` forgets locks when it fails over, which Observed does not cover: \
                 choose RestartGuard::Strict, or Off to accept it"
            )));
        }
        Ok(())
    }

    fn targets(&self, label: Option<Label>) -> Result<Vec<Target>> {
        if self.nodes.is_empty() {
            return Err(Error::invalid_nodes(
                "no nodes were given: list the addresses of one or more independent Redis servers, 3 or 5 for a service that survives failures",
            ));
        }
        if self.nodes.len() > NodeSet::MAX {
            return Err(Error::invalid_nodes(format!(
                "{} nodes were given, at most {} can be used: 5 survive two failures already",
                self.nodes.len(),
                NodeSet::MAX
            )));
        }
        let mut access = self.access.clone();
        access.limit = self.node_timeout;
        access.label = label;
        let mut seen = HashMap::new();
        let mut targets = Vec::with_capacity(self.nodes.len());
        for (index, address) in self.nodes.iter().enumerate() {
            let target = address.target(&access).map_err(|wrong| {
                let of = self.nodes.len();
                Error::invalid_nodes(format!("node {} of {of} {wrong}", index + 1))
            })?;
            self.check_guard(&target)?;
            if let Some(first) = seen.insert(target.identity(), index) {
                return Err(Error::invalid_nodes(format!(
                    "node `{}` is listed twice, at positions {} and {}: list each server once",
                    target.name(),
                    first + 1,
                    index + 1
                )));
            }
            targets.push(target);
        }
        Ok(targets)
    }
}
