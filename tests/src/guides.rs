//! The code of the guides in `docs`, as doc tests: it compiles, and its programs run.

/// `docs/first-lock.md`
#[doc = include_str!("../../docs/first-lock.md")]
struct FirstLock;

/// `docs/choosing.md`
#[doc = include_str!("../../docs/choosing.md")]
struct Choosing;

/// `docs/scheduled-jobs.md`
#[doc = include_str!("../../docs/scheduled-jobs.md")]
struct ScheduledJobs;

/// `docs/jobs.md`
#[doc = include_str!("../../docs/jobs.md")]
struct Jobs;

/// `docs/fencing.md`
#[doc = include_str!("../../docs/fencing.md")]
struct Fencing;

/// `docs/testing.md`
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

/// `docs/failures.md`
#[doc = include_str!("../../docs/failures.md")]
struct Failures;

/// `docs/operating.md`
#[doc = include_str!("../../docs/operating.md")]
struct Operating;

/// `docs/migrating.md`
#[doc = include_str!("../../docs/migrating.md")]
struct Migrating;
