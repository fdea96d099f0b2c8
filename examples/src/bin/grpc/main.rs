//! A layer around a tonic service: of two calls of one user at once, one is rejected with a gRPC status and the time to try again.

mod shop;

use std::{net::SocketAddr, process::ExitCode};

use examples::{Locks, say};
use redlock_tower::{RedlockLayer, key};
use shop::{ShopClient, ShopServer};
use tonic::transport::{Error, Server, server::TcpIncoming};

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "grpc",
        "A layer around a tonic service: of two calls of one user at once, one is rejected with a gRPC status and the time to try \
         again",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let locks = Locks::from_env().await?;
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let incoming = TcpIncoming::bind(listen).map_err(|error| error.to_string())?;
    let address = incoming.local_addr().map_err(|error| error.to_string())?;

    // One order of a user at a time. `grpc`: keys belong to the method, and rejections are gRPC statuses.
    let one_per_user = RedlockLayer::new(locks.redlock, key::header("x-user-id"))
        .grpc()
        .no_wait();
    let server = Server::builder()
        .layer(one_per_user)
        .add_service(ShopServer);
    tokio::spawn(server.serve_with_incoming(incoming));

    call(address).await.map_err(|error| error.to_string())
}

async fn call(address: SocketAddr) -> Result<(), Error> {
    let client = ShopClient::connect(address).await?;
    let (first, second, other) = tokio::join!(
        client.order("ada", "tea"),
        client.order("ada", "tea"),
        client.order("bob", "tea"),
    );
    for (user, answer) in [("ada", first), ("ada", second), ("bob", other)] {
        match answer {
            Ok(answer) => say(format_args!("{user}: {answer}")),
            Err(status) => say(format_args!(
                "{user}: {:?}, to be tried again in {} ms",
                status.code(),
                pushback(&status)
            )),
        }
    }
    Ok(())
}

/// What clients with retries of their own, such as grpc-java, obey.
fn pushback(status: &tonic::Status) -> &str {
    let pushback = status.metadata().get("grpc-retry-pushback-ms");
    let pushback = pushback.and_then(|ms| ms.to_str().ok());
    pushback.unwrap_or("some")
}
