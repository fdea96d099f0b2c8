//! Parses addresses.
//!
//! No error contains a part of the address, since any part may be a mistyped password. For the same
//! reason a part is accepted only in its strict form: hosts and paths contain only the characters
//! that hosts and paths have.

use std::{borrow::Cow, net::Ipv6Addr};

use super::socket::access::Login;

/// What is wrong, and what to write instead. In the error it follows the position of the address in
/// the list.
pub(crate) type Wrong = Cow<'static, str>;

/// The parts of an address.
#[derive(Clone)]
pub(super) struct Url {
    pub(super) kind: Kind,
    pub(super) tls: bool,
    pub(super) login: Login,
    /// Empty for a unix socket.
    pub(super) hosts: Vec<(String, u16)>,
    /// The path of a unix socket.
    pub(super) socket: String,
    /// The master of the sentinels.
    pub(super) master: String,
    pub(super) database: i64,
    pub(super) sentinel_login: Login,
    /// Whether sentinels are reached over TLS, if it is set.
    pub(super) sentinel_tls: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Server,
    Unix,
    Cluster,
    Sentinel,
}

const SCHEMES: [(&str, Kind, bool); 15] = [
    ("redis", Kind::Server, false),
    ("rediss", Kind::Server, true),
    ("valkey", Kind::Server, false),
    ("valkeys", Kind::Server, true),
    ("unix", Kind::Unix, false),
    ("redis+unix", Kind::Unix, false),
    ("valkey+unix", Kind::Unix, false),
    ("redis+cluster", Kind::Cluster, false),
    ("rediss+cluster", Kind::Cluster, true),
    ("valkey+cluster", Kind::Cluster, false),
    ("valkeys+cluster", Kind::Cluster, true),
    ("redis+sentinel", Kind::Sentinel, false),
    ("rediss+sentinel", Kind::Sentinel, true),
    ("valkey+sentinel", Kind::Sentinel, false),
    ("valkeys+sentinel", Kind::Sentinel, true),
];

/// The form of each kind of address.
fn form(kind: Kind) -> &'static str {
    match kind {
        Kind::Server => "redis://user:password@host:6379/2, or rediss:// for TLS",
        Kind::Unix => "unix:///run/redis.sock?user=locker&pass=password&db=2",
        Kind::Cluster => {
            "redis+cluster://user:password@host:6379,host2:6379, or rediss+cluster:// for TLS"
        }
        Kind::Sentinel => {
            "redis+sentinel://user:password@host:26379,host2:26379/master/2, or rediss+sentinel:// for TLS"
        }
    }
}

/// The most common mistake in such addresses.
const ENCODE: &str = "if a password holds any of `/ ? # @ : %`, percent-encode it (`/` is %2F, `@` is %40) or give it \
                      with Builder::password";

impl Url {
    pub(super) fn parse(url: &str) -> Result<Self, Wrong> {
        let url = url.trim();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(
                "is no address: write it as redis://host:6379, rediss://host:6379, unix:///path, \
                        redis+cluster://host,host2 or redis+sentinel://host,host2/master"
                    .into(),
            );
        };
        let mut schemes = SCHEMES.iter();
        let known = schemes.find(|(name, ..)| name.eq_ignore_ascii_case(scheme));
        let Some((_, kind, tls)) = known else {
            return Err(
                "has a scheme that is not known: it is one of redis://, rediss://, unix://, \
                        redis+cluster://, rediss+cluster://, redis+sentinel:// and rediss+sentinel://"
                    .into(),
            );
        };
        if rest.split(',').skip(1).any(|next| next.contains("://")) {
            return Err(
                "is a list of addresses: give each of them by itself, or the list as REDLOCK_NODES to \
                        Builder::from_env"
                    .into(),
            );
        }
        let parsed = match kind {
            Kind::Unix => unix(rest),
            kind => network(*kind, *tls, rest),
        };
        parsed.map_err(|what| {
            let form = form(*kind);
            match rest.contains(['@', '#']) || rest.matches(':').count() > 1 {
                true => format!("{what}: write it as {form}; {ENCODE}").into(),
                false => format!("{what}: write it as {form}").into(),
            }
        })
    }

    fn new(kind: Kind, tls: bool) -> Self {
        Self {
            kind,
            tls,
            login: Login::default(),
            hosts: Vec::new(),
            socket: String::new(),
            master: String::new(),
            database: 0,
            sentinel_login: Login::default(),
            sentinel_tls: None,
        }
    }
}

