//! The kinds of connection that a node may have, against real servers: TLS, unix sockets, logins and rights, clusters,
//! sentinels; who a node is, and what the restart guards make of it.

mod acl;
mod authority;
mod cluster;
mod identity;
mod login;
mod sentinel;
mod strict;
mod support;
mod tls;
mod unix;
mod versions;
