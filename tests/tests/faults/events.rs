//! Events: one for one fact, without keys above debug.