fn unix(rest: &str) -> Result<Url, &'static str> {
    let (path, query) = split_query(rest)?;
    if !path.starts_with('/') {
        return Err("has no path that begins with `/`");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+~%".contains(&byte) || byte > 127;
    if !path.bytes().all(plain) {
        return Err(
            "has a character in its path that has to be percent-encoded (`@` is %40, a space is %20)",
        );
    }
    let mut url = Url::new(Kind::Unix, false);
    url.socket = decode(path)?;
    // The path is shown in errors, and such a path is an address whose parameters were encoded too.
    if url
        .socket
        .contains(|any: char| "?&=".contains(any) || any.is_control())
    {
        return Err("has one of `?&=`, or a control character, percent-encoded in its path");
    }
    for (name, value) in parameters(query) {
        match name {
            "db" => {
                url.database = database(value).map_err(|_| "has a `db` that is not a number")?;
            }
            "user" => url.login.user = Some(decode(value)?),
            "pass" => url.login.password = Some(decode(value)?.into()),
            "protocol" => protocol(value)?,
            _ => return Err("has a parameter other than `db`, `user`, `pass` and `protocol`"),
        }
    }
    Ok(url)
}

fn network(kind: Kind, tls: bool, rest: &str) -> Result<Url, &'static str> {
    let (place, query) = split_query(rest)?;
    if query.contains('@') {
        return Err("has an `@` behind a `?`");
    }
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    if path.contains('@') {
        return Err("has an `@` behind a `/`");
    }
    let mut url = Url::new(kind, tls);
    let hosts = match authority.rsplit_once('@') {
        Some((login, hosts)) => {
            if kind != Kind::Server {
                check_shared_login(login)?;
            }
            url.login = self::login(login)?;
            hosts
        }
        None => authority,
    };
    let port = if kind == Kind::Sentinel {
        26_379
    } else {
        6_379
    };
    url.hosts = match kind {
        Kind::Server => vec![host(hosts, port)?],
        _ => hosts
            .split(',')
            .map(|name| host(name, port))
            .collect::<Result<_, _>>()?,
    };
    match kind {
        Kind::Sentinel => {
            let (master, path) = path.split_once('/').unwrap_or((path, ""));
            url.master = self::master(master)?;
            url.database = database(path)?;
        }
        _ => url.database = database(path)?,
    }
    if kind == Kind::Cluster && url.database != 0 {
        return Err("names a database, and a Redis Cluster has only one");
    }
    for (name, value) in parameters(query) {
        url.set(name, value)?;
    }
    Ok(url)
}

impl Url {
    /// Parses a parameter of a network address.
    fn set(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        match (name, self.kind) {
            ("protocol", _) => protocol(value)?,
            ("sentinel_username", Kind::Sentinel) => {
                self.sentinel_login.user = Some(decode(value)?);
            }
            ("sentinel_password", Kind::Sentinel) => {
                self.sentinel_login.password = Some(decode(value)?.into());
            }
            ("sentinel_tls", Kind::Sentinel) => {
                let on = value.parse();
                self.sentinel_tls =
                    Some(on.map_err(|_| "has a `sentinel_tls` other than `true` and `false`")?);
            }
            (_, Kind::Sentinel) => {
                return Err(
                    "has a parameter other than `sentinel_username`, `sentinel_password`, `sentinel_tls` and `protocol`",
                );
            }
            _ => return Err("has a parameter other than `protocol`"),
        }
        Ok(())
    }
}

/// Several hosts share one login, before the first host.
fn check_shared_login(login: &str) -> Result<(), &'static str> {
    if login.contains('@') {
        return Err(
            "has more than one `@`: the login stands before the first host and holds for all",
        );
    }
    if login.contains(',') {
        return Err(
            "has a `,` before its `@`: the login stands before the first host and holds for all, and a `,` in a password is %2C",
        );
    }
    Ok(())
}

fn split_query(rest: &str) -> Result<(&str, &str), &'static str> {
    match rest.split_once('#') {
        Some((_, "insecure")) => {
            return Err(
                "asks not to check the server's certificate: give the authority that signed it with \
                        Builder::root_certificate and leave `#insecure` out",
            );
        }
        Some(_) => return Err("has a `#`"),
        None => {}
    }
    if rest.contains(|any: char| any.is_whitespace() || any.is_control()) {
        return Err("has a space or a control character in it");
    }
    Ok(rest.split_once('?').unwrap_or((rest, "")))
}

fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `user:password`; either may be missing.
fn login(text: &str) -> Result<Login, &'static str> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (text, None),
    };
    let given = |text: &str| decode(text).map(|text| (!text.is_empty()).then_some(text));
    Ok(Login {
        user: given(user)?,
        password: match password {
            Some(password) => given(password)?.map(Into::into),
            None => None,
        },
    })
}

