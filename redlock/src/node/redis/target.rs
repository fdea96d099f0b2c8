//! Targets: the parsed addresses of nodes.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

#[cfg(feature = "sentinel")]
use super::sentinel::Sentinels;
use super::{
    credentials::CredentialsProvider,
    endpoint::{Endpoint, at, name},
    socket::{
        Dialer,
        access::{Access, Login},
    },
    url::{Kind, Url, Wrong},
};
use crate::memory;

/// The address of a node, and how to log in to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) kind: NodeKind,
    pub(super) dialer: Dialer,
    name: String,
}

/// The kinds of nodes.
#[derive(Clone)]
pub(super) enum NodeKind {
    Server(Endpoint),
    /// The servers that the user listed.
    #[cfg(feature = "cluster")]
    Cluster(Vec<Endpoint>),
    #[cfg(feature = "sentinel")]
    Sentinel(Sentinels),
}

impl Target {
    /// The target of a URL. `own` are the credentials of this node alone.
    pub(crate) fn parse(
        address: &str,
        access: &Access,
        own: Option<&CredentialsProvider>,
    ) -> Result<Self, Wrong> {
        let url = Url::parse(address)?;
        if url.tls && cfg!(not(feature = "tls-no-provider")) {
            return Err("asks for TLS: build redlock with its feature `tls`".into());
        }
        let login = url.login.clone().or(&access.login);
        let provider = provider(url.login.is_given(), access, own)?;
        let (kind, name) = match url.kind {
            Kind::Server | Kind::Unix => {
                let place = match url.hosts.first() {
                    Some((host, port)) => at(host, *port, url.tls),
                    None => ConnectionAddr::Unix(url.socket.into()),
                };
                let name = name(&place, url.database);
                let server = connection(place, settings(&login, url.database))?;
                (NodeKind::Server(Endpoint::At(Box::new(server))), name)
            }
            Kind::Cluster => Self::cluster(&url, &login)?,
            Kind::Sentinel => Self::sentinel(&url, &login, access)?,
        };
        Ok(Self::new(kind, name, access, provider))
    }

    fn new(
        kind: NodeKind,
        name: String,
        access: &Access,
        provider: Option<&CredentialsProvider>,
    ) -> Self {
        let dialer = Dialer::new(access);
        Self {
            dialer: match provider {
                Some(provider) => dialer.with_credentials(&name, provider),
                None => dialer,
            },
            kind,
            name,
        }
    }

    /// The target of what a client of the `redis` crate connects to.
    pub(in crate::node) fn of(
        info: &ConnectionInfo,
        access: &Access,
        own: Option<&CredentialsProvider>,
    ) -> Result<Self, Wrong> {
        check_address(info.addr())?;
        let given = Login::from(info.redis_settings());
        let provider = provider(given.is_given(), access, own)?;
        let (login, database) = (given.or(&access.login), info.redis_settings().db());
        let name = name(info.addr(), database);
        let server = connection(info.addr().clone(), settings(&login, database))?;
        let kind = NodeKind::Server(Endpoint::At(Box::new(server)));
        Ok(Self::new(kind, name, access, provider))
    }

    /// A node in memory, which wants no login.
    pub(in crate::node) fn in_memory(node: &memory::Node, access: &Access) -> Self {
        Self {
            kind: NodeKind::Server(Endpoint::InMemory(node.clone())),
            dialer: Dialer::new(access),
            name: node.name().to_owned(),
        }
    }

    /// A cluster in memory.
    #[cfg(feature = "cluster")]
    pub(in crate::node) fn cluster_in_memory(
        cluster: &memory::RedisCluster,
        access: &Access,
    ) -> Self {
        let servers = cluster.servers();
        let names: Vec<&str> = servers.iter().map(memory::Node::name).collect();
        Self {
            name: format!("cluster {}", names.join(",")),
            kind: NodeKind::Cluster(servers.iter().cloned().map(Endpoint::InMemory).collect()),
            dialer: Dialer::new(access),
        }
    }

    /// The address of a single server. An error for a cluster or sentinels.
    #[cfg(feature = "http")]
    pub(in crate::node) fn one(address: &str) -> Result<ConnectionInfo, Wrong> {
        match Self::parse(address, &Access::default(), None)?.kind {
            NodeKind::Server(Endpoint::At(server)) => Ok(*server),
            _ => Err("is not one server: write it as redis://host:6379".into()),
        }
    }

    #[cfg(not(feature = "cluster"))]
    fn cluster(_: &Url, _: &Login) -> Result<(NodeKind, String), Wrong> {
        Err("is a Redis Cluster: build redlock with its feature `cluster`".into())
    }

