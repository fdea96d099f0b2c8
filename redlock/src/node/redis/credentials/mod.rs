//! Logins that change: the results of a provider, and when it is called again.

mod provider;
mod renewal;
mod secret;
mod value;

pub use self::{provider::CredentialsProvider, value::Credentials};
pub(super) use self::{
    renewal::{Renewal, Subscription},
    secret::Secret,
};
