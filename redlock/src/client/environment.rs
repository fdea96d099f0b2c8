//! Settings from `REDLOCK_*` variables. They are listed in `docs/environment.md`, which a test compares with this file.

use std::{
    ffi::{OsStr, OsString},
    time::Duration,
};

use super::{builder::Builder, duration};
use crate::{
    error::{Error, Result},
    quorum::restart_guard::RestartGuard,
};

impl Builder {
    /// Reads settings from the `REDLOCK_*` variables of this process. Settings without a variable keep their defaults. Methods of
    /// the builder can change them afterwards.
    ///
    #[doc = include_str!("../../docs/environment.md")]
    ///
    /// Durations are written as in `250ms`, `10s`, `5m` or `1h30m`. Empty variables, and variables with other names, are ignored.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid) for a malformed value. The error names the variable and what to write instead. It does
    /// not contain the value, which may be a secret that is meant for another variable. The range of a value, and whether there are nodes, is checked when the builder connects.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example() -> Result<(), redlock::Error> {
    /// // REDLOCK_NODES="redis://a:6379 redis://b:6379 redis://c:6379"
    /// // REDLOCK_LABEL=api-7 REDLOCK_TTL=5s
    /// let redlock = redlock::Builder::from_env()?.connect().await?;
    /// # Ok(()) }
    /// ```
    pub fn from_env() -> Result<Self> {
        Self::from_vars(std::env::vars_os())
    }

    /// Like [`from_env`](Self::from_env), with the given variables, for example from a file or in a test. The last one of several
    /// with the same name counts.
    ///
    /// # Errors
    /// As [`from_env`](Self::from_env).
    ///
    /// # Examples
    /// ```
    /// use redlock::Builder;
    ///
    /// let error = Builder::from_vars([("REDLOCK_TTL", "10")]).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "REDLOCK_TTL: not a duration: write it as in 250ms, 10s, 5m or 1h30m"
    /// );
    /// ```
    pub fn from_vars<K, V>(variables: impl IntoIterator<Item = (K, V)>) -> Result<Self>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        read(variables)
    }
}

/// A variable and its setting. An error says what is wrong with the value, and does not contain it.
struct Variable {
    name: &'static str,
    set: fn(Builder, &str) -> Result<Builder, String>,
}

const VARIABLES: &[Variable] = &[
    variable("REDLOCK_NODES", |builder, text| {
        Ok(builder.nodes(addresses(text)))
    }),
    variable("REDLOCK_TTL", |builder, text| Ok(builder.ttl(time(text)?))),
    variable(
        "REDLOCK_WAIT",
        |builder, text| Ok(builder.wait(time(text)?)),
    ),
    variable("REDLOCK_NODE_TIMEOUT", |builder, text| {
        Ok(builder.node_timeout(time(text)?))
    }),
    variable("REDLOCK_MAX_TTL", |builder, text| {
        Ok(builder.max_ttl(time(text)?))
    }),
    variable("REDLOCK_CLOCK_SKEW", |builder, text| {
        Ok(builder.clock_skew(time(text)?))
    }),
    variable("REDLOCK_FENCE_RETENTION", |builder, text| {
        Ok(builder.fence_retention(time(text)?))
    }),
    variable("REDLOCK_FENCING", |builder, text| {
        Ok(builder.fencing(switch(text)?))
    }),
    variable("REDLOCK_RENEWAL_THREAD", |builder, text| {
        Ok(builder.renewal_thread(switch(text)?))
    }),
    variable("REDLOCK_RESTART_GUARD", |builder, text| {
        Ok(builder.restart_guard(guard(text)?))
    }),
    variable("REDLOCK_NAMESPACE", |builder, text| {
        Ok(builder.namespace(text))
    }),
    variable("REDLOCK_LABEL", |builder, text| Ok(builder.label(text))),
    variable("REDLOCK_USERNAME", |builder, text| {
        Ok(builder.username(text))
    }),
    variable("REDLOCK_PASSWORD", |builder, text| {
        Ok(builder.password(text))
    }),
    variable("REDLOCK_SENTINEL_USERNAME", sentinel::username),
    variable("REDLOCK_SENTINEL_PASSWORD", sentinel::password),
    variable("REDLOCK_ROOT_CERTIFICATE", tls::root_certificate),
    variable(CLIENT_CERTIFICATE, tls::client_certificate),
];

/// Holds two paths.
const CLIENT_CERTIFICATE: &str = "REDLOCK_CLIENT_CERTIFICATE";

const fn variable(
    name: &'static str,
    set: fn(Builder, &str) -> Result<Builder, String>,
) -> Variable {
    Variable { name, set }
}

