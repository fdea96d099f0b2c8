//! The first slice as a user meets it, on real nodes: connecting, excluding each other, and saying what is wrong.

mod bad_input;
mod connecting;
mod hand_overs;
mod mutual_exclusion;
