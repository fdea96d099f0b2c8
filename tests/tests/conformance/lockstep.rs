//! Runs a sequence of steps on a server and on a node in memory, and compares their replies, messages and data.

use std::fmt::Write as _;

use redlock::__wire::{self, Form};

use crate::{
    coverage::Coverage,
    memory::Memory,
    resp::{Value, shown},
    server::{Done, Keyspace, Server},
    step::{CONNECTIONS, Step},
};

/// Maximum time that a step may take on a server, in milliseconds of its clock.
const MAX_STEP_MILLIS: u64 = 4;

/// How a sequence ended, after this many equal steps.
#[derive(Debug)]
pub(crate) enum End {
    Same(usize),
    /// The server took the next step within several milliseconds of its clock, so it cannot be compared.
    CutShort(usize),
    Differs(Difference),
}

#[derive(Debug)]
pub(crate) struct Difference {
    /// The place of the step in its sequence.
    pub(crate) step: usize,
    pub(crate) text: String,
}

/// What a step did on the server.
struct Seen {
    done: Done,
    pushes: Vec<Vec<Value>>,
    keyspace: Keyspace,
    /// The server's clock when it held that.
    looked_at: u64,
}

/// Runs `steps` on `server`, which forgets everything before, and on a node in memory. Prints each step if `prints`.
pub(crate) fn run(
    server: &mut Server,
    seed: u64,
    steps: &[Step],
    coverage: &mut Coverage,
    prints: bool,
) -> End {
    server.reset();
    let mut memory = Memory::new(seed);
    let mut taken: Vec<(Step, u64)> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        if !server.compares(step) {
            continue;
        }
        let step = sendable(step, &mut memory);
        let done = server.take(&step);
        if prints {
            println!("{place}. {step:?}\n    {:?}", done.replies);
        }
        let pushes = server.pushes();
        let Some((keyspace, looked_at)) = server.keyspace() else {
            return End::CutShort(place);
        };
        let seen = Seen {
            done,
            pushes,
            keyspace,
            looked_at,
        };
        let (first, last) = seen.done.between;
        if first == last {
            match differs(&mut memory, &step, first, &seen) {
                None => return End::CutShort(place),
                Some(text) if !text.is_empty() => {
                    let text = format!("at step {place} (at {first} us): {step:?}\n{text}");
                    return End::Differs(Difference { step: place, text });
                }
                Some(_) => taken.push((step.clone(), first)),
            }
        } else {
            match at_one_of_several_times(seed, &taken, &step, &seen) {
                None => return End::CutShort(place),
                Some((same, at)) => {
                    memory = same;
                    taken.push((step.clone(), at));
                }
            }
        }
        coverage.add(&step, &seen.done.replies, &seen.pushes);
    }
    End::Same(steps.len())
}

/// Runs a step at `at`, and describes how it differs from the step on the server: an empty text if it does not.
/// `None` if the server's clock went back.
fn differs(memory: &mut Memory, step: &Step, at: u64, seen: &Seen) -> Option<String> {
    if !memory.set_clock(at) {
        return None;
    }
    let replies = memory.take(step);
    let pushes = memory.pushes();
    if !memory.set_clock(seen.looked_at) {
        return None;
    }
    let mut text = String::new();
    compare_replies(&seen.done.replies, &replies, &mut text);
    // A replica of a master that does not exist has not loaded its data.
    if !matches!(step, Step::Switch(..)) {
        compare_pushes(&seen.pushes, &pushes, &mut text);
    }
    compare_keyspaces(&seen.keyspace, &memory.keyspace(), &mut text);
    Some(text)
}

/// A node in memory that took the same steps before, and this one in a millisecond in which the server may have taken it, so
/// that nothing differs; and that millisecond. `None` if there is none: the server may have read its clock twice.
fn at_one_of_several_times(
    seed: u64,
    taken: &[(Step, u64)],
    step: &Step,
    seen: &Seen,
) -> Option<(Memory, u64)> {
    let (first, last) = seen.done.between;
    if (last - first) / 1_000 >= MAX_STEP_MILLIS {
        return None;
    }
    (first..=last).step_by(1_000).find_map(|at| {
        let mut memory = Memory::new(seed);
        for (step, at) in taken {
            memory.set_clock(*at);
            memory.take(step);
            memory.pushes();
        }
        let text = differs(&mut memory, step, at, seen)?;
        text.is_empty().then_some((memory, at))
    })
}

/// The Cluster form of a script is another script for a server: the node in memory must not learn the script
/// from that form first.
fn sendable(step: &Step, memory: &mut Memory) -> Step {
    let mut step = step.clone();
    if step.form() == Form::Importing
        && !memory.knows(&step)
        && let Step::Send { form, .. } = &mut step
    {
        *form = Form::Source;
    }
    step
}

fn compare_replies(server: &[Value], memory: &[Value], text: &mut String) {
    if all_same(server, memory) {
        return;
    }
    let _ = writeln!(text, "  the server replies {server:?}");
    let _ = writeln!(text, "  the memory replies {memory:?}");
}

fn all_same(ones: &[Value], others: &[Value]) -> bool {
    let pairs = || ones.iter().zip(others);
    ones.len() == others.len() && pairs().all(|(one, other)| same(one, other))
}

/// Errors are equal if the client treats them as equal: their texts belong to the servers.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Error(one), Value::Error(other)) => {
            __wire::fault(one.as_bytes()) == __wire::fault(other.as_bytes())
        }
        (Value::Array(ones), Value::Array(others)) => all_same(ones, others),
        _ => one == other,
    }
}

fn compare_pushes(server: &[Vec<Value>], memory: &[Vec<Value>], text: &mut String) {
    for connection in 0..CONNECTIONS {
        let (server, memory) = (&server[connection], &memory[connection]);
        if server != memory {
            let _ = writeln!(
                text,
                "  over connection {connection} the server sends {server:?}"
            );
            let _ = writeln!(
                text,
                "  over connection {connection} the memory sends {memory:?}"
            );
        }
    }
}

fn compare_keyspaces(server: &Keyspace, memory: &Keyspace, text: &mut String) {
    let mut keys: Vec<&Vec<u8>> = server.keys().chain(memory.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (one, other) = (server.get(key), memory.get(key));
        if one != other {
            let _ = writeln!(text, "  under {} the server holds {one:?}", shown(key));
            let _ = writeln!(text, "  under {} the memory holds {other:?}", shown(key));
        }
    }
}
