//! A background job that takes the lock along: the handler answers 202 at once, and a second request is rejected until the job ends.

use std::{process::ExitCode, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, request::Parts},
    routing::post,
};
use examples::{Locks, say};
use redlock::{Guard, Redlock, Ticket};
use redlock_tower::{HeldLock, RedlockLayer, key::Key};
use tokio::{sync::mpsc, time::sleep};
use tower::ServiceExt;

#[tokio::main]
async fn main() -> ExitCode {
    examples::no_options(
        "background",
        "A background job that takes the lock along: the handler answers 202 at once, and a second request is rejected until the \
         job ends",
        examples::REDIS_URLS,
    );
    examples::exit_code(run().await)
}

async fn run() -> Result<(), String> {
    let redlock = Locks::from_env().await?.redlock;
    let (queue, jobs) = mpsc::channel(1);
    let one_per_user = RedlockLayer::new(redlock.clone(), lock_of_user).no_wait();
    let app = Router::new()
        .route("/exports", post(in_this_process))
        .route(
            "/reports",
            post(move |held| in_a_worker(held, queue.clone())),
        )
        .layer(one_per_user);
    let worker = tokio::spawn(worker(redlock.clone(), jobs));

    for path in ["/exports", "/reports"] {
        say(format_args!("{path}: {}", submit(&app, path).await?));
        say(format_args!("{path} again: {}", submit(&app, path).await?));
        // Waits as the next request of this user may do: until the job has released the lock.
        let free = redlock
            .lock("files:ada")
            .wait(Duration::from_secs(10))
            .await;
        drop(free.map_err(|error| error.to_string())?);
        say(format_args!("{path}: the lock is free again"));
    }
    drop(app);
    worker.await.map_err(|panic| panic.to_string())
}

/// A key that other code locks too: the exports and reports of one user share it.
fn lock_of_user(parts: &Parts) -> Option<Key> {
    let user = parts.headers.get("x-user-id")?.to_str().ok()?;
    Some(Key::exact(format!("files:{}", redlock::key::part(user))))
}

/// The guard moves into a task of this process.
async fn in_this_process(held: HeldLock) -> StatusCode {
    let Some(guard) = held.into_guard() else {
        return StatusCode::CONFLICT; // it was lost meanwhile
    };
    tokio::spawn(job("the export", guard));
    StatusCode::ACCEPTED
}

/// The lock moves to another process: as a ticket in the message. It is never free in between.
async fn in_a_worker(held: HeldLock, queue: mpsc::Sender<String>) -> StatusCode {
    let ticket = held.into_guard().map(Guard::detach);
    let Some(Ok(ticket)) = ticket else {
        return StatusCode::CONFLICT;
    };
    match queue.send(ticket.to_string()).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE, // nobody adopts it: the lock expires
    }
}

async fn worker(redlock: Redlock, mut jobs: mpsc::Receiver<String>) {
    while let Some(message) = jobs.recv().await {
        let Ok(ticket) = message.parse::<Ticket>() else {
            continue;
        };
        match redlock.adopt(&ticket).await {
            Ok(guard) => job("the report", guard).await,
            Err(error) => say(format_args!("the ticket came too late: {error}")),
        }
    }
}

/// Runs under the lock, which is renewed, and stops if it is lost.
async fn job(name: &str, guard: Guard) {
    let token = guard.token();
    let outcome = guard.run(async {
        say(format_args!("{name} runs with token {token}"));
        sleep(Duration::from_millis(300)).await;
        say(format_args!("{name} is done"));
    });
    if let Err(error) = outcome.await {
        say(format_args!("{name} was stopped: {error}"));
    }
}

async fn submit(app: &Router, path: &str) -> Result<StatusCode, String> {
    let request = Request::post(path)
        .header("x-user-id", "ada")
        .body(Body::empty())
        .map_err(|error| error.to_string())?;
    let Ok(answer) = app.clone().oneshot(request).await;
    Ok(answer.status())
}