/// The settings in `variables`. Empty variables, and those with other names, are ignored.
fn read<K: AsRef<OsStr>, V: AsRef<OsStr>>(
    variables: impl IntoIterator<Item = (K, V)>,
) -> Result<Builder> {
    let mut given: Vec<Option<OsString>> = vec![None; VARIABLES.len()];
    for (name, value) in variables {
        let place = VARIABLES
            .iter()
            .position(|known| name.as_ref() == known.name);
        if let Some(place) = place {
            given[place] = Some(value.as_ref().to_owned());
        }
    }
    let mut builder = Builder::default();
    for (Variable { name, set }, value) in VARIABLES.iter().zip(given) {
        let wrong = |wrong: &str| Error::invalid_config(format!("{name}: {wrong}"));
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            continue;
        };
        let value = value
            .to_str()
            .ok_or_else(|| wrong("holds bytes that are not UTF-8"))?;
        builder = set(builder, value).map_err(|text| wrong(&text))?;
    }
    Ok(builder)
}

/// Addresses, separated by commas or spaces. A comma inside an address, as in that of a cluster or in a password, does not
/// separate: no `://` follows it before the next comma.
fn addresses(text: &str) -> Vec<String> {
    let mut addresses: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let mut is_first = true;
        for part in word.split(',').filter(|part| !part.is_empty()) {
            match addresses
                .last_mut()
                .filter(|_| !is_first && !part.contains("://"))
            {
                Some(last) => {
                    last.push(',');
                    last.push_str(part);
                }
                None => addresses.push(part.to_owned()),
            }
            is_first = false;
        }
    }
    addresses
}

fn time(text: &str) -> Result<Duration, String> {
    duration::parse(text)
}

fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "on" | "1" => Ok(true),
        "false" | "off" | "0" => Ok(false),
        _ => Err("neither `true` nor `false`".to_owned()),
    }
}

fn guard(text: &str) -> Result<RestartGuard, String> {
    match text {
        "observed" => Ok(RestartGuard::Observed),
        "strict" => Ok(RestartGuard::Strict),
        "off" => Ok(RestartGuard::Off),
        _ => Err("not a restart guard: write `observed`, `strict` or `off`".to_owned()),
    }
}

#[cfg(feature = "sentinel")]
mod sentinel {
    use super::Builder;

    pub(super) fn username(builder: Builder, text: &str) -> Result<Builder, String> {
        Ok(builder.sentinel_username(text))
    }

    pub(super) fn password(builder: Builder, text: &str) -> Result<Builder, String> {
        Ok(builder.sentinel_password(text))
    }
}

#[cfg(not(feature = "sentinel"))]
mod sentinel {
    use super::Builder;

    pub(super) fn username(_: Builder, _: &str) -> Result<Builder, String> {
        Err("is for sentinels: build redlock with its feature `sentinel`".to_owned())
    }

    pub(super) use username as password;
}

#[cfg(feature = "tls-no-provider")]
mod tls {
    use super::Builder;

    /// Reads the file with a certificate or a private key.
    fn file(path: &str, what: &str) -> Result<Vec<u8>, String> {
        if path.contains("-----BEGIN") {
            return Err(format!(
                "contains the {what} itself: write it to a file, and set the path of the file"
            ));
        }
        std::fs::read(path)
            .map_err(|error| format!("the file of the {what} cannot be read: {error}"))
    }

    pub(super) fn root_certificate(builder: Builder, path: &str) -> Result<Builder, String> {
        Ok(builder.root_certificate(file(path, "certificate")?))
    }

    pub(super) fn client_certificate(builder: Builder, paths: &str) -> Result<Builder, String> {
        let (certificate, key) = paths.split_once(',').ok_or(
            "is one path; write two, separated by a comma: that of the certificate, and that of its private key",
        )?;
        let (certificate, key) = (file(certificate, "certificate")?, file(key, "private key")?);
        Ok(builder.client_certificate(certificate, key))
    }
}

#[cfg(not(feature = "tls-no-provider"))]
mod tls {
    use super::Builder;

    pub(super) fn root_certificate(_: Builder, _: &str) -> Result<Builder, String> {
        Err("is for TLS: build redlock with its feature `tls`".to_owned())
    }

    pub(super) use root_certificate as client_certificate;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_in_the_docs_is_that_of_the_code() {
        let table = include_str!("../../docs/environment.md");
        let rows = table
            .lines()
            .filter_map(|line| line.strip_prefix("| `REDLOCK_"));
        let documented: Vec<String> = rows
            .filter_map(|row| row.split_once('`'))
            .map(|(name, _)| format!("REDLOCK_{name}"))
            .collect();
        let known: Vec<&str> = VARIABLES.iter().map(|variable| variable.name).collect();
        assert_eq!(documented, known);
    }

    #[test]
    fn addresses_with_commas_stay_whole() {
        let found = addresses("redis://a, redis://b\nredis+cluster://c,d:1,e ,redis://:p,w@f");
        let wanted = [
            "redis://a",
            "redis://b",
            "redis+cluster://c,d:1,e",
            "redis://:p,w@f",
        ];
        assert_eq!(found, wanted);
        assert!(addresses(" , ").is_empty());
    }
}
