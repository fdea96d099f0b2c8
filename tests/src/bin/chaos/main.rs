//! The chaos run: real servers and client processes, a nemesis that injects faults, and a checker
//! of the history.
//!
//! `cargo run --release -p tests --bin chaos -- --seconds 45`

mod args;
mod check;
mod client;
mod config;
mod history;
mod nemesis;
mod network_check;
mod report;
mod resource;
mod run;
mod timestamp;

use std::os::unix::process::CommandExt;
use std::process::ExitCode;

use args::{NetworkMode, Problem, Role};

/// The first argument of a process that [`enter_namespaces`] started.
const ISOLATED: &str = "isolated";

fn main() -> ExitCode {
    match args::read(std::env::args().skip(1)).and_then(start) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::error(&error);
            ExitCode::from(2)
        }
    }
}

/// Whether the run passed.
fn start(role: Role) -> Result<bool, Problem> {
    match role {
        Role::Help => {
            args::help();
            Ok(true)
        }
        Role::Run(settings) => {
            let unavailable = match (settings.network, settings.isolated) {
                (NetworkMode::Off, _) => Some("switched off by `--network off`".to_owned()),
                (_, true) => None,
                (_, false) => Some(enter_namespaces().to_string()),
            };
            block_on(run::run(settings, unavailable))
        }
        Role::CheckNetwork { isolated: true } => block_on(network_check::run()),
        Role::CheckNetwork { isolated: false } => {
            report::print(&format!("no network faults: {}", enter_namespaces()));
            Ok(true)
        }
        Role::Client(settings) => block_on(client::run(settings)).map(|()| true),
    }
}

/// Replaces this process by the same program in its own network namespaces. Returns only on
/// failure, with the cause.
fn enter_namespaces() -> Problem {
    let isolated = std::env::current_exe()
        .map_err(Problem::from)
        .and_then(|program| Ok(tests::network::isolated(&program)?));
    match isolated {
        Ok(mut command) => command
            .arg(ISOLATED)
            .args(std::env::args().skip(1))
            .exec()
            .into(),
        Err(problem) => problem,
    }
}

/// Runs on this thread alone: the processes started here end with the thread that started them.
fn block_on<T>(future: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
