//! Leases, hand-over, renewal and the end of a hold.

mod owners;
