//! The replay: who gets a recorded response, when, and which parts of it.

mod disconnect;
mod lifetime;
mod namespace;
mod outage;
mod request;
mod response;
mod scope;
mod spelling;
mod store;
mod success;
