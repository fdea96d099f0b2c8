//! A short chaos run; and proof that its checks and its network faults work.

mod network;

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One run at a time: each one uses a whole machine.
static ONE_RUN: Mutex<()> = Mutex::new(());

fn chaos(args: &[&str]) -> (Output, String) {
    let _one = ONE_RUN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(args)
        .output()
        .expect("the program");
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output, printed)
}

#[test]
fn a_short_run_violates_no_invariant() {
    let (output, printed) = chaos(&["--seconds", "8", "--seed", "1"]);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("no violations"), "{printed}");
}

#[test]
fn control_two_holders_without_the_restart_guard_are_detected() {
    let (output, printed) = chaos(&["--seconds", "7", "--seed", "1", "--control", "no-guard"]);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("violations were found"), "{printed}");
}

#[test]
fn bad_arguments_are_named() {
    for (args, named) in [
        (&["--second", "9"][..], "--second is unknown"),
        (&["--seconds"], "--seconds needs a value"),
        (&["--seconds", "soon"], "--seconds soon"),
        (&["--soak", "30"], "--soak 30: not a time such as"),
        (&["--network", "some"], "--network some"),
        (&["--control", "nothing"], "--control nothing"),
    ] {
        let (output, printed) = chaos(args);
        assert_eq!(output.status.code(), Some(2), "{printed}");
        assert!(printed.contains(named), "{printed}");
    }
}
