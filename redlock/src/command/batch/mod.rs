//! Batches: commands for different locks that go out as one script call.
//!
//! A server spends about half of its time on a script call around the script. So commands that wait for a connection at the
//! same moment share a call (`begin.lua`, `run.lua`).
//!
//! # Why a batch equals its commands back to back
//! The script carries out the same steps as the scripts of the single commands: both include the files in `lock/steps`. A
//! step reads and writes the keys of its own lock only, besides the marker of the strict restart guard. The locks of a batch
//! are all different, and so are their fences and waitlists: permits of one semaphore, which share a waitlist, are never in
//! one batch. So no step sees what
//! another one wrote, and their order, like one `MGET` in front of all of them, makes no difference. The marker is checked
//! once: a second check right after it finds what the first one left.
//!
//! # Errors
//! - An error inside a step is the reply to its command. It leaves the others alone.
//! - A server that refuses the whole call has carried out nothing of it. The commands are sent again one by one, so that
//!   each gets its own cause.
//! - Any other error of the whole call leaves every command unknown: it may have been carried out. So does a connection
//!   that is lost before the reply.

mod call;
mod part;

pub(crate) use self::call::{BatchReply, MAX_COMMANDS, decode_batch, encode_batch};
pub(super) use self::part::Part;
