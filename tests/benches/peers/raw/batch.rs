//! Several commands in one script call, as this crate sends them: see `redlock/src/command/batch/begin.lua`.

use crate::{load::Load, recipe::BatchRecipe};

/// The most commands of a call.
const MAX_BATCH: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Acquire,
    Release,
}

/// A command that waits for the next call.
struct Waiting {
    kind: Kind,
    slot: usize,
    owner: u64,
    token: u64,
}

/// The commands that wait, and what their calls are made of.
pub(super) struct Batches {
    recipe: BatchRecipe,
    /// The lock, the fence and the waitlist of each slot.
    names: Vec<[String; 3]>,
    waiting: Vec<Waiting>,
}

impl Batches {
    pub(super) fn new(recipe: &BatchRecipe, load: &Load) -> Self {
        let names = (0..load.tasks).map(|task| {
            let lock = load.keys.of(task);
            let fence = format!("{{{lock}}}{{}}:fence");
            let waitlist = format!("{{{lock}}}{{}}:waiters");
            [lock, fence, waitlist]
        });
        Self {
            recipe: recipe.clone(),
            names: names.collect(),
            waiting: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, kind: Kind, slot: usize, owner: u64, token: u64) {
        self.waiting.push(Waiting {
            kind,
            slot,
            owner,
            token,
        });
    }

    /// The calls with all that waits, in its order. No lock is in two commands at once here.
    pub(super) fn calls(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for commands in self.waiting.chunks(MAX_BATCH) {
            self.call(commands, &mut out);
        }
        self.waiting.clear();
        out
    }

    fn call(&self, commands: &[Waiting], out: &mut Vec<u8>) {
        let releases = || {
            commands
                .iter()
                .filter(|command| command.kind == Kind::Release)
        };
        let letters: Vec<u8> = commands.iter().map(Waiting::letter).collect();
        let keys = 2 * commands.len() + releases().count();
        let args: usize = commands.iter().map(Waiting::args).sum();
        out.extend_from_slice(format!("*{}\r\n", 6 + keys + args).as_bytes());
        word(b"EVALSHA", out);
        word(&self.recipe.hash, out);
        word(keys.to_string().as_bytes(), out);
        for place in 0..2 {
            for command in commands {
                word(self.names[command.slot][place].as_bytes(), out);
            }
        }
        for command in releases() {
            word(self.names[command.slot][2].as_bytes(), out);
        }
        word(&letters, out);
        word(&self.recipe.retention, out);
        word(&self.recipe.channel, out);
        for command in commands {
            word(format!("{:032x}", command.owner).as_bytes(), out);
            match command.kind {
                Kind::Acquire => {
                    word(&self.recipe.ttl, out);
                    word(command.token.to_string().as_bytes(), out);
                }
                // The tombstone.
                Kind::Release => word((command.token + 1).to_string().as_bytes(), out),
            }
        }
    }
}

impl Waiting {
    fn letter(&self) -> u8 {
        match self.kind {
            Kind::Acquire => b'a',
            Kind::Release => b'r',
        }
    }

    fn args(&self) -> usize {
        match self.kind {
            Kind::Acquire => 3,
            Kind::Release => 2,
        }
    }
}

fn word(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}
