//! The port: from `PORT`, bound on the loopback interface only.

use std::io::ErrorKind;

use tokio::net::TcpListener;

/// Binds 127.0.0.1 on `PORT`, or on 3000 if it is unset or empty.
///
/// # Errors
///
/// One sentence with the remedy, if the port is invalid, in use, or needs more rights.
pub(crate) async fn listen() -> Result<TcpListener, String> {
    let port = match std::env::var_os("PORT").filter(|value| !value.is_empty()) {
        None => 3000,
        Some(value) => value
            .to_str()
            .and_then(|text| text.trim().parse::<u16>().ok())
            .ok_or_else(|| {
                format!(
                    "PORT is `{}`, which is no port; write a number up to 65535, as in PORT=3001",
                    value.to_string_lossy()
                )
            })?,
    };
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            format!("port {port} of 127.0.0.1 is in use; stop the program that has it, or choose another with PORT=3001")
        }
        ErrorKind::PermissionDenied => {
            format!("port {port} of 127.0.0.1 may not be opened with your rights; choose one above 1023, as in PORT=3001")
        }
        _ => format!("port {port} of 127.0.0.1 cannot be opened ({error}); choose another with PORT=3001"),
    })
}
