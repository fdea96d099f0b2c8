//! The command line of a program without options: `--help`, and an error for anything else.

use clap::Command;

/// Help about the variable with the addresses of real nodes.
pub const REDIS_URLS: &str = "Environment:
  REDIS_URLS  Redis nodes for the locks, separated by commas, as in
              REDIS_URLS=redis://127.0.0.1:7001,redis://127.0.0.1:7002,redis://127.0.0.1:7003
              Without it three nodes live inside the process";

/// Prints `about` and `environment` for `--help`, and ends the process; any other argument is an error. Call it first.
pub fn no_options(name: &'static str, about: &'static str, environment: &'static str) {
    let command = Command::new(name).about(about).after_help(environment);
    command.get_matches();
}
