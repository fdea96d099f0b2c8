//! Randomness. What has to be unique across processes comes from the operating system; jitter may
//! follow from a seed.
//!
//! A generator in this process would not be unique: a fork or a snapshot of the machine copies its
//! state, and both copies generate the same numbers from then on.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use rand::{
    RngExt, SeedableRng, TryRng,
    distr::{Distribution, StandardUniform},
    rngs::{SysRng, Xoshiro256PlusPlus},
};

use crate::env::sync::lock;

/// Random bytes that no other process and no copy of this one has: read from the operating system
/// each time. `None` if the operating system provides none, as in a sandbox that forbids the system
/// call.
pub(crate) fn unique<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SysRng.try_fill_bytes(&mut bytes).ok()?;
    Some(bytes)
}

/// The source of pauses of clients, and of identities of nodes in memory. Clones of a seeded one
/// draw from the same sequence.
#[derive(Clone, Default)]
pub(crate) enum Random {
    /// The generator of the thread.
    #[default]
    System,
    /// Generated from a seed.
    Seeded(Arc<Mutex<Xoshiro256PlusPlus>>),
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(Xoshiro256PlusPlus::seed_from_u64(
            seed,
        ))))
    }

    /// A generator in the same state, as a fork or a snapshot of the machine has one.
    pub(crate) fn fork(&self) -> Self {
        match self {
            Self::System => Self::System,
            Self::Seeded(sequence) => {
                let copy = lock(sequence).clone();
                Self::Seeded(Arc::new(Mutex::new(copy)))
            }
        }
    }

    pub(crate) fn draw<T>(&self) -> T
    where
        StandardUniform: Distribution<T>,
    {
        match self {
            Self::System => rand::random(),
            Self::Seeded(sequence) => lock(sequence).random(),
        }
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Seeded(_) => "Seeded",
        })
    }
}
