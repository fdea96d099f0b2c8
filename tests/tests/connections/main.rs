//! The kinds of connection that a node may have, on real servers: TLS, unix sockets, logins and permissions, clusters,
//! sentinels; the identity of nodes, and the restart guards.

mod acl;
mod authority;
mod cluster;
mod health;
mod identity;
mod login;
mod sentinel;
mod strict;
mod support;
mod tls;
mod unix;
mod versions;
