//! Waiting: wake-ups, cool-downs, and what it costs.

mod cool_down;
mod cost;
mod full_servers;
mod notified;
mod taken_away;
