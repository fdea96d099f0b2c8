//! Parsed addresses of servers.

use std::fmt;

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use super::certificates::Certificates;
#[cfg(feature = "sentinel")]
use super::sentinel::Sentinels;
use crate::error::Error;

/// Where a server is, and how to log in to it.
#[derive(Clone)]
pub(crate) struct Target {
    pub(super) reach: Reach,
    pub(super) certificates: Certificates,
    name: String,
}

/// The ways to reach a server that votes as one node.
#[derive(Clone)]
pub(super) enum Reach {
    Server(Box<ConnectionInfo>),
    #[cfg(feature = "cluster")]
    Cluster(Vec<ConnectionInfo>),
    #[cfg(feature = "sentinel")]
    Sentinel(Sentinels),
}

const CLUSTER: [&str; 2] = ["redis+cluster://", "rediss+cluster://"];
const SENTINEL: [&str; 2] = ["redis+sentinel://", "rediss+sentinel://"];

impl Target {
    pub(crate) fn parse(url: &str, certificates: &Certificates) -> Result<Self, Error> {
        if let Some(rest) = CLUSTER.iter().find_map(|scheme| url.strip_prefix(scheme)) {
            return Self::cluster(url, rest, certificates);
        }
        if let Some(rest) = SENTINEL.iter().find_map(|scheme| url.strip_prefix(scheme)) {
            return Self::sentinel(url, rest, certificates);
        }
        let info = server(url, url)?;
        let name = address(info.addr(), info.redis_settings().db());
        Ok(Self::new(Reach::Server(Box::new(info)), certificates, name))
    }

    fn new(reach: Reach, certificates: &Certificates, name: String) -> Self {
        Self {
            reach,
            certificates: certificates.clone(),
            name,
        }
    }

    #[cfg(not(feature = "cluster"))]
    fn cluster(url: &str, _: &str, _: &Certificates) -> Result<Self, Error> {
        Err(missing_feature(url, "is a Redis Cluster", "cluster"))
    }

    #[cfg(feature = "cluster")]
    fn cluster(url: &str, rest: &str, certificates: &Certificates) -> Result<Self, Error> {
        let seeds = servers(url, rest)?;
        let name = format!("cluster {}", names(&seeds));
        Ok(Self::new(Reach::Cluster(seeds), certificates, name))
    }

    #[cfg(not(feature = "sentinel"))]
    fn sentinel(url: &str, _: &str, _: &Certificates) -> Result<Self, Error> {
        Err(missing_feature(
            url,
            "is a Sentinel-managed master",
            "sentinel",
        ))
    }

    #[cfg(feature = "sentinel")]
    fn sentinel(url: &str, rest: &str, certificates: &Certificates) -> Result<Self, Error> {
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (master, database) = path.split_once('/').unwrap_or((path, ""));
        if master.is_empty() {
            return Err(Error::invalid_nodes(format!(
                "node `{}` names no master: write it as redis+sentinel://host:26379,host2:26379/master",
                without_password(url)
            )));
        }
        // The user and the password are the master's; sentinels are asked without.
        let (login, hosts) = match hosts.rsplit_once('@') {
            Some((login, hosts)) => (format!("{login}@"), hosts),
            None => (String::new(), hosts),
        };
        let login = server(&format!("redis://{login}master/{database}"), url)?;
        let sentinels = servers(url, hosts)?;
        let name = format!("sentinel {} {master}", names(&sentinels));
        let reach = Reach::Sentinel(Sentinels {
            sentinels,
            master: master.to_owned(),
            login: Box::new(login.redis_settings().clone()),
            tls: url.starts_with("rediss"),
        });
        Ok(Self::new(reach, certificates, name))
    }

    /// The servers of a cluster that were named.
    #[cfg(feature = "cluster")]
    pub(super) fn seeds(&self) -> &[ConnectionInfo] {
        match &self.reach {
            Reach::Cluster(seeds) => seeds,
            _ => &[],
        }
    }

    /// The way to another server of the same cluster.
    #[cfg(feature = "cluster")]
    pub(super) fn login_at(&self, server: &str) -> Option<ConnectionInfo> {
        let seed = self.seeds().first()?;
        let (host, port) = server.rsplit_once(':')?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port.parse().ok()?;
        let address = match seed.addr() {
            ConnectionAddr::TcpTls { .. } => over_tls(host, port),
            _ => ConnectionAddr::Tcp(host, port),
        };
        Some(seed.clone().set_addr(address))
    }

    /// The same as a target of its own.
    #[cfg(feature = "cluster")]
    pub(in crate::node) fn server(&self, server: &str) -> Option<Self> {
        let info = self.login_at(server)?;
        let mut target = self.clone();
        target.reach = Reach::Server(Box::new(info));
        server.clone_into(&mut target.name);
        Some(target)
    }

