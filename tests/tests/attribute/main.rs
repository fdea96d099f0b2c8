//! The attribute: one module per option and per kind of function. On memory nodes, unless a module says otherwise.

#![allow(clippy::unwrap_used, reason = "a test that unwraps fails at its line")]

mod actor;
mod app_error;
mod at_least;
mod axum;
mod boxed;
mod condition;
mod crate_path;
mod dedupe_for;
mod fail_open;
mod fire;
mod fire_again;
mod functions;
mod guard;
mod hygiene;
mod instrument;
mod keep_alive;
mod key;
mod lock;
mod max_hold;
mod methods;
mod no_wait;
mod on_busy;
mod on_error;
mod on_lost;
mod real_nodes;
mod reentrant;
mod release;
mod request;
mod result;
mod schedule;
mod tonic;
mod wait;
