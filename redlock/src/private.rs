//! What the expansion of `#[redlock]` calls. Not public: it changes with the attribute, in any release.

#[path = "private/call.rs"]
mod call;
#[path = "private/ending.rs"]
mod ending;
#[path = "private/failure.rs"]
mod failure;
#[path = "private/fire.rs"]
mod fire;
#[path = "private/handle.rs"]
mod handle;
#[path = "private/hold.rs"]
mod hold;

pub use call::Call;
pub use ending::{AnySuccess, Dedupe, Ending, ResultSuccess};
pub use failure::{ErrorFromLock, FromLockError, Skipped, Unreturned, skip, skip_busy};
pub use fire::{ByName, ByTime, Fire, FireByName, FireByTime};
pub use handle::Handle;
