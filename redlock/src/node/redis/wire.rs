//! A connection to a server: commands out, replies in, in order.
//!
//! Nothing here waits by itself. The owner writes commands into a buffer, and polls for sending it
//! and for the replies. One write and one read carry as many of them as there are.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncReadExt as _, AsyncWrite as _};

use super::{
    credentials::Secret,
    socket::{self, Dialer, Server, Socket, access::Login},
};
use crate::{
    fault::{Fault, FaultKind},
    resp::{self, Length, Skip, Value},
};

/// Minimum room for a read.
const READ: usize = 4 * 1024;
/// Larger buffers are shrunk when they are empty.
const KEEP: usize = 256 * 1024;

/// A connection, its unsent commands, and its unread replies.
pub(super) struct Wire {
    socket: Box<dyn Socket>,
    unsent: Vec<u8>,
    sent: usize,
    flushed: bool,
    unread: Vec<u8>,
    taken: usize,
    /// A reply that is too long and is being skipped, with its first byte.
    skip: Option<(Skip, u8)>,
    /// Errors of the server must not repeat them: the password of the last login, and that of the one before.
    passwords: [Secret; 2],
}

impl Wire {
    pub(super) async fn open(
        server: Server<'_>,
        login: &Login,
        dialer: &Dialer,
    ) -> Result<Self, Fault> {
        Ok(Self {
            socket: dialer.connect(server).await?,
            unsent: Vec::with_capacity(READ),
            sent: 0,
            flushed: true,
            unread: Vec::with_capacity(READ),
            taken: 0,
            skip: None,
            passwords: [
                login.password.clone().unwrap_or_default(),
                Secret::default(),
            ],
        })
    }

    /// A further login is written.
    pub(super) fn logs_in_again(&mut self, login: &Login) {
        self.passwords.swap(0, 1);
        self.passwords[0] = login.password.clone().unwrap_or_default();
    }

    /// Where commands are written, to be sent by the next flush.
    pub(super) fn out(&mut self) -> &mut Vec<u8> {
        &mut self.unsent
    }

    /// Sends what was written. Ready when everything was sent.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        while self.sent < self.unsent.len() {
            self.flushed = false;
            let rest = &self.unsent[self.sent..];
            let sent = ready!(Pin::new(&mut self.socket).poll_write(cx, rest));
            match sent {
                Ok(0) => return Poll::Ready(Err(closed())),
                Ok(sent) => self.sent += sent,
                Err(error) => return Poll::Ready(Err(broken(&error))),
            }
        }
        self.unsent.clear();
        self.sent = 0;
        if self.unsent.capacity() > KEEP {
            self.unsent.shrink_to(READ);
        }
        if !self.flushed {
            ready!(Pin::new(&mut self.socket).poll_flush(cx)).map_err(|error| broken(&error))?;
            self.flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// The next reply or push.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Value, Fault>> {
        loop {
            if let Some(value) = self.take()? {
                return Poll::Ready(Ok(value));
            }
            self.unread.drain(..self.taken);
            self.taken = 0;
            if self.unread.is_empty() && self.unread.capacity() > KEEP {
                self.unread.shrink_to(READ);
            }
            self.unread.reserve(READ);
            match ready!(pin!(self.socket.read_buf(&mut self.unread)).poll(cx)) {
                Ok(0) => return Poll::Ready(Err(closed())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(broken(&error))),
            }
        }
    }

    /// Takes the next reply out of what was read.
    fn take(&mut self) -> Result<Option<Value>, Fault> {
        loop {
            let unread = &self.unread[self.taken..];
            if let Some((skip, first)) = &mut self.skip {
                self.taken += skip.advance(unread)?;
                if !skip.is_over() {
                    return Ok(None);
                }
                let skipped = resp::skipped(*first);
                self.skip = None;
                if skipped.is_some() {
                    return Ok(skipped);
                }
                continue;
            }
            match resp::length(unread)? {
                Length::Whole(length) => {
                    let value = match &unread[..length] {
                        error @ [b'-' | b'!', ..] => {
                            resp::parse(&without_secrets(&self.passwords, error))?
                        }
                        answer => resp::parse_with(answer, |error| {
                            without_secrets(&self.passwords, error)
                        })?,
                    };
                    self.taken += length;
                    return Ok(Some(value));
                }
                Length::Partial => return Ok(None),
                Length::TooLong => {
                    let first = unread.first().copied().unwrap_or_default();
                    self.skip = Some((Skip::new(), first));
                }
            }
        }
    }

    /// Sends what was written and reads the next reply. Pushes are ignored.
    pub(super) async fn next(&mut self) -> Result<Value, Fault> {
        loop {
            let answer = poll_fn(|cx| {
                if let Poll::Ready(Err(fault)) = self.poll_flush(cx) {
                    return Poll::Ready(Err(fault));
                }
                self.poll_answer(cx)
            });
            match answer.await? {
                Value::Push { .. } => {}
                answer => return Ok(answer),
            }
        }
    }
}

/// The error without the arguments that servers repeat, and without any text that contains a password: a proxy may repeat
/// it whatever the command was.
fn without_secrets(passwords: &[Secret], error: &[u8]) -> Vec<u8> {
    /// A shorter password is part of ordinary words.
    const MIN: usize = 4;
    let text = String::from_utf8_lossy(error);
    // In one line or, in version 3, behind its length.
    let text = match text.strip_prefix('!') {
        Some(long) => long.split_once('\n').unwrap_or_default().1,
        None => text.get(1..).unwrap_or_default(),
    };
    let text = text.split(", with args").next().unwrap_or_default().trim();
    let shows_one = |text: &str| {
        let mut passwords = passwords.iter().map(Secret::reveal);
        passwords.any(|password| password.len() >= MIN && text.contains(password))
    };
    let text = match shows_one(text) {
        true => {
            let code = text.split(' ').next().unwrap_or_default();
            let code = if shows_one(code) { "ERR" } else { code };
            format!("{code} the words of this error hold the password, so they are left out")
        }
        false => text.replace(['\r', '\n'], " "),
    };
    format!("-{text}\r\n").into_bytes()
}

fn closed() -> Fault {
    Fault::unknown(FaultKind::Unreachable, "the server closed the connection")
}

fn broken(error: &std::io::Error) -> Fault {
    Fault::unknown(FaultKind::Unreachable, socket::text(error))
}
