//! Server addresses of the `redis` crate, and their names.

use redis::ConnectionAddr;

pub(super) fn at(host: &str, port: u16, tls: bool) -> ConnectionAddr {
    match tls {
        true => over_tls(host.to_owned(), port),
        false => ConnectionAddr::Tcp(host.to_owned(), port),
    }
}

fn over_tls(host: String, port: u16) -> ConnectionAddr {
    ConnectionAddr::TcpTls {
        host,
        port,
        insecure: false,
        tls_params: None,
    }
}

/// The name of a server: its address, without the login.
pub(super) fn name(address: &ConnectionAddr, database: i64) -> String {
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
