//! Keys: different names share nothing, and no value is special.
