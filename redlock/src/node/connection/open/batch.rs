//! Collects commands for one script call: commands for different locks that wait for the connection
//! at the same time.

use super::super::in_flight::InFlightCommand;
use crate::{
    command::{MAX_BATCH, Request, Scope, Step},
    node::redis::Target,
};

/// Fewer commands are sent one by one, since a call for so few saves the server no time.
const MIN_COMMANDS: usize = 4;
/// The same for a node in memory. A smaller number, so that tests with few locks use batches.
const MIN_IN_MEMORY: usize = 2;
/// Maximum length of a call in bytes, so that it does not delay later commands.
const MAX_BYTES: usize = 64 * 1024;
/// Maximum length of a command without its keys, in bytes.
const ARGUMENTS: usize = 256;
/// After a refused batch, this many commands are sent one by one. The number doubles with each
/// further refusal in a row, up to [`MAX_PAUSE`], since a proxy may refuse all batches.
const MIN_PAUSE: u32 = 256;
const MAX_PAUSE: u32 = 65_536;

/// The commands of the next call. Empty between polls; kept for its capacity.
pub(super) struct Batch {
    /// Commands that begin a hold. They come first, since they may need memory: see `run.lua`.
    beginning: Vec<InFlightCommand>,
    others: Vec<InFlightCommand>,
    /// The [`group_hash`](crate::key::Key::group_hash) of each. Where two locks have the same by
    /// chance, the batch ends early, which does no harm.
    locks: Vec<u32>,
    bytes: usize,
    /// How many more commands are sent one by one.
    pause: u32,
    next_pause: u32,
    /// With fewer commands no call is made. `None`: all commands are sent one by one.
    least: Option<usize>,
}

impl Batch {
    /// For a connection to a node.
    pub(super) fn to(target: &Target) -> Self {
        Self::of(match target.memory() {
            Some(_) => Some(MIN_IN_MEMORY),
            None => Some(MIN_COMMANDS),
        })
    }

    /// For a server of a cluster, where a call is limited to one slot and two keys rarely share
    /// one.
    pub(super) fn none() -> Self {
        Self::of(None)
    }

    fn of(least: Option<usize>) -> Self {
        Self {
            beginning: Vec::new(),
            others: Vec::new(),
            locks: Vec::new(),
            bytes: 0,
            pause: 0,
            next_pause: MIN_PAUSE,
            least,
        }
    }

    /// Whether a command may be sent in a batch.
    pub(super) fn accepts(&mut self, command: &InFlightCommand) -> bool {
        let is_batchable = self.least.is_some()
            && command.step == Step::FIRST
            && command.op.sink.request().command.is_batchable();
        if !is_batchable || self.pause == 0 {
            return is_batchable;
        }
        self.pause -= 1;
        false
    }

    /// Whether a command that is sent alone has to wait for the batch, so that commands for one
    /// lock keep their order.
    pub(super) fn precedes(&self, request: &Request) -> bool {
        let is_for_all = request.command.facts().scope == Scope::Node;
        !self.locks.is_empty() && (is_for_all || self.concerns(request))
    }

    fn concerns(&self, request: &Request) -> bool {
        self.locks.contains(&request.key.group_hash())
    }

    /// Adds a command, or returns it if it belongs into the next batch.
    pub(super) fn push(&mut self, command: InFlightCommand) -> Result<(), InFlightCommand> {
        let request = command.op.sink.request();
        // All of its keys are about as long as the fence.
        let bytes = ARGUMENTS + 3 * request.key.fence().len();
        let is_full = self.locks.len() >= MAX_BATCH || self.bytes + bytes > MAX_BYTES;
        if !self.locks.is_empty() && (is_full || self.concerns(request)) {
            return Err(command);
        }
        self.bytes += bytes;
        self.locks.push(request.key.group_hash());
        match request.command.begins_a_hold() {
            true => self.beginning.push(command),
            false => self.others.push(command),
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.locks.len()
    }

    /// Whether it is large enough for a call.
    pub(super) fn is_worthwhile(&self) -> bool {
        self.least.is_some_and(|least| self.len() >= least)
    }

    /// The requests in the order of the call.
    pub(super) fn requests(&self) -> impl Iterator<Item = &Request> {
        let commands = self.beginning.iter().chain(&self.others);
        commands.map(|command| command.op.sink.request())
    }

    /// Takes the commands out, in the order of the call.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = InFlightCommand> {
        self.locks.clear();
        self.bytes = 0;
        self.beginning.drain(..).chain(self.others.drain(..))
    }

    /// A batch was carried out.
    pub(super) fn succeeded(&mut self) {
        self.next_pause = MIN_PAUSE;
    }

