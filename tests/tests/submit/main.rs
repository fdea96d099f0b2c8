//! The duplicate submit: keys in the body, and the responses that clients get.
#![allow(clippy::unwrap_used)]

mod answers;
mod body;
mod client_ip;
mod hyper_server;
mod in_flight;
mod keys;
mod share;
mod spellings;
mod standard;
