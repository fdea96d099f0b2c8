//! The first commands on a connection: the version of the protocol, the login, and the database.

use redis::ConnectionAddr;

use super::{
    credentials::Secret,
    socket::{Dialer, Server, access::Login},
    wire::Wire,
};
use crate::{
    command,
    fault::{Fault, FaultKind},
    resp::{self, Value},
};

/// Writes the first commands; [`read`] reads their replies. Whatever is written after them is sent in the same
/// round trip.
pub(super) fn write(server: Server<'_>, login: &Login, dialer: &Dialer, out: &mut Vec<u8>) {
    // Version 3 carries notifications beside replies.
    resp::command(out, |hello| {
        hello.args(["HELLO", "3"]);
        if login.is_given() {
            hello.arg("AUTH").args(user_and_password(login));
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
    if let Some(label) = dialer.label {
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

/// Writes the choice of the protocol once more: a command that cannot fail, since it did not before.
pub(super) fn write_protocol(out: &mut Vec<u8>) {
    resp::command(out, |hello| {
        hello.args(["HELLO", "3"]);
    });
}

/// Writes a further login, on a connection in use. If it is refused, the connection keeps its login.
pub(super) fn write_again(login: &Login, out: &mut Vec<u8>) {
    resp::command(out, |auth| {
        auth.arg("AUTH").args(user_and_password(login));
    });
}

fn user_and_password(login: &Login) -> [&str; 2] {
    [login.user.as_deref().unwrap_or("default"), login.password()]
}

/// Reads the replies to what [`write`] wrote.
pub(super) async fn read(
    server: Server<'_>,
    login: &Login,
    dialer: &Dialer,
    wire: &mut Wire,
) -> Result<(), Fault> {
    let hello = wire.next().await.map_err(|fault| unanswered(server, fault));
    if let Value::ServerError(error) = hello? {
        let fault = without_secrets(login, &resp::server_fault(&error));
        return Err(match fault.kind {
            FaultKind::Authentication => {
                dialer.refused(login);
                Fault {
                    text: format!("{fault}: check the user and the password of this client").into(),
                    // A provider may have another login by the next attempt.
                    lasting: !dialer.has_provider(),
                    ..fault
                }
            }
            FaultKind::Unsupported => command::with_versions(fault),
            _ => fault,
        });
    }
    // Names are optional: older servers do not know the command, and a user may lack the
    // permission.
    wire.next().await?;
    wire.next().await?;
    if dialer.label.is_some() {
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
        (Some(ConnectionAddr::Tcp(..)), FaultKind::Unreachable) => {
            "if it speaks TLS there, write rediss:// instead of redis://, and if it limits its replies, raise \
             client-output-buffer-limit for normal clients"
        }
        (Some(ConnectionAddr::Tcp(..)), FaultKind::Other) => {
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
pub(super) fn without_secrets(login: &Login, fault: &Fault) -> Fault {
    let text = &*fault.text;
    let secrets = [
        login.password.as_ref().map(Secret::reveal),
        login.user.as_deref(),
    ];
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
