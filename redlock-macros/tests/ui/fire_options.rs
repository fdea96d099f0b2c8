//! Options of a firing: contradictions, values that they cannot have, and options that only a job has.

#![allow(unused_variables)]

use redlock::redlock;
use std::time::SystemTime;

#[redlock(key = "x", ttl = "10s", on_busy = skip, on_crash = rerun, catch_up = "1h")]
async fn without_a_firing() {}

#[redlock(key = "x", ttl = "10s", on_busy = skip, fire = at, on_crash = rerun, no_wait, max_hold = "1h")]
async fn waits_and_does_not(at: SystemTime) {}

#[redlock(key = "x", ttl = "10s", on_busy = skip, fire = at, catch_up = "1h", at_least = "1h")]
async fn remembers_twice(at: SystemTime) {}

#[redlock(key = "x", ttl = "10s", on_busy = skip, fire = at, on_crash = restart, catch_up = "0s")]
async fn values(at: SystemTime) {}

#[redlock(key = "x", ttl = "10s", on_busy = skip, fire = at, overlap = skip, missed = once, retry = 3, jitter = "1m")]
async fn options_of_a_job(at: SystemTime) {}

fn main() {}
