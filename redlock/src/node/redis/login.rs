//! The first words on a connection: which version of the protocol, who we are, and which database.

use redis::{ConnectionInfo, RedisError, Value};

use super::{decode, resp, wire::Wire};
use crate::node::{Fault, FaultKind};

/// Writes them; [`read`] reads the answers. Whatever is written behind them is sent with them.
pub(super) fn write(info: &ConnectionInfo, out: &mut Vec<u8>) {
    let settings = info.redis_settings();
    // Version 3 carries messages beside answers.
    resp::command(out, |hello| {
        hello.args(["HELLO", "3"]);
        if let Some(password) = settings.password() {
            let user = settings.username().unwrap_or("default");
            hello.args(["AUTH", user, password]);
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
    if settings.db() != 0 {
        resp::command(out, |select| {
            select.arg("SELECT").arg(settings.db().to_string());
        });
    }
}

/// Reads the answers to what [`write`] wrote.
pub(super) async fn read(info: &ConnectionInfo, wire: &mut Wire) -> Result<(), Fault> {
    let settings = info.redis_settings();
    if let Value::ServerError(error) = wire.next().await? {
        let fault = decode::fault(&RedisError::from(error));
        let refused = fault.kind == FaultKind::Other && settings.password().is_some();
        return Err(Fault {
            kind: if refused {
                FaultKind::Authentication
            } else {
                fault.kind
            },
            ..fault
        });
    }
    // Names are a courtesy: older servers know no such command, and a user may lack the right.
    wire.next().await?;
    wire.next().await?;
    if settings.db() != 0
        && let Value::ServerError(error) = wire.next().await?
    {
        let fault = decode::fault(&RedisError::from(error));
        return Err(Fault {
            text: format!("SELECT {}: {fault}", settings.db()).into(),
            ..fault
        });
    }
    Ok(())
}
