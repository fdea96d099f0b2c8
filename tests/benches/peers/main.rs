//! How fast this crate is against its peers, and against what the wire allows.
//!
//! `cargo bench -p tests --bench peers` starts five Redis servers of its own and runs all contenders in turns, in one
//! process: this crate, `rslock`, the `redlock` of crates.io, and two floors that send the same commands with nothing
//! around them. It prints a table for each row and, for each goal, a line `RATIO <name> <value> goal <value>`.
//!
//! `-- --help` tells the flags.

mod body;
mod child;
mod contender;
mod goals;
mod load;
mod machine;
mod meter;
mod nodes;
mod options;
mod outcome;
mod passing;
mod plot;
mod raw;
mod recipe;
mod report;
mod roles;
mod rows;
mod stats;

use std::{process::ExitCode, time::Instant};

use crate::{
    nodes::Stage,
    options::{Asked, Options},
    outcome::Outcome,
    report::Report,
    rows::Row,
};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(Asked::Run(options)) => options,
        Ok(Asked::Text(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let done = runtime(options.workers).and_then(|runtime| {
        runtime.block_on(async {
            match &options.role {
                Some(role) => roles::play(role, &options).await.map(|()| true),
                None => bench(&options).await,
            }
        })
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The same for every contender: what `#[tokio::main]` gives, unless told otherwise.
fn runtime(workers: Option<usize>) -> Outcome<tokio::runtime::Runtime> {
    let mut builder = match workers {
        Some(0) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if let Some(workers) = workers.filter(|workers| *workers > 0) {
        builder.worker_threads(workers);
    }
    Ok(builder.enable_all().build()?)
}

/// Whether every row could be measured.
async fn bench(options: &Options) -> Outcome<bool> {
    let stage = Stage::start(options).await?;
    println!("{}", machine::describe(&stage, options).await?);
    let mut report = Report::new(options.quick);
    let mut all = true;
    for row in Row::ALL {
        if !options.wants(row) {
            continue;
        }
        stage.clean().await?;
        let begun = Instant::now();
        if let Err(error) = row.measure(&stage, &mut report).await {
            println!("FAILED {}: {error}\n", row.name());
            all = false;
        }
        let took = begun.elapsed().as_secs();
        println!("{} took {took} s\n", row.name());
    }
    for path in plot::write(&report, options)? {
        println!("plot {}", path.display());
    }
    Ok(all)
}
