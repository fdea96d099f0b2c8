//! Batches: commands for different locks that go out as one script call.
//!
//! About half of the time that a server spends on a script call is overhead of the call, not the script. So commands that wait
//! for a connection at the same moment share a call (`begin.lua`, `run.lua`).
//!
//! # Why a batch is equivalent to its commands one after the other
//! The script runs the same steps as the scripts of the single commands: both include the files in `lock/steps`. Apart from the
//! marker of the strict restart guard, a step reads and writes only the keys of its own lock. The locks of a batch are all
//! different, and so are their fences and waitlists: permits of one semaphore, which share a waitlist, are never in one batch.
//! So no step sees what another one wrote. Neither their order nor the one `MGET` before them makes a difference. The marker
//! is checked once: a second check right after the first one would have the same result.
//!
//! # Errors
//! - An error inside a step is the reply to its command. It does not affect the others.
//! - If the server refuses the whole call, none of its commands ran. They are sent again one by one, so that each gets its
//!   own cause.
//! - After any other error of the whole call, or if the connection is lost before the reply, it is unknown which commands
//!   ran.

mod call;
mod part;

pub(crate) use self::call::{BatchReply, MAX_COMMANDS, decode_batch, encode_batch};
pub(super) use self::part::Part;
