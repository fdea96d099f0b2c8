//! Exhaustive checks of the protocol within bounds. README.md beside this file says what is
//! modelled and what is not.
#![cfg(test)]

mod actions;
mod batch_runs;
mod batches;
mod bounds;
mod canon;
mod client;
mod config;
mod controls;
mod coverage;
mod holds;
mod job;
mod jobs;
mod limits;
mod lists;
mod moved;
mod mutants;
mod newest;
mod newest_runs;
mod node;
mod observed;
mod permits;
mod promoted;
mod properties;
mod register;
mod registers;
mod run;
mod rwlock;
mod state;
mod ticket;
mod tidy;