    /// How the node is called: without a password.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Equal for addresses of the same server, whatever the database: its databases fail together, so they are no
    /// independent nodes.
    pub(crate) fn identity(&self) -> String {
        match &self.reach {
            Reach::Server(info) => info.addr().to_string().to_lowercase(),
            #[cfg(any(feature = "cluster", feature = "sentinel"))]
            _ => self.name.clone(),
        }
    }

    /// A node without a run id of its own: it cannot be marked.
    pub(crate) fn is_cluster(&self) -> bool {
        match &self.reach {
            #[cfg(feature = "cluster")]
            Reach::Cluster(_) => true,
            _ => false,
        }
    }

    /// A node that forgets when it fails over.
    pub(crate) fn is_sentinel(&self) -> bool {
        match &self.reach {
            #[cfg(feature = "sentinel")]
            Reach::Sentinel(_) => true,
            _ => false,
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Reads the URL of one server; `shown` is what the user wrote.
fn server(url: &str, shown: &str) -> Result<ConnectionInfo, Error> {
    if url.starts_with("rediss:") && cfg!(not(feature = "tls")) {
        return Err(missing_feature(shown, "asks for TLS", "tls"));
    }
    // What the `redis` crate knows of TLS is not needed, so neither are its features.
    let (plain, tls) = match url.strip_prefix("rediss:") {
        Some(rest) => (format!("redis:{rest}"), true),
        None => (url.to_owned(), false),
    };
    let info = plain.into_connection_info().map_err(|error| {
        Error::invalid_nodes(format!(
            "node `{}` is no Redis URL ({error}): write it as redis://host:6379, rediss://host:6379 or unix:///path",
            without_password(shown)
        ))
    })?;
    if tls && url.ends_with("#insecure") {
        return Err(Error::invalid_nodes(format!(
            "node `{}` asks not to check the server's certificate: give the authority that signed it with root_certificate",
            without_password(shown)
        )));
    }
    match info.addr().clone() {
        ConnectionAddr::Tcp(host, port) if tls => Ok(info.set_addr(over_tls(host, port))),
        _ => Ok(info),
    }
}

pub(super) fn over_tls(host: String, port: u16) -> ConnectionAddr {
    ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    }
}

/// Reads `user:password@host:1,host:2`: the login holds for all.
#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn servers(url: &str, rest: &str) -> Result<Vec<ConnectionInfo>, Error> {
    let scheme = if url.starts_with("rediss") {
        "rediss"
    } else {
        "redis"
    };
    let (login, hosts) = match rest.rsplit_once('@') {
        Some((login, hosts)) => (format!("{login}@"), hosts),
        None => (String::new(), rest),
    };
    hosts
        .trim_end_matches('/')
        .split(',')
        .map(|host| server(&format!("{scheme}://{login}{host}"), url))
        .collect()
}

#[cfg(any(feature = "cluster", feature = "sentinel"))]
fn names(servers: &[ConnectionInfo]) -> String {
    let names: Vec<String> = servers.iter().map(|info| address(info.addr(), 0)).collect();
    names.join(",")
}

pub(super) fn address(address: &ConnectionAddr, database: i64) -> String {
    let place = match address {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
            if host.contains(':') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
        ConnectionAddr::Unix(path) => path.display().to_string(),
        _ => "?".to_owned(),
    };
    if database == 0 {
        place
    } else {
        format!("{place}/{database}")
    }
}

fn missing_feature(url: &str, what: &str, feature: &str) -> Error {
    Error::invalid_nodes(format!(
        "node `{}` {what}: build redlock with its feature `{feature}`",
        without_password(url)
    ))
}

/// The URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://…{}", &url[..scheme], &url[at..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<Target, Error> {
        Target::parse(url, &Certificates::default())
    }

    #[test]
    fn a_password_is_never_part_of_a_name() {
        let target = parse("redis://alice:secret@10.0.0.1:7000/3").expect("a target");
        assert_eq!(target.name(), "10.0.0.1:7000/3");
        assert_eq!(without_password("redis://a:b@c@host:x"), "redis://…@host:x");
    }

    #[test]
    fn a_url_that_cannot_be_read_is_named() {
        let error = parse("localhost:6379").expect_err("no scheme");
        assert!(error.to_string().contains("localhost:6379"), "{error}");
    }

    #[test]
    #[cfg(not(feature = "cluster"))]
    fn a_missing_feature_is_named() {
        let error = parse("redis+cluster://a:1,b:2").expect_err("no such feature");
        assert!(error.to_string().contains("feature `cluster`"), "{error}");
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
}
