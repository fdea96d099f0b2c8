//! Waiting: notifications, cool-downs, forced releases, and what waiting costs.

mod cool_down;
mod cost;
mod force_release;
mod full_servers;
mod notified;
