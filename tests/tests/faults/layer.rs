//! The layer: keys that a client cannot choose, where it is placed, what it answers.
