//! One client process: tasks that lock, work and let go, until its standard input says otherwise or ends.
//!
//! It says `ready` when it is connected. Told `drain`, every task takes one last turn, which it must get, and the
//! process says `idle`. Told `quit`, it closes and ends.

mod sample;
mod tasks;
mod turn;

use std::io::Write;
use std::rc::Rc;

use tokio::io::{AsyncBufReadExt, BufReader, stdin};
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet};

use crate::args::{ClientSettings, Problem};
use crate::history::Journal;
use crate::terms;
use sample::Sampler;
use turn::Client;

pub(crate) async fn run(settings: ClientSettings) -> Result<(), Problem> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    LocalSet::new().run_until(serve(settings)).await
}

async fn serve(settings: ClientSettings) -> Result<(), Problem> {
    let builder = terms::builder(&settings.nodes, settings.guard);
    let client = Rc::new(Client {
        redlock: builder.connect().await?,
        journal: Journal::create(&settings.history)?,
        sampler: Sampler::new(&settings.direct)?,
        name: settings.name,
        grants: 0.into(),
    });
    let (drain, draining) = watch::channel(false);
    let mut tasks = JoinSet::new();
    if settings.probe {
        tasks.spawn_local(tasks::probe(Rc::clone(&client), draining));
    } else {
        tasks.spawn_local(tasks::slow(
            Rc::clone(&client),
            settings.resource,
            draining.clone(),
        ));
        for _ in terms::QUICK_KEYS {
            tasks.spawn_local(tasks::quick(
                Rc::clone(&client),
                settings.resource,
                draining.clone(),
            ));
        }
        tasks.spawn_local(tasks::cold(Rc::clone(&client), draining));
    }
    say("ready");

    let mut orders = BufReader::new(stdin()).lines();
    let mut open = true;
    loop {
        tokio::select! {
            order = orders.next_line() => match order?.as_deref() {
                Some("drain") => { drain.send_replace(true); }
                Some("quit") => {
                    client.redlock.close().await;
                    return Ok(());
                }
                Some(other) => return Err(format!("`{other}` is no order").into()),
                // The harness is gone.
                None => return Ok(()),
            },
            ended = tasks.join_next(), if open => match ended {
                Some(ended) => ended??,
                None => {
                    open = false;
                    say("idle");
                }
            },
        }
    }
}

fn say(word: &str) {
    // Read by the harness line by line; where nobody reads any more, standard input has ended too.
    let _ = writeln!(std::io::stdout(), "{word}");
}
