//! How an example speaks and ends: lines on standard output, one sentence on standard error, an exit code.

use std::{
    fmt::Display,
    io::{Write, stderr, stdout},
    process::ExitCode,
};

/// Prints a line. Unlike `println!` it does not panic when nobody reads any more, as in `shop | head`.
pub fn say(line: impl Display) {
    let _ = writeln!(stdout(), "{line}");
}

/// 0, or the problem as one sentence on standard error and 1.
#[must_use]
pub fn exit_code(outcome: Result<(), String>) -> ExitCode {
    let Err(problem) = outcome else {
        return ExitCode::SUCCESS;
    };
    let sentence = problem.split_whitespace().collect::<Vec<_>>().join(" ");
    let _ = writeln!(stderr(), "error: {sentence}");
    ExitCode::FAILURE
}
