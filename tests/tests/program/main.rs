//! The program `redlock` as a process, on real servers: a lock around a command, and the state of locks and nodes.

mod bad_input;
mod job;
mod looking;
mod loss;
mod process;
mod running;
mod top;
