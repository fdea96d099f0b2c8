//! Release, rows R1 to R4.

mod expired;
mod extension;
mod unattended;
mod unconfirmed;
