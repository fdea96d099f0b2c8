//! Reading: delivers replies to their rounds, and notifications to waiters.

use std::task::{Context, Poll};

use super::{
    super::in_flight::{InFlightCommand, OwnCommand},
    Open,
    write::first_step,
};
use crate::{
    command::{self, Answer, BatchReply, NodeRecord, Reply},
    env::clock,
    events::node as events,
    fault::{Fault, FaultKind},
    key::waited_for,
    node::{
        Operation,
        redis::Incoming,
        trust::known::Forgot,
        trust::lists::{Announced, is_temporary},
    },
    resp::{self, Value},
};

/// How soon the node list is announced again to a node that cannot answer now.
const ANNOUNCE_AGAIN: std::time::Duration = std::time::Duration::from_millis(200);

impl Open<'_> {
    /// Delivers everything that has arrived. Returns whether anything did.
    pub(super) fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Fault> {
        let Poll::Ready(first) = self.connection.poll_incoming(cx) else {
            return Ok(false);
        };
        let (now, barred) = (self.shared.clock.now(), self.shared.state.barred());
        let unconfirmed = || {
            self.shared
                .strict
                .as_ref()
                .and(self.connection.unconfirmed(now))
        };
        let barred = barred.or_else(unconfirmed);
        let mut next = first;
        loop {
            match next? {
                Incoming::Answer(reply) => self.deliver(&reply, now, barred.as_ref())?,
                Incoming::Free { key, by } => self.shared.notified(&key, by),
                Incoming::Emptied => {
                    self.shared.lists.require_announcement(self.shared.index);
                    self.shared.forgot(Forgot::Emptied);
                    self.must_announce = true;
                    if self.shared.strict.is_some() {
                        // It may be a replica now. After a promotion its marker is another one, which only a new connection
                        // knows.
                        return Err(Fault::unknown(FaultKind::Other, "the node lost its data"));
                    }
                }
            }
            match self.connection.poll_incoming(cx) {
                Poll::Ready(incoming) => next = incoming,
                Poll::Pending => break,
            }
        }
        self.note_activity();
        Ok(true)
    }

    /// Delivers a reply to its owner. The error says why the connection ends.
    fn deliver(
        &mut self,
        reply: &Value,
        now: clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let Some(command) = self.in_flight.pop() else {
            return Err(Fault::unknown(
                FaultKind::Other,
                "the server answered more than it was asked",
            ));
        };
        if let Value::ServerError(error) = reply
            && resp::refuses_hashes(error)
        {
            self.connection.always_send_source();
            self.shared.state.hashes_refused();
        }
        match command {
            Ok(command) => self.deliver_reply(command, reply, now, barred),
            Err(OwnCommand::Unread) => Ok(()),
            Err(OwnCommand::Login) => {
                self.deliver_login(reply);
                Ok(())
            }
            Err(OwnCommand::Announcement(announced)) => {
                self.deliver_record(&announced, reply);
                Ok(())
            }
            Err(OwnCommand::Batch(count)) => self.deliver_batch(count, reply, now, barred),
        }
    }

    /// Hands the reply to a batch to its commands, which are the next `count` in flight.
    fn deliver_batch(
        &mut self,
        count: usize,
        reply: &Value,
        now: clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let decoded = command::decode_batch(reply, count);
        match decoded {
            BatchReply::Each(_) => self.batch.succeeded(),
            BatchReply::Refused { needs_source: true } => self.connection.forget_scripts(),
            BatchReply::Refused { .. } | BatchReply::Unknown(_) => self.batch.failed(),
        }
        let mut delivered = Ok(());
        for place in 0..count {
            let Some(Ok(command)) = self.in_flight.pop() else {
                break;
            };
            // All of them are delivered, even if the first one ends the connection.
            let next = match &decoded {
                BatchReply::Each(replies) => {
                    self.deliver_reply(command, &replies[place], now, barred)
                }
                BatchReply::Refused { .. } => {
                    self.send_missed(command);
                    Ok(())
                }
                BatchReply::Unknown(fault) => {
                    self.deliver_vote(&command.op, Reply::Failed(fault.clone()), now, barred)
                }
            };
            delivered = delivered.and(next);
        }
        delivered
    }

    /// Sends a command again, alone, that the server refused before it was carried out.
    fn send_missed(&mut self, command: InFlightCommand) {
        self.has_misses = true;
        self.resend.push(InFlightCommand {
            missed: true,
            ..command
        });
    }

    /// Hands the reply to a command to its round.
    fn deliver_reply(
        &mut self,
        command: InFlightCommand,
        reply: &Value,
        now: clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let InFlightCommand {
            op,
            step,
            again,
            missed,
        } = command;
        let answer = command::decode(op.sink.request(), step, reply);
        if answer.shows_a_holder() && self.is_overtaken(&op) {
            let step = first_step(&op);
            self.resend.push(InFlightCommand {
                op,
                step,
                again,
                missed,
            });
            return Ok(());
        }
        match answer {
            Answer::Next(step) => {
                let missed = missed || step.has_source();
                self.has_misses |= missed;
                self.resend.push(InFlightCommand {
                    op,
                    step,
                    again,
                    missed,
                });
                Ok(())
            }
            Answer::Vote(Reply::Failed(fault))
                if fault.kind == FaultKind::Moved && !self.shared.is_redirected =>
            {
                self.deliver_vote(&op, Reply::Failed(with_scheme(fault)), now, barred)
            }
            Answer::Vote(reply) => self.deliver_vote(&op, reply, now, barred),
        }
    }

    /// Delivers a vote to its round, unless it does not count.
    fn deliver_vote(
        &mut self,
        op: &Operation,
        reply: Reply,
        now: clock::Instant,
        barred: Option<&Fault>,
    ) -> Result<(), Fault> {
        let request = op.sink.request();
        if matches!(reply, Reply::Notified)
            && let Some(nodes) = self.shared.nodes.upgrade()
        {
            let key = waited_for(request.key.lock());
            nodes.notifications.deferrals().add(&key);
        }
        // The node was demoted. The next connection finds out who the master is, and whether this
        // server may vote at all.
        let demoted = match &reply {
            Reply::Failed(fault) if fault.kind == FaultKind::ReadOnly => Some(fault.clone()),
            _ => None,
        };
        if matches!(&reply, Reply::Failed(fault) if fault.kind == FaultKind::Loading) {
            self.shared.forgot(Forgot::Loads);
        }
        if op.must_arrive() {
            self.defer_unless_done(op, &reply, now);
        }
        op.answer(match barred {
            Some(fault) => Reply::Failed(fault.clone().with_outcome(false)),
            None => {
                let reply = self.shared.state.apply_quarantine(reply, now);
                let (lists, index) = (&self.shared.lists, self.shared.index);
                lists.apply_quarantine(index, &request.command, reply, now)
            }
        });
        demoted.map_or(Ok(()), Err)
    }

    fn deliver_login(&mut self, reply: &Value) {
        let node = self.shared.state.name();
        match self.connection.read_new_login(reply) {
            Ok(()) => events::credentials_renewed(node),
            Err(fault) => events::credentials_refused(node, &fault),
        }
    }

    fn deliver_record(&mut self, announced: &Announced, reply: &Value) {
        let record = NodeRecord::decode(reply);
        if record.as_ref().is_err_and(is_temporary) {
            let pause = self.shared.jittered(ANNOUNCE_AGAIN);
            self.announce_at = tokio::time::Instant::now() + pause;
        }
        self.shared.announcement_answered(announced, record);
    }

    /// Whether a command that was sent before `op`, and that ends the hold for which `op` was
    /// refused, has not been carried out yet because the server refused it at first. Then `op` is
    /// sent again behind it.
    fn is_overtaken(&mut self, op: &Operation) -> bool {
        if !self.has_misses {
            return false;
        }
        let key = &op.sink.request().key;
        let commands = self.resend.commands().chain(self.in_flight.commands());
        let mut missed = commands.filter(|command| command.missed).peekable();
        self.has_misses = missed.peek().is_some();
        missed.any(|earlier| {
            let request = earlier.op.sink.request();
            request.command.ends_a_hold() && request.key == *key
        })
    }
}

/// Adds the remedy to a redirection by a node whose address names a single server.
fn with_scheme(fault: Fault) -> Fault {
    Fault {
        text: format!(
            "{fault}: the server is one of a Redis Cluster, write the node's address as redis+cluster://host,host2"
        )
        .into(),
        lasting: true,
        ..fault
    }
}
