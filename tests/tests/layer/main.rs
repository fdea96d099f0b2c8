//! `RedlockLayer` from outside: the scenarios H1 to H5, and the manners of a tower layer.
#![allow(clippy::unwrap_used)]

mod bodiless;
mod contradictions;
mod extractor;
mod grpc;
mod h1_one_at_a_time;
mod h2_endings;
mod h3_refusals;
mod h4_lost;
mod h5_resubmit;
mod http2;
mod keys;
mod load;
mod lock_service;
mod manners;
mod options;
mod placement;
mod property;
mod rejections;
mod replay;
mod replay_store;
mod shutdown;
mod waiters;
