//! The output of an example: lines on the standard output, an error on the standard error, and an exit code.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
    process::ExitCode,
};

/// Prints a line. Unlike `println!`, it does not panic if the reader has closed the pipe, as in `shop | head`.
pub fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

/// Returns 0, or prints the error as one line on the standard error and returns 1.
#[must_use]
pub fn exit_code(outcome: Result<(), String>) -> ExitCode {
    let Err(problem) = outcome else {
        return ExitCode::SUCCESS;
    };
    let sentence = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(stderr(), "error: {sentence}");
    ExitCode::FAILURE
}
