//! All locks of a run in one loop, without any I/O.

use std::{collections::VecDeque, time::Duration};

use super::{
    batch::{Batches, Kind},
    command::Template,
    reply,
};
use crate::{
    load::{Hold, Load, Log, Run},
    meter,
    outcome::Outcome,
    recipe::{BatchRecipe, Recipe, token_now},
};

/// What is locked, and what waits to be written.
pub(super) struct Engine {
    slots: Vec<Slot>,
    wires: Vec<Wire>,
    quorum: usize,
    time: Duration,
    begun: u64,
    cpu: Duration,
    end: u64,
    busy: usize,
    /// Commands that share calls, where they do.
    batches: Option<Batches>,
    /// How many tokens a cycle takes.
    tokens: u64,
    refused: Option<String>,
}

/// One lock after the other.
struct Slot {
    acquire: Template,
    release: Template,
    /// Counts the commands: replies to those before are late.
    turn: u64,
    yes: usize,
    no: usize,
    held: bool,
    token: u64,
    asked: u64,
    entered: u64,
    holds: Vec<Hold>,
}

/// What is on its way to and from a node.
#[derive(Default)]
pub(super) struct Wire {
    /// Not written yet.
    pub(super) out: Vec<u8>,
    /// Read, not understood yet.
    input: Vec<u8>,
    /// Whose replies come next: one command, or those that share a call.
    expected: VecDeque<(usize, u64)>,
}

impl Engine {
    pub(super) fn start(
        load: &Load,
        nodes: usize,
        recipe: &Recipe,
        batches: Option<&BatchRecipe>,
    ) -> Self {
        let slots = (0..load.tasks)
            .map(|task| {
                let key = load.keys.of(task);
                Slot {
                    acquire: Template::new(&recipe.acquire, &key),
                    release: Template::new(&recipe.release, &key),
                    turn: 0,
                    yes: 0,
                    no: 0,
                    held: false,
                    token: 0,
                    asked: 0,
                    entered: 0,
                    holds: Vec::with_capacity(4096),
                }
            })
            .collect();
        let begun = meter::now();
        let mut engine = Self {
            slots,
            wires: (0..nodes).map(|_| Wire::default()).collect(),
            quorum: nodes / 2 + 1,
            time: load.time,
            begun,
            cpu: meter::cpu(),
            end: begun + u64::try_from(load.time.as_nanos()).unwrap_or(u64::MAX),
            busy: load.tasks,
            tokens: recipe.tokens(),
            batches: batches.map(|batches| Batches::new(batches, load)),
            refused: None,
        };
        for slot in 0..load.tasks {
            engine.acquire(slot, begun);
        }
        engine
    }

    /// Nothing is on its way any more.
    pub(super) fn is_done(&self) -> bool {
        self.busy == 0 && self.wires.iter().all(|wire| wire.expected.is_empty())
    }

    pub(super) fn wire(&mut self, node: usize) -> &mut Wire {
        &mut self.wires[node]
    }

    /// Counts the replies that came from `node`.
    pub(super) fn read(&mut self, node: usize, bytes: &[u8]) -> Outcome<()> {
        let mut input = std::mem::take(&mut self.wires[node].input);
        input.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((length, yes)) = reply::first(&input[at..]) {
            if !yes && self.refused.is_none() {
                self.refused = Some(
                    String::from_utf8_lossy(&input[at..at + length])
                        .trim()
                        .to_owned(),
                );
            }
            // A batch has a reply for each of its commands.
            let replies = reply::parts(&input[at..at + length])
                .filter(|_| self.batches.is_some())
                .unwrap_or_else(|| vec![yes]);
            at += length;
            for yes in replies {
                let (slot, turn) = self.wires[node]
                    .expected
                    .pop_front()
                    .ok_or("a reply that nobody asked for")?;
                self.vote(slot, turn, yes)?;
            }
        }
        input.drain(..at);
        self.wires[node].input = input;
        Ok(())
    }

    fn vote(&mut self, number: usize, turn: u64, yes: bool) -> Outcome<()> {
        let slot = &mut self.slots[number];
        if slot.turn != turn {
            return Ok(());
        }
        if yes {
            slot.yes += 1;
        } else {
            slot.no += 1;
        }
        if slot.no > self.wires.len() - self.quorum {
            return Err(format!("the raw floor was refused: {:?}", self.refused).into());
        }
        if slot.yes < self.quorum {
            return Ok(());
        }
        let now = meter::now();
        if slot.held {
            slot.holds.push(Hold {
                asked: slot.asked,
                entered: slot.entered,
                left: now,
                token: slot.token,
            });
            if now < self.end {
                self.acquire(number, now);
            } else {
                slot.turn += 1;
                self.busy -= 1;
            }
        } else {
            slot.entered = now;
            self.release(number);
        }
        Ok(())
    }

    fn acquire(&mut self, number: usize, now: u64) {
        let slot = &mut self.slots[number];
        slot.asked = now;
        slot.held = false;
        // Above the tombstone that was left.
        slot.token = token_now().max(slot.token + self.tokens);
        let attempt = (number as u64) << 40 | slot.turn;
        if let Some(batches) = &mut self.batches {
            batches.push(Kind::Acquire, number, attempt, slot.token);
            return self.collected(number);
        }
        let bytes = slot.acquire.fill(attempt, slot.token);
        send(&mut self.wires, bytes, number, slot.turn + 1);
        self.next(number);
    }

    fn release(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        slot.held = true;
        // The attempt that was held began a turn ago.
        let attempt = (number as u64) << 40 | (slot.turn - 1);
        if let Some(batches) = &mut self.batches {
            batches.push(Kind::Release, number, attempt, slot.token);
            return self.collected(number);
        }
        let bytes = slot.release.fill(attempt, slot.token);
        send(&mut self.wires, bytes, number, slot.turn + 1);
        self.next(number);
    }

    /// A command waits for the next call.
    fn collected(&mut self, number: usize) {
        let turn = self.slots[number].turn + 1;
        for wire in &mut self.wires {
            wire.expected.push_back((number, turn));
        }
        self.next(number);
    }

    /// Writes the commands that wait, where they share calls.
    pub(super) fn write_batches(&mut self) {
        if let Some(batches) = &mut self.batches {
            let calls = batches.calls();
            for wire in &mut self.wires {
                wire.out.extend_from_slice(&calls);
            }
        }
    }

    fn next(&mut self, number: usize) {
        let slot = &mut self.slots[number];
        slot.turn += 1;
        (slot.yes, slot.no) = (0, 0);
    }

    pub(super) fn finish(self) -> Run {
        let part = self.time.as_secs_f64() * 1e9 / (meter::now() - self.begun).max(1) as f64;
        let cpu = (meter::cpu() - self.cpu).mul_f64(part.min(1.0));
        Run {
            time: self.time,
            cpu,
            tasks: self
                .slots
                .into_iter()
                .map(|slot| Log {
                    cycles: slot.holds.len(),
                    holds: slot.holds,
                    ..Log::default()
                })
                .collect(),
            end: self.end,
        }
    }
}

fn send(wires: &mut [Wire], bytes: &[u8], slot: usize, turn: u64) {
    for wire in wires {
        wire.out.extend_from_slice(bytes);
        wire.expected.push_back((slot, turn));
    }
}
