//! A web service in actix-web whose users order one at a time, over all of its instances.
//!
//! `cargo run --manifest-path tests/frameworks/Cargo.toml --bin actix`, and in two terminals
//! `curl -i -X POST -H 'x-user-id: ann' http://127.0.0.1:3000/orders`: the second one is answered with 409 while the first
//! one runs. Arguments: the address to listen at, and how many seconds an order takes. `REDIS_URLS` names the nodes,
//! separated by commas; without it, they are in this process.

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    middleware::from_fn,
    web::{Data, post},
};
use frameworks::actix::one_at_a_time;
use redlock::{Redlock, memory::Nodes};
use std::{env, error::Error, time::Duration};

struct Takes(Duration);

async fn order(request: HttpRequest, takes: Data<Takes>) -> HttpResponse {
    let user = request.headers().get("x-user-id");
    println!("order of {user:?} begins");
    tokio::time::sleep(takes.0).await;
    println!("order of {user:?} ends");
    HttpResponse::Created().body("ordered\n")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next();
    let seconds = arguments.next().map_or(Ok(5), |seconds| seconds.parse())?;
    let redlock = match env::var("REDIS_URLS") {
        Ok(urls) => Redlock::connect(urls.split(',')).await?,
        Err(_) => Redlock::connect(Nodes::new(3).nodes()).await?,
    };
    let (locks, takes) = (
        Data::new(redlock.clone()),
        Data::new(Takes(Duration::from_secs(seconds))),
    );
    let server = HttpServer::new(move || {
        App::new()
            .app_data(locks.clone())
            .app_data(takes.clone())
            .wrap(from_fn(one_at_a_time))
            .route("/orders", post().to(order))
    });
    let server = server.bind(address.as_deref().unwrap_or("127.0.0.1:3000"))?;
    for address in server.addrs() {
        println!("listens at {address}");
    }
    server.run().await?; // until Ctrl+C; orders that run are finished
    redlock.close().await; // their releases are delivered
    Ok(())
}
