//! The command line of a program without options: `--help`, and an error for anything else.

use clap::Command;

/// Where an example that can use real nodes reads their addresses.
pub const REDIS_URLS: &str = "Environment:
  REDIS_URLS  Redis nodes for the locks, separated by commas, as in
              REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003
              Without it three nodes live inside the process";

/// Answers `--help` with `about` and `environment`, and ends the process there; anything else on the command line is an
/// error. To be called first.
pub fn no_options(name: &'static str, about: &'static str, environment: &'static str) {
    let command = Command::new(name).about(about).after_help(environment);
    command.get_matches();
}
