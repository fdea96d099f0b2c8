//! What durations may be.

use std::time::Duration;

use crate::{
    error::{Error, Result},
    protocol::validity,
};

/// The longest duration that a setting may have: far beyond use, far below overflow.
pub(crate) const MOST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Checks the ttl of a request.
pub(crate) fn check_ttl(ttl: Duration, max_ttl: Duration) -> Result<()> {
    let least = validity::MIN_TTL;
    if ttl < least {
        return Err(Error::invalid_ttl(format!(
            "a ttl of {ttl:?} is too short: nothing would be left of it after a round trip, use {least:?} or more"
        )));
    }
    if ttl > max_ttl {
        return Err(Error::invalid_ttl(format!(
            "a ttl of {ttl:?} is longer than max_ttl, {max_ttl:?}: kept alive, a lock is held for as long as it takes \
             on a short ttl; otherwise raise max_ttl for all clients of the nodes"
        )));
    }
    Ok(())
}
