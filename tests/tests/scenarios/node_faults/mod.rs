//! Node faults, rows N1 to N5.

mod forgotten;
mod paused_holder;
mod restarts;
mod tokens;
mod validity;
