//! What is no schedule of a job: the message names the feature that makes patterns of cron one.

use croner::Cron;
use redlock::Redlock;

fn jobs(locks: &Redlock, nightly: Cron) {
    let _ = locks.job("text", "0 3 * * *");
    let _ = locks.job("cron", nightly.clone());
    let _ = locks.job("zone", (nightly, chrono::Utc));
}

fn main() {}
