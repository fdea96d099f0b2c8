//! Very many locks held, and very many fences on the servers.

pub(super) mod growth;
pub(super) mod held;
