//! Acquire, rows A1 to A15.

mod addresses;
mod dropped;
mod foreign_data;
mod late;
mod outages;
mod replies;
mod rounds;
mod silence;
mod time;
mod votes;
