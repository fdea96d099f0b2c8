//! The chaos run: real servers, real client processes, a nemesis, and a checker over what they did.
//!
//! `cargo run --release -p tests --bin chaos -- --seconds 45`

mod args;
mod calm;
mod check;
mod client;
mod events;
mod history;
mod nemesis;
mod report;
mod resource;
mod run;
mod stamp;
mod terms;
mod worker;
mod world;

use std::process::ExitCode;

use args::Role;

// One thread: the processes started here end with the thread that started them.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let result = match args::read(std::env::args().skip(1)) {
        Ok(Role::Help) => {
            args::help();
            return ExitCode::SUCCESS;
        }
        Ok(Role::Harness(settings)) => run::run(settings).await,
        Ok(Role::Client(settings)) => client::run(settings).await.map(|()| true),
        Err(error) => Err(error),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::complain(&error);
            ExitCode::from(2)
        }
    }
}
