//! Logins that change: what a provider returns, and when it is asked again.

mod provider;
mod renewal;
mod secret;
mod value;

pub use self::{provider::CredentialsProvider, value::Credentials};
pub(super) use self::{
    renewal::{Renewal, Subscription},
    secret::Secret,
};