    /// A batch was refused, or ended in an error.
    pub(super) fn failed(&mut self) {
        self.pause = self.next_pause;
        self.next_pause = (self.next_pause * 2).min(MAX_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        command::{Acquire, Command, Owner, Ping, Release},
        key::Key,
        node::Operation,
    };

    fn command(key: &str, command: impl Into<Command>) -> InFlightCommand {
        InFlightCommand {
            op: Operation::unanswered(Key::new("", key).expect("a key"), command),
            step: Step::FIRST,
            again: false,
            missed: false,
        }
    }

    fn acquire(key: &str, token: Option<u64>) -> InFlightCommand {
        let acquire = Acquire {
            owner: Owner::of([0; 16], None),
            ttl: Duration::from_secs(1),
            token,
            last: None,
            inbox: None,
        };
        command(key, acquire)
    }

    fn release(key: &str) -> InFlightCommand {
        let release = Release {
            owner: Owner::of([0; 16], None),
            tombstone: None,
        };
        command(key, release)
    }

    fn keys(batch: &mut Batch) -> Vec<String> {
        let name = |command: InFlightCommand| command.op.sink.request().key.lock().to_owned();
        batch.drain().map(name).collect()
    }

    fn push(batch: &mut Batch, command: InFlightCommand) -> bool {
        batch.accepts(&command) && batch.push(command).is_ok()
    }

    #[test]
    fn a_second_command_for_a_lock_ends_the_batch() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        assert!(push(&mut batch, acquire("a", Some(1))));
        assert!(push(&mut batch, acquire("b", Some(1))));
        assert!(!push(&mut batch, release("a")), "behind its acquire");
        assert_eq!(keys(&mut batch), ["a", "b"]);
        assert!(push(&mut batch, release("a")), "the next batch");
    }

    #[test]
    fn permits_of_one_semaphore_share_a_waitlist_and_no_batch() {
        let permit = |number| {
            let release = release("a");
            let Request { key, command } = release.op.sink.request().clone();
            InFlightCommand {
                op: Operation::unanswered(key.permit(number), command),
                ..release
            }
        };
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        assert!(push(&mut batch, permit(1)));
        assert!(!push(&mut batch, permit(2)), "the same waitlist");
        assert!(push(&mut batch, release("a")), "the lock is another one");
    }

    #[test]
    fn commands_that_need_memory_come_first() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        for command in [release("a"), acquire("b", Some(1)), release("c")] {
            assert!(push(&mut batch, command));
        }
        assert_eq!(keys(&mut batch), ["b", "a", "c"]);
    }

    #[test]
    fn a_batch_is_bounded_in_commands_and_bytes() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        let pushed = (0..1_000).take_while(|n| push(&mut batch, release(&n.to_string())));
        assert_eq!(pushed.count(), MAX_BATCH);
        keys(&mut batch);
        let long = |n: usize| format!("{n}{}", "x".repeat(1_000));
        let pushed = (0..1_000).take_while(|n| push(&mut batch, release(&long(*n))));
        let pushed = pushed.count();
        assert!(pushed * 3_000 < MAX_BYTES && pushed > 10, "{pushed}");
    }

    #[test]
    fn few_commands_are_not_batched() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        for key in ["a", "b", "c"] {
            assert!(push(&mut batch, release(key)));
            assert!(!batch.is_worthwhile());
        }
        assert!(push(&mut batch, release("d")));
        assert!(batch.is_worthwhile());
    }

    #[test]
    fn plain_acquires_and_other_commands_are_sent_alone() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        assert!(!batch.accepts(&acquire("a", None)));
        assert!(!batch.accepts(&command("a", Ping)));
        let importing = InFlightCommand {
            step: Step::IMPORTING,
            ..release("a")
        };
        assert!(!batch.accepts(&importing));
        assert!(!Batch::none().accepts(&release("a")), "a cluster");
    }

    #[test]
    fn single_commands_keep_the_order_of_their_lock() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        let precedes =
            |batch: &Batch, command: &InFlightCommand| batch.precedes(command.op.sink.request());
        assert!(!precedes(&batch, &command("a", Ping)), "nothing waits");
        assert!(push(&mut batch, release("a")));
        assert!(precedes(&batch, &acquire("a", None)));
        assert!(!precedes(&batch, &acquire("b", None)));
        assert!(precedes(&batch, &command("b", Ping)), "it is for all keys");
    }

    #[test]
    fn a_refused_batch_is_followed_by_single_commands() {
        let mut batch = Batch::of(Some(MIN_COMMANDS));
        fn alone(batch: &mut Batch) -> usize {
            let mut commands = std::iter::repeat_with(|| release("a"));
            commands
                .by_ref()
                .take_while(|command| !batch.accepts(command))
                .count()
        }
        batch.failed();
        assert_eq!(alone(&mut batch), 256);
        batch.failed();
        assert_eq!(alone(&mut batch), 512, "longer each time");
        (0..20).for_each(|_| batch.failed());
        assert_eq!(alone(&mut batch), 65_536, "up to a bound");
        batch.succeeded();
        batch.failed();
        assert_eq!(alone(&mut batch), 256);
    }
}
