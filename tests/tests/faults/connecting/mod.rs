//! Connecting, and staying connected.

#[path = "../../connections/authority.rs"]
mod authority;
mod far;
mod foreign;
mod idle;
mod logins;
mod secrets;
