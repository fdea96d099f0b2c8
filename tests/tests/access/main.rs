//! How a client gets to nodes as users have them: credentials that change, what an application already holds, and servers
//! that refuse commands.

#[path = "../connections/authority.rs"]
mod authority;
mod credentials;
mod held;
mod refusals;
mod streaming;
mod support;
