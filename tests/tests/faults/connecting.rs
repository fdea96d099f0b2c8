//! Addresses, secrets, connecting, and connections that end while they are idle.
