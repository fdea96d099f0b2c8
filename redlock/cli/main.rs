//! The program `redlock`: runs commands under a lock, and shows locks and nodes.

#[cfg(not(unix))]
compile_error!(
    "the program `redlock` needs process groups and signals: leave the feature `cli` out on this system"
);

mod args;
mod child;
mod connect;
mod failure;
mod generate;
mod health;
mod job;
mod look;
mod output;
mod run;
mod signals;
mod top;
mod watch;

// The library parses durations in variables, and this program in its options.
#[path = "../src/client/duration.rs"]
mod duration;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{Args, Command},
    failure::Failure,
    output::Output,
};

fn main() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| args::without_secrets(error).exit());
    let output = Output::new(&args);
    connect::listen(&args, &output);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => {
            let done = runtime.block_on(serve(args, &output));
            // Do not wait for a thread that reads from a terminal: it may never end.
            runtime.shutdown_background();
            done
        }
        Err(error) => Err(Failure::new(
            failure::FAILED,
            format!("no runtime: {error}"),
        )),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.code()
        }
    }
}

async fn serve(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    let common = args.common;
    match args.command {
        Command::Run(run) => run::run(&common, run, output).await,
        Command::Holder { key } => look::holder(&common, &key, output).await,
        Command::Wait { key, timeout } => look::wait(&common, &key, timeout, output).await,
        Command::Release { key, kind, yes, .. } => {
            look::release(&common, &key, kind, yes, output).await
        }
        Command::Health { all } => health::health(&common, all, output).await,
        Command::Job { name } => job::job(&common, &name, output).await,
        Command::Top(top) => top::top(&common, top, output).await,
        Command::Completions { shell } => generate::completions(shell),
        Command::Man => generate::man(),
        Command::Watch => watch::watch().await,
    }
}
