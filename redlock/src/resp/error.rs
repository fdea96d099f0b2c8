//! The meaning of a server error for the command.

use redis::{ErrorKind, RedisError, ServerError, ServerErrorKind};

use crate::fault::{Fault, FaultKind};

/// Texts by which several versions of servers report that a script called a command that its user
/// may not call.
const LACKS_RIGHT: [&str; 4] = [
    "NOPERM",
    "can't access at least one of the keys",
    "can't run this command",
    "ACL failure in script",
];

/// The fault of a server error.
pub(crate) fn server_fault(error: &ServerError) -> Fault {
    fault(&RedisError::from(error.clone()))
}

/// Whether the server does not know the script of an `EVALSHA`.
pub(crate) fn is_unknown_script(error: &ServerError) -> bool {
    error.kind() == Some(ServerErrorKind::NoScript)
}

/// Whether the server does not know the command `EVALSHA`, or does not permit it.
pub(crate) fn refuses_hashes(error: &ServerError) -> bool {
    let fault = server_fault(error);
    matches!(fault.kind, FaultKind::Unsupported | FaultKind::Permission)
        && fault.text.to_ascii_lowercase().contains("evalsha")
}

/// The fault of an error of the `redis` crate.
pub(crate) fn fault(error: &RedisError) -> Fault {
    let text = match (error.code(), error.detail()) {
        (Some(code), Some(detail)) => format!("{code} {detail}"),
        _ => error.to_string(),
    };
    let kind = match error.kind() {
        ErrorKind::AuthenticationFailed => FaultKind::Authentication,
        ErrorKind::Server(ServerErrorKind::NoPerm) => FaultKind::Permission,
        ErrorKind::Server(ServerErrorKind::NoScript) => FaultKind::NoScript,
        ErrorKind::Server(ServerErrorKind::ReadOnly) => FaultKind::ReadOnly,
        ErrorKind::Server(ServerErrorKind::BusyLoading) => FaultKind::Loading,
        ErrorKind::Io => {
            return Fault::unknown(
                if error.is_timeout() {
                    FaultKind::TimedOut
                } else {
                    FaultKind::Unreachable
                },
                text,
            );
        }
        _ => match error.code().unwrap_or_default() {
            "NOAUTH" | "WRONGPASS" | "DENIED" => FaultKind::Authentication,
            "MISCONF" | "NOREPLICAS" => FaultKind::Misconfigured,
            "OOM" => FaultKind::OutOfMemory,
            "WRONGTYPE" => FaultKind::WrongType,
            "MASTERDOWN" => FaultKind::ReadOnly,
            "MOVED" | "ASK" | "TRYAGAIN" => FaultKind::Moved,
            "NOPROTO" => FaultKind::Unsupported,
            _ if text.starts_with("ERR max number of clients") => FaultKind::TooManyClients,
            _ if text.starts_with("ERR unknown command") => FaultKind::Unsupported,
            _ => return Fault::unknown(wrapped(&text), text),
        },
    };
    // A script may have written something before it lacked a permission or memory.
    if kind == FaultKind::Permission || kind == FaultKind::OutOfMemory {
        Fault::unknown(kind, text)
    } else {
        Fault::untouched(kind, text)
    }
}

/// The class of an error that a script raised and the server wrapped. The script may have written
/// something before.
fn wrapped(text: &str) -> FaultKind {
    let said = |code: &str| {
        let mut words = text.split_whitespace();
        words.any(|word| word.trim_start_matches('-') == code)
    };
    match () {
        () if said("READONLY") => FaultKind::ReadOnly,
        () if said("OOM") => FaultKind::OutOfMemory,
        () if said("MISCONF") || said("NOREPLICAS") => FaultKind::Misconfigured,
        () if said("CLUSTERDOWN") => FaultKind::Unreachable,
        () if said("WRONGTYPE") => FaultKind::WrongType,
        () if LACKS_RIGHT.iter().any(|said| text.contains(said)) => FaultKind::Permission,
        () if text.contains("Unknown Redis command") => FaultKind::Unsupported,
        () => FaultKind::Other,
    }
}
