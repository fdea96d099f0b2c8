//! Recorded answers: whose they are, which are kept, and what is replayed.
