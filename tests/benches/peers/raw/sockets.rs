//! The raw floor on blocking primitives: one thread, `poll`, no runtime.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::engine::Engine;
use crate::{
    load::{Load, Run},
    outcome::Outcome,
    recipe::{BatchRecipe, Recipe},
};

/// A connection to each node.
#[derive(Clone)]
pub(crate) struct Sockets {
    streams: Arc<Mutex<Vec<TcpStream>>>,
    recipe: Recipe,
    batches: Option<BatchRecipe>,
}

impl Sockets {
    pub(crate) fn connect(
        urls: &[String],
        recipe: Recipe,
        batches: Option<BatchRecipe>,
    ) -> Outcome<Self> {
        let streams = urls
            .iter()
            .map(|url| {
                let stream = TcpStream::connect(address(url))?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                Ok(stream)
            })
            .collect::<Outcome<_>>()?;
        Ok(Self {
            streams: Arc::new(Mutex::new(streams)),
            recipe,
            batches,
        })
    }

    pub(crate) async fn run(self, load: Load) -> Outcome<Run> {
        tokio::task::spawn_blocking(move || {
            let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            run(&mut streams, &load, &self.recipe, self.batches.as_ref())
        })
        .await?
    }
}

/// The host and port of a URL as the fixture makes them.
pub(crate) fn address(url: &str) -> &str {
    url.strip_prefix("redis://").unwrap_or(url)
}

fn run(
    streams: &mut [TcpStream],
    load: &Load,
    recipe: &Recipe,
    batches: Option<&BatchRecipe>,
) -> Outcome<Run> {
    let mut engine = Engine::start(load, streams.len(), recipe, batches);
    let mut buffer = vec![0; 1 << 16];
    while !engine.is_done() {
        engine.write_batches();
        let mut interest = Vec::with_capacity(streams.len());
        for (node, stream) in streams.iter_mut().enumerate() {
            let out = &mut engine.wire(node).out;
            flush(stream, out)?;
            interest.push(if out.is_empty() {
                PollFlags::IN
            } else {
                PollFlags::IN | PollFlags::OUT
            });
        }
        let mut looks: Vec<PollFd<'_>> = streams
            .iter()
            .zip(interest)
            .map(|(stream, interest)| PollFd::new(stream, interest))
            .collect();
        poll(
            &mut looks,
            Some(&Timespec {
                tv_sec: 5,
                tv_nsec: 0,
            }),
        )?;
        let ready: Vec<bool> = looks
            .iter()
            .map(|look| look.revents().contains(PollFlags::IN))
            .collect();
        if !ready.contains(&true) && looks.iter().all(|look| look.revents().is_empty()) {
            return Err("the servers do not answer".into());
        }
        for (node, stream) in streams.iter_mut().enumerate() {
            if ready[node] {
                match stream.read(&mut buffer) {
                    Ok(0) => return Err("a server closed the connection".into()),
                    Ok(length) => engine.read(node, &buffer[..length])?,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
    Ok(engine.finish())
}

fn flush(stream: &mut TcpStream, out: &mut Vec<u8>) -> Outcome<()> {
    while !out.is_empty() {
        match stream.write(out) {
            Ok(length) => drop(out.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
