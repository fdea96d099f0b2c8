//! The program `redlock` as a process, on real servers: a lock around a command, and a look at locks and nodes.

mod bad_input;
mod looking;
mod loss;
mod process;
mod running;
mod top;
