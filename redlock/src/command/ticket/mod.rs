//! Commands for detached locks: adopt a lock with its ticket, or give it back to the ticket.

mod adopt;
mod give_back;

pub(crate) use self::{adopt::Adopt, give_back::GiveBack};
