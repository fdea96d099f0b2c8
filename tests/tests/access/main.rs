//! How clients reach nodes in practice: credentials that change, what an application already has, and servers
//! that refuse commands.

#[path = "../connections/authority.rs"]
mod authority;
mod credentials;
mod held;
mod lasting;
mod refusals;
mod streaming;
mod support;
