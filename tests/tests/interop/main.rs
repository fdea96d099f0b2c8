//! Our locks and those of other libraries on the same nodes: each is busy for the others, and none deletes another's.

mod example;
mod exclusion;
mod peer;
mod plain;
mod support;
mod together;
