//! Events: one for one fact, without keys above debug.

mod keys;
mod lifecycle;
mod stalls;
mod table;
