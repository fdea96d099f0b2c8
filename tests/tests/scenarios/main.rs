//! The failure scenarios of quorum locks against real servers, one function or more for each row of the table in
//! `tests/README.md`, named after its row: `cargo test -p tests --test scenarios a5_`.

mod acquire;
mod child;
mod extend;
mod node_faults;
mod release;
mod support;
mod waiting;
