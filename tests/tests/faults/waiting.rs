//! Waiting: wake-ups, and what it costs.
