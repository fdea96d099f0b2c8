//! Connecting, and staying connected.

mod idle;
