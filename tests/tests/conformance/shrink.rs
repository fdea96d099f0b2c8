//! Shortens a sequence that differs as far as possible.

use std::fmt::Write as _;

use crate::{
    coverage::Coverage,
    lockstep::{self, Difference, End},
    server::Server,
    step::Step,
};

/// How often a shorter sequence is tried if it cannot be compared.
const TRIES: usize = 5;

/// The difference, and the fewest steps that still show one.
pub(crate) fn shrunk(
    server: &mut Server,
    seed: u64,
    mut steps: Vec<Step>,
    mut difference: Difference,
) -> String {
    steps.truncate(difference.step + 1);
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from + size <= steps.len() {
            let fewer = [&steps[..from], &steps[from + size..]].concat();
            match differs(server, seed, &fewer) {
                Some(other) => {
                    steps = fewer;
                    steps.truncate(other.step + 1);
                    difference = other;
                }
                None => from += size,
            }
        }
        size /= 2;
    }
    let mut text = String::new();
    for (place, step) in steps.iter().enumerate() {
        let _ = write!(text, "\n  {place}. {step:?}");
    }
    format!("{text}\n{}", difference.text)
}

fn differs(server: &mut Server, seed: u64, steps: &[Step]) -> Option<Difference> {
    for _ in 0..TRIES {
        match lockstep::run(server, seed, steps, &mut Coverage::default(), false) {
            End::Differs(difference) => return Some(difference),
            End::Same(_) => return None,
            End::CutShort(_) => {}
        }
    }
    None
}
