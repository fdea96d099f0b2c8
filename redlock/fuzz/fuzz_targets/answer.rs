//! Any answer of a server, to any call: no panic. `cargo +nightly fuzz run answer`, in `redlock/`.
#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &[u8]| redlock::__read_answer(answer));
