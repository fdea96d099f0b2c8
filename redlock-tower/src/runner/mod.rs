//! What both lock services share: acquire the lock of a request, run the request under it, end the hold.

mod end_hold;
mod hold_times;
mod in_flight;
mod lease;
mod policy;
mod run;
mod when_ready;

pub(crate) use self::{
    end_hold::{EndHold, Ending},
    hold_times::{HoldTimes, Route},
    in_flight::Running,
    lease::{Lease, Slot},
    policy::{LockPolicy, is_outage},
    run::{Panic, Ran, Run},
    when_ready::{Begin, WhenReady, unready_clone},
};
pub use self::{in_flight::InFlight, policy::OnLost};
