//! The raw floor in one task of the runtime: what a program pays that does nothing but this, but asynchronously.

use std::{future::poll_fn, io::ErrorKind, pin::Pin, sync::Arc, task::Poll};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
    sync::Mutex,
};

use super::{engine::Engine, sockets::address};
use crate::{
    load::{Load, Run},
    outcome::Outcome,
    recipe::Recipe,
};

/// A connection to each node.
#[derive(Clone)]
pub(crate) struct Streams {
    streams: Arc<Mutex<Vec<TcpStream>>>,
    recipe: Recipe,
}

impl Streams {
    pub(crate) async fn connect(urls: &[String], recipe: Recipe) -> Outcome<Self> {
        let mut streams = Vec::with_capacity(urls.len());
        for url in urls {
            let stream = TcpStream::connect(address(url)).await?;
            stream.set_nodelay(true)?;
            streams.push(stream);
        }
        Ok(Self {
            streams: Arc::new(Mutex::new(streams)),
            recipe,
        })
    }

    pub(crate) async fn run(self, load: Load) -> Outcome<Run> {
        let mut streams = self.streams.lock_owned().await;
        // A task of the runtime, as the others have: the caller may be outside of its threads.
        tokio::spawn(async move { run(&mut streams, &load, &self.recipe).await }).await?
    }
}

async fn run(streams: &mut [TcpStream], load: &Load, recipe: &Recipe) -> Outcome<Run> {
    let mut engine = Engine::start(load, streams.len(), recipe, None);
    let mut buffer = vec![0; 1 << 16];
    while !engine.is_done() {
        for (node, stream) in streams.iter().enumerate() {
            let out = &mut engine.wire(node).out;
            while !out.is_empty() {
                match stream.try_write(out) {
                    Ok(length) => drop(out.drain(..length)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        stream.writable().await?;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        poll_fn(|cx| {
            let mut any = false;
            for (node, stream) in streams.iter_mut().enumerate() {
                let mut into = ReadBuf::new(&mut buffer);
                match Pin::new(stream).poll_read(cx, &mut into) {
                    Poll::Ready(Ok(())) if into.filled().is_empty() => {
                        return Poll::Ready(Err("a server closed the connection".into()));
                    }
                    Poll::Ready(Ok(())) => {
                        any = true;
                        if let Err(error) = engine.read(node, into.filled()) {
                            return Poll::Ready(Err(error));
                        }
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
                    Poll::Pending => {}
                }
            }
            if any {
                Poll::Ready(Outcome::Ok(()))
            } else {
                Poll::Pending
            }
        })
        .await?;
    }
    Ok(engine.finish())
}
