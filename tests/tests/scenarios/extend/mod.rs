//! Extend and lost locks, rows E1 to E8.

mod forgotten;
mod silence;
mod time;