    #[cfg(feature = "cluster")]
    fn cluster(url: &Url, login: &Login) -> Result<(NodeKind, String), Wrong> {
        let seeds = servers(&url.hosts, url.tls, &settings(login, 0))?;
        let name = format!("cluster {}", names(&seeds));
        let seeds = seeds.into_iter().map(|seed| Endpoint::At(Box::new(seed)));
        Ok((NodeKind::Cluster(seeds.collect()), name))
    }

    #[cfg(not(feature = "sentinel"))]
    fn sentinel(_: &Url, _: &Login, _: &Access) -> Result<(NodeKind, String), Wrong> {
        Err("is a Sentinel-managed master: build redlock with its feature `sentinel`".into())
    }

    #[cfg(feature = "sentinel")]
    fn sentinel(url: &Url, login: &Login, access: &Access) -> Result<(NodeKind, String), Wrong> {
        // The login before the hosts is the master's.
        let theirs = url.sentinel_login.clone().or(&access.sentinel_login);
        let tls = url.sentinel_tls.unwrap_or(url.tls);
        if tls && cfg!(not(feature = "tls-no-provider")) {
            return Err("asks for TLS: build redlock with its feature `tls`".into());
        }
        let sentinels = servers(&url.hosts, tls, &settings(&theirs, 0))?;
        let name = format!("sentinel {} {}", names(&sentinels), url.master);
        let kind = NodeKind::Sentinel(Sentinels {
            sentinels,
            master: url.master.clone(),
            login: Box::new(settings(login, url.database)),
            tls: url.tls,
        });
        Ok((kind, name))
    }

    /// The servers of a cluster that the user listed. In memory, all of them.
    #[cfg(feature = "cluster")]
    pub(super) fn seeds(&self) -> &[Endpoint] {
        match &self.kind {
            NodeKind::Cluster(seeds) => seeds,
            _ => &[],
        }
    }

    /// Another server of the same cluster, by its name in the map of slots.
    #[cfg(feature = "cluster")]
    pub(super) fn endpoint_of(&self, server: &str) -> Option<Endpoint> {
        let seed = match self.seeds().first()? {
            Endpoint::At(seed) => seed,
            Endpoint::InMemory(_) => {
                let mut known = self.seeds().iter();
                return known.find(|endpoint| endpoint.name() == server).cloned();
            }
        };
        let (host, port) = server.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_tls = matches!(seed.addr(), ConnectionAddr::TcpTls { .. });
        let address = at(host, port.parse().ok()?, is_tls);
        let info = ConnectionInfo::clone(seed).set_addr(address);
        Some(Endpoint::At(Box::new(info)))
    }

    /// The same as a target.
    #[cfg(feature = "cluster")]
    pub(in crate::node) fn server(&self, server: &str) -> Option<Self> {
        let mut target = self.clone();
        target.kind = NodeKind::Server(self.endpoint_of(server)?);
        server.clone_into(&mut target.name);
        Some(target)
    }

    /// The name of the node, without a password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Equal for addresses of the same server, whatever the database: databases of one server fail
    /// together, so they are not independent nodes.
    pub(crate) fn identity(&self) -> String {
        match &self.kind {
            NodeKind::Server(endpoint) => endpoint.identity(),
            #[cfg(feature = "cluster")]
            NodeKind::Cluster(seeds) => match seeds.first().and_then(Endpoint::memory) {
                Some(node) => node.identity(),
                None => self.name.clone(),
            },
            #[cfg(feature = "sentinel")]
            NodeKind::Sentinel(_) => self.name.clone(),
        }
    }

    /// The node in memory, or the first server of a cluster in memory.
    pub(crate) fn memory(&self) -> Option<&memory::Node> {
        match &self.kind {
            NodeKind::Server(endpoint) => endpoint.memory(),
            #[cfg(feature = "cluster")]
            NodeKind::Cluster(seeds) => seeds.first().and_then(Endpoint::memory),
            #[cfg(feature = "sentinel")]
            NodeKind::Sentinel(_) => None,
        }
    }

    /// A node without a run id of its own, which cannot be marked.
    pub(crate) fn is_cluster(&self) -> bool {
        match &self.kind {
            #[cfg(feature = "cluster")]
            NodeKind::Cluster(_) => true,
            _ => false,
        }
    }

