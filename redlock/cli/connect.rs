//! The client of the program, from its options and the environment, and its events.

use std::{env, ffi::OsString};

use redlock::{Builder, Redlock};
use tracing_subscriber::filter::LevelFilter;

use crate::{
    args::{Args, Common},
    failure::Failure,
    output::Output,
};

/// A client that connects in the background: its first request waits for the nodes.
pub(crate) fn client(common: &Common) -> Result<Redlock, Failure> {
    let nodes = common.nodes.as_ref();
    let nodes = nodes.map(|nodes| ("REDLOCK_NODES".into(), nodes.into()));
    let variables =
        env::vars_os().chain(nodes.into_iter() as std::option::IntoIter<(OsString, OsString)>);
    let builder = Builder::from_vars(variables)?;
    if !is_given(common) {
        let text = "no nodes were given: name them by --nodes or REDLOCK_NODES, as in \
                    --nodes redis://a:6379,redis://b:6379,redis://c:6379";
        return Err(Failure::new(crate::failure::USAGE, text));
    }
    Ok(builder.connect_lazy()?)
}

fn is_given(common: &Common) -> bool {
    let given = |text: &str| !text.trim_matches([' ', ',']).is_empty();
    match &common.nodes {
        Some(nodes) => given(nodes),
        None => env::var("REDLOCK_NODES").is_ok_and(|nodes| given(&nodes)),
    }
}

/// Writes events to the standard error. Without `-v` only errors: the error of the command already contains warnings about nodes.
pub(crate) fn listen(args: &Args, output: &Output) {
    let level = match args.common.verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(output.is_colored(&std::io::stderr()))
        .init();
}