fn host(text: &str, default_port: u16) -> Result<(String, u16), &'static str> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a `[` without its `]`")?;
            let host: Ipv6Addr = host
                .parse()
                .map_err(|_| "has something else than an IPv6 address in brackets")?;
            let port = match port {
                "" => "",
                port => port.strip_prefix(':').ok_or("has no `:` behind its `]`")?,
            };
            if host.is_unspecified() {
                return Err("names the wildcard address, which nobody can connect to");
            }
            (host.to_string(), port)
        }
        None => {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            if host.is_empty() {
                return Err("has no host");
            }
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            if host.len() > 253 || !host.bytes().all(plain) {
                return Err(
                    "has a host with something else than letters, digits and `.-_` in its name",
                );
            }
            if host == "0.0.0.0" {
                return Err("names the wildcard address, which nobody can connect to");
            }
            (host.to_owned(), port)
        }
    };
    let port = match port {
        "" => default_port,
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            port.ok_or("has a port beyond 1 to 65535")?
        }
        _ => return Err("has no number as its port"),
    };
    Ok((host, port))
}

/// Sentinel restricts the names of masters in the same way.
fn master(name: &str) -> Result<String, &'static str> {
    if name.is_empty() {
        return Err("names no master");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    match name.bytes().all(plain) {
        true => Ok(name.to_owned()),
        false => Err("has a master with something else than letters, digits and `.-_` in its name"),
    }
}

fn database(path: &str) -> Result<i64, &'static str> {
    match path.trim_end_matches('/') {
        "" => Ok(0),
        number if number.bytes().all(|byte| byte.is_ascii_digit()) => number
            .parse()
            .map_err(|_| "has something after its host that is not the number of a database"),
        _ => Err("has something after its host that is not the number of a database"),
    }
}

/// Other clients allow it in addresses. We always use version 3.
fn protocol(value: &str) -> Result<(), &'static str> {
    match value {
        "2" | "3" | "resp2" | "resp3" => Ok(()),
        _ => Err("has a `protocol` other than `resp2` and `resp3`"),
    }
}

/// Decodes `%41` to `A`. A `%` without two digits is kept.
fn decode(text: &str) -> Result<String, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| first == b'%');
        let byte = digits
            .filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| "has percent-encoded bytes that are not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Url {
        Url::parse(url).unwrap_or_else(|wrong| panic!("{url} {wrong}"))
    }

    #[test]
    fn every_part() {
        let url = parse("rediss://lo%3Ack:a%3Ab%40c@[::1]:7000/3?protocol=resp3\n");
        assert!(url.tls);
        assert_eq!(url.login.user.as_deref(), Some("lo:ck"));
        assert_eq!(url.login.password.expect("one").reveal(), "a:b@c");
        assert_eq!((url.hosts, url.database), (vec![("::1".into(), 7_000)], 3));
        let url = parse("unix:///run/a%20b.sock?db=2&user=u&pass=p%26");
        assert_eq!((&*url.socket, url.database), ("/run/a b.sock", 2));
        assert_eq!(url.login.password.expect("one").reveal(), "p&");
        let url = parse("redis+sentinel://u:p@a,b:1/shop/3?sentinel_password=s&sentinel_tls=true");
        assert_eq!(url.hosts, [("a".into(), 26_379), ("b".into(), 1)]);
        assert_eq!((&*url.master, url.database), ("shop", 3));
        assert_eq!(url.sentinel_login.password.expect("one").reveal(), "s");
        assert_eq!(url.sentinel_tls, Some(true));
    }

    #[test]
    fn an_error_shows_nothing_of_the_address() {
        for url in [
            "hunter2",
            "redis:/:hunter2@h",
            "http://u:hunter2@h",
            "redis://u:hunter2@h:port",
            "redis://u:hunter2/@h",
            "redis://h/hunter2",
            "redis://h?hunter2=1",
            "unix://hunter2",
            "redis+sentinel://u:hunter2@h",
        ] {
            let wrong = Url::parse(url)
                .err()
                .unwrap_or_else(|| panic!("{url} is none"));
            assert!(!wrong.contains("hunter2"), "{url} {wrong}");
        }
    }

    #[test]
    fn several_addresses_are_not_one() {
        for list in [
            "redis://a:6379,redis://b:6379",
            "unix:///a.sock, unix:///b.sock",
        ] {
            let wrong = Url::parse(list).err().expect("no address");
            assert!(wrong.contains("is a list of addresses"), "{list} {wrong}");
        }
        assert_eq!(parse("redis+cluster://a,b:1").hosts.len(), 2);
    }

    #[test]
    fn logins_of_every_form() {
        let login = |url: &str| {
            let login = parse(url).login;
            let password = login.password.map(|password| password.reveal().to_owned());
            (login.user, password)
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(login("redis://h"), (None, None));
        assert_eq!(login("redis://@h"), (None, None));
        assert_eq!(login("redis://:@h"), (None, None));
        assert_eq!(login("redis://u@h"), (some("u"), None));
        assert_eq!(login("redis://:p@h"), (None, some("p")));
        // As in earlier versions: the last `@` is the one before the host.
        assert_eq!(login("redis://:p@ss@h"), (None, some("p@ss")));
        assert_eq!(login("redis://u:100%@h"), (some("u"), some("100%")));
    }
}