    /// A node that may forget locks in a failover.
    pub(crate) fn is_sentinel(&self) -> bool {
        match &self.kind {
            #[cfg(feature = "sentinel")]
            NodeKind::Sentinel(_) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Where the credentials of a node come from, if a provider has them.
fn provider<'p>(
    has_login: bool,
    access: &'p Access,
    own: Option<&'p CredentialsProvider>,
) -> Result<Option<&'p CredentialsProvider>, Wrong> {
    match own {
        Some(_) if has_login => {
            Err("contains a login and has a provider of credentials: leave one of them out".into())
        }
        Some(own) => Ok(Some(own)),
        None => Ok(access.credentials.as_ref().filter(|_| !has_login)),
    }
}

/// What cannot be taken over from a client of the `redis` crate.
fn check_address(address: &ConnectionAddr) -> Result<(), Wrong> {
    match address {
        ConnectionAddr::TcpTls { .. } if cfg!(not(feature = "tls-no-provider")) => {
            Err("asks for TLS: build redlock with its feature `tls`".into())
        }
        ConnectionAddr::TcpTls { insecure: true, .. } => Err(
            "asks for TLS without a look at the server's certificate: trust that by Builder::root_certificate, or decide \
             by a verifier of your own in Builder::tls_config"
                .into(),
        ),
        ConnectionAddr::TcpTls {
            tls_params: Some(_), ..
        } => Err(
            "has certificates that only the `redis` crate can read: pass them to Builder::root_certificate and \
             Builder::client_certificate, or a configuration to Builder::tls_config"
                .into(),
        ),
        _ => Ok(()),
    }
}

/// A user without a password logs in with an empty one, instead of as another user.
fn settings(login: &Login, database: i64) -> RedisConnectionInfo {
    let mut settings = RedisConnectionInfo::default().set_db(database);
    if let Some(user) = &login.user {
        settings = settings.set_username(user).set_password("");
    }
    if let Some(password) = &login.password {
        settings = settings.set_password(password.reveal());
    }
    settings
}

fn connection(
    place: ConnectionAddr,
    settings: RedisConnectionInfo,
) -> Result<ConnectionInfo, Wrong> {
    // Only addresses of other kinds can fail.
    let info = place
        .into_connection_info()
        .map_err(|_| "cannot be connected to here")?;
    Ok(info.set_redis_settings(settings))
}

#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn servers(
    hosts: &[(String, u16)],
    tls: bool,
    settings: &RedisConnectionInfo,
) -> Result<Vec<ConnectionInfo>, Wrong> {
    hosts
        .iter()
        .map(|(host, port)| connection(at(host, *port, tls), settings.clone()))
        .collect()
}

#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn names(servers: &[ConnectionInfo]) -> String {
    let names: Vec<String> = servers.iter().map(|info| name(info.addr(), 0)).collect();
    names.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, Wrong> {
        Target::parse(url, &Access::default(), None)
    }

    #[test]
    fn a_login_is_never_part_of_a_name() {
        let target = parse("redis://alice:secret@10.0.0.1:7000/3").expect("a target");
        assert_eq!(target.name(), "10.0.0.1:7000/3");
    }

    #[test]
    #[cfg(not(feature = "cluster"))]
    fn a_missing_feature_is_named() {
        let wrong = parse("redis+cluster://a:1,b:2").expect_err("no such feature");
        assert!(wrong.contains("feature `cluster`"), "{wrong}");
    }

    #[test]
    #[cfg(feature = "cluster")]
    fn a_cluster_is_named_by_its_seeds() {
        let target = parse("redis+cluster://u:p@a:1,b:2").expect("a target");
        assert_eq!(target.name(), "cluster a:1,b:2");
    }

    #[test]
    #[cfg(feature = "sentinel")]
    fn a_sentinel_address_needs_a_master() {
        let target = parse("redis+sentinel://u:p@a:1,b:2/shop/3").expect("a target");
        assert_eq!(target.name(), "sentinel a:1,b:2 shop");
        assert!(parse("redis+sentinel://a:1").is_err());
    }

    #[test]
    #[cfg(feature = "sentinel")]
    fn sentinels_and_their_master_have_a_login_each() {
        let address = "redis+sentinel://u:p@a:1/shop?sentinel_username=v&sentinel_password=q";
        let NodeKind::Sentinel(by) = parse(address).expect("a target").kind else {
            panic!("a Sentinel-managed master");
        };
        let login = |settings: &RedisConnectionInfo| {
            [settings.username(), settings.password()].map(|text| text.map(str::to_owned))
        };
        let some = |texts: [&str; 2]| texts.map(|text| Some(text.to_owned()));
        assert_eq!(login(&by.login), some(["u", "p"]));
        assert_eq!(login(by.sentinels[0].redis_settings()), some(["v", "q"]));
    }
}
