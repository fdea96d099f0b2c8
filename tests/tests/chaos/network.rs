//! Partitions of network namespaces really cut; without the rights for them, the run says so and continues.

use super::chaos;

/// What the program prints if the machine has no network faults.
const UNAVAILABLE: &str = "no network faults: ";

#[test]
fn links_can_cut_each_direction_lose_and_delay() {
    let (output, printed) = chaos(&["--check-network"]);
    println!("{printed}");
    assert!(output.status.success(), "{printed}");
    if !printed.contains(UNAVAILABLE) {
        assert_eq!(printed.matches("  ok ").count(), 6, "{printed}");
    }
}

#[test]
fn control_two_holders_that_ignore_a_partition_are_detected() {
    let (output, printed) = chaos(&[
        "--seconds",
        "14",
        "--seed",
        "1",
        "--control",
        "ignored-loss",
    ]);
    println!("{printed}");
    if !printed.contains(UNAVAILABLE) {
        assert!(output.status.success(), "{printed}");
        assert!(printed.contains("violations were found"), "{printed}");
    }
}

#[test]
fn a_run_that_requires_the_network_fails_without_it() {
    let args = [
        "--seconds",
        "5",
        "--network",
        "off",
        "--control",
        "ignored-loss",
    ];
    let (output, printed) = chaos(&args);
    assert_eq!(output.status.code(), Some(2), "{printed}");
    assert!(
        printed.contains("NO network faults: switched off"),
        "{printed}"
    );
}
