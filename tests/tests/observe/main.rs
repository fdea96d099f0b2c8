//! What observers see: the metrics of the layer, and spans of locks.

mod layer;
#[path = "../operations/recorder.rs"]
mod recorder;
mod recording;
mod spans;
mod superseded;
