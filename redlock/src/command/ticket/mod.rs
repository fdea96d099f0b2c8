//! Commands by which a lock travels: it is adopted with a ticket, or given back to it.

mod adopt;
mod give_back;

pub(crate) use self::{adopt::Adopt, give_back::GiveBack};
