//! The protocol, checked exhaustively within bounds. What is modelled, and what is not: README.md, beside this file.

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
mod limits;
mod lists;
mod moved;
mod mutants;
mod node;
mod observed;
mod permits;
mod properties;
mod register;
mod registers;
mod run;
mod state;
mod ticket;
mod tidy;
