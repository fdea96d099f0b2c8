//! Chance: from the system, or from a seed where a test is to repeat itself.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use rand::{
    RngExt, SeedableRng,
    distr::{Distribution, StandardUniform},
    rngs::Xoshiro256PlusPlus,
};

use crate::sync::lock;

/// Where a client draws owner ids and pauses from. Clones of a seeded one draw from the same sequence.
#[derive(Clone, Default)]
pub(crate) enum Random {
    /// Cannot be guessed.
    #[default]
    System,
    /// Follows from a seed.
    Seeded(Arc<Mutex<Xoshiro256PlusPlus>>),
}

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(Arc::new(Mutex::new(Xoshiro256PlusPlus::seed_from_u64(
            seed,
        ))))
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
