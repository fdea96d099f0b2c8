//! One client process: tasks that lock, work and release until standard input says otherwise or
//! ends.
//!
//! It prints `ready` when it is connected. After `drain` every task runs one last cycle, which must
//! succeed; then the process prints `idle`. After `quit` it closes its client and exits.

mod cycle;
mod hold;
mod kinds;
mod sample;
mod tasks;

use std::io::Write;
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::args::{ClientSettings, Problem};
use crate::config;
use crate::history::Journal;
use cycle::Client;
use sample::Sampler;

pub(crate) async fn run(settings: ClientSettings) -> Result<(), Problem> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    LocalSet::new().run_until(serve(settings)).await
}

async fn serve(settings: ClientSettings) -> Result<(), Problem> {
    let builder = config::builder(&settings.nodes, settings.guard);
    let client = Rc::new(Client {
        redlock: builder.connect().await?,
        journal: Journal::create(&settings.history)?,
        sampler: Sampler::new(&settings.direct)?,
        name: settings.name.clone(),
        grants: 0.into(),
    });
    let (drain, draining) = watch::channel(false);
    let tasks = spawn_tasks(&settings, &client, &draining);
    print("ready");
    follow_orders(tasks, &client, &drain).await
}

fn spawn_tasks(
    settings: &ClientSettings,
    client: &Rc<Client>,
    draining: &watch::Receiver<bool>,
) -> JoinSet<Result<(), Problem>> {
    let mut tasks = JoinSet::new();
    let (client, draining) = (|| Rc::clone(client), || draining.clone());
    if settings.probe {
        tasks.spawn_local(tasks::probe(client(), draining()));
        return tasks;
    }
    let resource = || settings.resource.clone();
    tasks.spawn_local(tasks::slow(
        client(),
        resource(),
        draining(),
        settings.long_holds,
    ));
    for _ in config::QUICK_KEYS {
        tasks.spawn_local(tasks::quick(client(), resource(), draining()));
    }
    tasks.spawn_local(tasks::cold(client(), draining()));
    kinds::spawn(&mut tasks, settings, client, draining);
    tasks
}

/// Follows the orders on standard input.
async fn follow_orders(
    mut tasks: JoinSet<Result<(), Problem>>,
    client: &Client,
    drain: &watch::Sender<bool>,
) -> Result<(), Problem> {
    let mut orders = BufReader::new(stdin()).lines();
    let mut idle = false;
    loop {
        tokio::select! {
            order = orders.next_line() => match order?.as_deref() {
                Some("drain") => { drain.send_replace(true); }
                Some("quit") => {
                    client.redlock.close().await;
                    return Ok(());
                }
                Some(other) => return Err(format!("unknown order `{other}`").into()),
                // The harness has exited.
                None => return Ok(()),
            },
            ended = tasks.join_next(), if !idle => match ended {
                Some(ended) => ended??,
                None => {
                    idle = true;
                    print("idle");
                }
            },
        }
    }
}

fn print(word: &str) {
    // Fails when the harness has exited; then standard input has ended as well.
    let _ = writeln!(std::io::stdout(), "{word}");
}
