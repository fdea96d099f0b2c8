//! What operators and their code see of locks: labels of holders, the lock that code runs under, settings from the environment.

mod current;
mod environment;
mod label;
mod metrics;
mod recorder;
