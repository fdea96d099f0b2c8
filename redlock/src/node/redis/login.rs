//! The first commands on a connection: the version of the protocol, the login, and the database.

use redis::{ConnectionAddr, RedisConnectionInfo};

use super::{socket::Server, wire::Wire};
use crate::{
    fault::{Fault, FaultKind},
    label::Label,
    resp::{self, Value},
};

/// Writes them; [`read`] reads the replies. Whatever is written behind them is sent in the same
/// round trip.
pub(super) fn write(server: Server<'_>, label: Option<Label>, out: &mut Vec<u8>) {
    // Version 3 carries notifications beside replies.
    resp::command(out, |hello| {
        hello.args(["HELLO", "3"]);
        let user = server.login().and_then(RedisConnectionInfo::username);
        let password = server.password();
        if user.or(password).is_some() {
            let user = user.unwrap_or("default");
            hello.args(["AUTH", user, password.unwrap_or("")]);
        }
    });
    for (name, value) in [
        ("LIB-NAME", "redlock"),
        ("LIB-VER", env!("CARGO_PKG_VERSION")),
    ] {
        resp::command(out, |client| {
            client.args(["CLIENT", "SETINFO", name, value]);
        });
    }
    if let Some(label) = label {
        resp::command(out, |client| {
            client.args(["CLIENT", "SETNAME", label.as_str()]);
        });
    }
    if server.database() != 0 {
        resp::command(out, |select| {
            select.arg("SELECT").arg(server.database().to_string());
        });
    }
}

/// Reads the replies to what [`write`] wrote.
pub(super) async fn read(
    server: Server<'_>,
    label: Option<Label>,
    wire: &mut Wire,
) -> Result<(), Fault> {
    let hello = wire.next().await.map_err(|fault| unanswered(server, fault));
    if let Value::ServerError(error) = hello? {
        let fault = resp::server_fault(&error);
        return Err(without_secrets(server, &fault));
    }
    // Names are optional: older servers do not know the command, and a user may lack the
    // permission.
    wire.next().await?;
    wire.next().await?;
    if label.is_some() {
        wire.next().await?;
    }
    if server.database() != 0
        && let Value::ServerError(error) = wire.next().await?
    {
        let fault = resp::server_fault(&error);
        return Err(Fault {
            text: format!("SELECT {}: {fault}", server.database()).into(),
            ..fault
        });
    }
    Ok(())
}

/// The connection ended, or carried another protocol, before the server answered.
fn unanswered(server: Server<'_>, fault: Fault) -> Fault {
    let hint = match (server.address(), fault.kind) {
        (Some(ConnectionAddr::Tcp(..)), FaultKind::Unreachable | FaultKind::Other) => {
            "if it speaks TLS there, write rediss:// instead of redis://"
        }
        _ => return fault,
    };
    Fault {
        text: format!("{fault} (before it answered anything: {hint})").into(),
        ..fault
    }
}

/// Servers and proxies may repeat the login in the error that refuses it.
fn without_secrets(server: Server<'_>, fault: &Fault) -> Fault {
    let text = &*fault.text;
    let user = server.login().and_then(RedisConnectionInfo::username);
    let secrets = [server.password(), user];
    let shown = secrets
        .into_iter()
        .flatten()
        .any(|secret| !secret.is_empty() && text.contains(secret));
    let text = match shown {
        true => "the login was refused, in words that hold a part of it".to_owned(),
        false => text.to_owned(),
    };
    Fault {
        text: text.into(),
        ..fault.clone()
    }
}
