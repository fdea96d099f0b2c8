//! The chaos run, shortly; and that it would have noticed.

use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// One at a time: each of them keeps a machine busy.
static TURN: Mutex<()> = Mutex::new(());

fn chaos(args: &[&str]) -> (Output, String) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .args(args)
        .output()
        .expect("the program");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output, said)
}

#[test]
fn a_short_storm_breaks_nothing() {
    let (output, said) = chaos(&["--seconds", "8", "--seed", "1"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("no violations"), "{said}");
}

#[test]
fn control_without_the_restart_guard_two_hold_at_once_and_it_is_found() {
    let (output, said) = chaos(&["--seconds", "7", "--seed", "1", "--control", "no-guard"]);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("they were found"), "{said}");
}

#[test]
fn bad_arguments_are_named() {
    for (args, named) in [
        (&["--second", "9"][..], "--second is not known"),
        (&["--seconds"], "--seconds needs a value"),
        (&["--seconds", "soon"], "--seconds soon"),
        (&["--control", "nothing"], "--control nothing"),
    ] {
        let (output, said) = chaos(args);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(named), "{said}");
    }
}
