//! The client's end of a connection to a node in memory: a byte stream, like a socket.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::Handle,
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{
    Node,
    network::Network,
    node::Inner,
    replies::{Read, Replies},
    server::{Wakers, Written},
};
use crate::env::sync::lock;

/// A connection. It is closed when it is dropped.
///
/// A writer has to read before it waits: a reply that arrives while the request is written wakes no
/// task.
pub(crate) struct Stream {
    node: Arc<Inner>,
    network: Arc<Network>,
    replies: Arc<Replies>,
    number: u64,
    /// Elapses when the next reply arrives.
    delay: Option<Pin<Box<Sleep>>>,
}

impl Node {
    /// Connects over the network with its current settings. Never completes if the network loses or
    /// holds back data.
    pub(crate) async fn connect(&self) -> io::Result<Stream> {
        let settings = self.network.now();
        if !settings.connects() {
            return std::future::pending().await;
        }
        pause(settings.delay).await;
        let accepted = self.accept();
        pause(settings.delay_replies).await;
        match accepted? {
            Some(stream) => Ok(stream),
            None => std::future::pending().await,
        }
    }

    /// `None` if the connection has to wait for a server that hangs.
    fn accept(&self) -> io::Result<Option<Stream>> {
        let mut server = lock(&self.inner.server);
        if server.condition.stopped {
            let refused = "the connection was refused";
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, refused));
        }
        let replies = Arc::default();
        let number = server.accept(&self.network, &replies);
        Ok(number.map(|number| Stream {
            node: Arc::clone(&self.inner),
            network: Arc::clone(&self.network),
            replies,
            number,
            delay: None,
        }))
    }
}

async fn pause(delay: std::time::Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(end) = self.replies.end() {
            return Poll::Ready(Err(end.error()));
        }
        let written = lock(&self.node.server).write(self.number, bytes, cx.waker());
        match ready!(written) {
            Ok(Written {
                wakers,
                start_delivery,
            }) => {
                wakers.wake_others(cx.waker());
                if start_delivery {
                    Delivery::start(&self.node, self.number);
                }
            }
            // The server has closed the connection. The client notices now, or when that arrives.
            Err(gone) => {
                if gone.resets(&self.replies, &self.network) {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let read = self.replies.read(cx.waker(), |arrived| {
                let taken = arrived.len().min(buf.remaining());
                buf.put_slice(&arrived[..taken]);
                taken
            });
            match read {
                Read::Bytes => return Poll::Ready(Ok(())),
                Read::End(end) => {
                    return Poll::Ready(match end {
                        super::replies::End::Closed => Ok(()),
                        reset @ super::replies::End::Reset => Err(reset.error()),
                    });
                }
                Read::Nothing => return Poll::Pending,
                Read::NotBefore(at) => {
                    let delay = self.delay.get_or_insert_with(|| Box::pin(sleep_until(at)));
                    if delay.deadline() != at {
                        delay.as_mut().reset(at);
                    }
                    ready!(delay.as_mut().poll(cx));
                }
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.replies.hang_up();
        let Written {
            wakers,
            start_delivery,
        } = lock(&self.node.server).hang_up(self.number);
        wakers.wake();
        if start_delivery {
            Delivery::start(&self.node, self.number);
        }
    }
}

/// Delivers delayed data of one connection, even if its client is frozen or gone. When it is
/// dropped, for example by a runtime that ends, everything arrives.
struct Delivery {
    node: Arc<Inner>,
    number: u64,
}

impl Delivery {
    fn start(node: &Arc<Inner>, number: u64) {
        let delivery = Self {
            node: Arc::clone(node),
            number,
        };
        // Without a runtime nothing can wait: the delivery is dropped, and everything arrives now.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                while let Some(next) = delivery.deliver(Some(Instant::now())) {
                    sleep_until(next).await;
                }
            });
        }
    }

    /// Returns when there is more to deliver.
    fn deliver(&self, now: Option<Instant>) -> Option<Instant> {
        let mut wakers = Wakers::default();
        let next = lock(&self.node.server).deliver_due(self.number, now, &mut wakers);
        wakers.wake();
        next
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.deliver(None);
    }
}
