//! The command line.

use std::{ffi::OsString, time::Duration};

use clap::{
    Parser, Subcommand, ValueEnum,
    error::{ContextKind, ContextValue},
};
use clap_complete::Shell;

use crate::duration;

const AFTER_HELP: &str = "\
Durations are written as in 250ms, 10s, 5m or 1h30m.

Environment:
  REDLOCK_NODES, REDLOCK_PASSWORD, REDLOCK_LABEL, REDLOCK_NAMESPACE and all other settings of the library
  (Builder::from_env)

Exit codes:
    0  done; of `run`, the command ended with 0
    1  of `holder`, nobody holds the lock or another kind of lock with this key, and it is in no cool-down;
       of `release`, nothing was released; of `job`, nothing is on record
    2  wrong arguments or settings
   69  too few nodes could vote; of `health` and `top`, the nodes are not well
   70  something else failed
   74  of `run`, the lock was lost, and the command was killed
   75  another holds the lock
  126, 127  of `run`, the command cannot be started, or does not exist
  128 + N   of `run`, signal N ended the command; of `run` and `top`, signal N ended this program, as Ctrl-C does (130)
  Any other code of `run` is that of the command.";

/// An argument in the wrong place may be an address with its password, or a variable with its value: the error does not repeat it.
pub(crate) fn without_secrets(mut error: clap::Error) -> clap::Error {
    for place in [
        ContextKind::InvalidArg,
        ContextKind::InvalidSubcommand,
        ContextKind::InvalidValue,
    ] {
        if let Some(ContextValue::String(given)) = error.get(place)
            && given.contains([':', '@', '='])
        {
            let hidden = "(not shown, since it may contain a secret)".to_owned();
            error.insert(place, ContextValue::String(hidden));
            // A tip repeats it.
            error.remove(ContextKind::Suggested);
        }
    }
    error
}

/// Runs commands under a distributed lock on independent Redis nodes, and shows locks and nodes.
#[derive(Debug, Parser)]
#[command(name = "redlock", version, after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Addresses of the nodes, separated by commas. Default: REDLOCK_NODES.
    #[arg(long, global = true, value_name = "URLS")]
    pub(crate) nodes: Option<String>,
    /// Write JSON, one object per line: results to the standard output, errors to the standard error.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Color,
    /// Log more about nodes and locks to the standard error; twice for all events, which contain keys.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// The locks with one key, which are independent of each other, except for readers and their writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// The exclusive lock.
    Lock,
    /// The read/write lock, from all who read.
    Readers,
    /// The read/write lock, from the one who writes.
    Writer,
    /// All permits of the semaphore.
    Permits,
}

impl Kind {
    /// Whether it can have several holders.
    pub(crate) fn is_shared(self) -> bool {
        matches!(self, Self::Readers | Self::Permits)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command while holding a lock.
    ///
    /// The lock is renewed until the command has ended. If the lock is lost or this program is killed, the command and all
    /// processes of its group are killed at once. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are forwarded to
    /// the group; the lock is held until the command has ended. A signal that this program was started to ignore, as by nohup,
    /// is ignored by the command too.
    ///
    /// The variable REDLOCK_TOKEN of the command contains its fencing token. The command runs in its own process group, so it
    /// cannot read from a terminal: if the standard input is a terminal, the command gets an empty input instead.
    Run(Run),
    /// Show who holds a lock, and the read/write lock and the permits of the semaphore with this key.
    ///
    /// Permits are shown while the nodes remember their number: for a minute after the last request, unless max_ttl is another.
    Holder {
        /// The key of the lock.
        key: String,
    },
    /// Wait until nobody holds a lock, without taking it.
    Wait {
        /// The key of the lock.
        key: String,
        /// Maximum time to wait. Default: no limit.
        #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
        timeout: Option<Duration>,
    },
    /// Take a lock from its holders.
    ///
    /// A holder continues until it notices the loss, at its next renewal. Until then, others may run beside it. Exit code 1 if
    /// nobody holds the lock, or if the answer is no.
    Release {
        /// The key of the lock.
        key: String,
        /// Required, because the lock is taken from a holder that may be running.
        #[arg(long, required = true)]
        force: bool,
        /// Which of the locks with this key is taken.
        #[arg(long, value_name = "KIND", default_value = "lock")]
        kind: Kind,
        /// Do not ask for confirmation.
        #[arg(long)]
        yes: bool,
    },
    /// Show the state of the nodes. For probes: exit code 0 if a quorum of them votes, 69 otherwise.
    Health {
        /// Exit code 0 only if all nodes vote.
        #[arg(long)]
        all: bool,
    },
    /// Show the last run of a job, its next firing, and how many firings were missed.
    ///
    /// Exit code 0 if the job is on record, whatever became of its last run, and 1 otherwise. With --json, `state` is running,
    /// completed, failed, crashed or cancelled, and instants are in milliseconds since 1970.
    Job {
        /// The name of the job.
        name: String,
    },
    /// Show the nodes, the holders of locks and the runs of jobs, and refresh them.
    ///
    /// On a terminal, the screen is refreshed after each interval, until Ctrl-C. Otherwise the state is written once, and the
    /// exit code is 0 if a quorum of the nodes votes, 69 otherwise. With --json, one object is written per interval until the
    /// program is ended; --once ends it after the first one.
    ///
    /// The locks are those with the given keys, and the jobs those with the given names: servers keep no list of them.
    Top(Top),
    /// Write a completion script for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the man page.
    Man,
    /// Kill a process group when the standard input ends.
    #[command(name = crate::watch::NAME, hide = true)]
    Watch,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Top {
    /// The keys of the locks to show.
    #[arg(value_name = "KEY")]
    pub(crate) keys: Vec<String>,
    /// The name of a job to show. Can be given more than once.
    #[arg(long = "job", value_name = "NAME")]
    pub(crate) jobs: Vec<String>,
    /// The time between two refreshes, at least 100ms.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Write the state once, also on a terminal and with --json.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// The key of the lock.
    #[arg(long)]
    pub(crate) key: String,
    /// How long the lock outlives a crash of this machine. Default: REDLOCK_TTL, or 10s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) ttl: Option<Duration>,
    /// How long to wait while another holds the lock. Default: REDLOCK_WAIT, or 10s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) wait: Option<Duration>,
    /// Fail at once if another holds the lock.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
    /// Keep the key busy for at least this long, even if the command ends earlier, so that machines whose clocks differ do not
    /// run a scheduled command twice.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) at_least: Option<Duration>,
    /// Name of the variable with the fencing token.
    #[arg(long, value_name = "NAME", default_value = "REDLOCK_TOKEN", value_parser = variable)]
    pub(crate) env: String,
    /// The exit code if another holds the lock.
    #[arg(long, value_name = "CODE", default_value_t = crate::failure::BUSY)]
    pub(crate) busy_code: u8,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Each refresh is a command to every node for every lock.
fn interval(text: &str) -> Result<Duration, String> {
    let time = duration::parse(text)?;
    match time < Duration::from_millis(100) {
        true => Err("too short for the nodes: write 100ms or more".to_owned()),
        false => Ok(time),
    }
}

fn variable(name: &str) -> Result<String, String> {
    match name.is_empty() || name.contains(['=', '\0']) {
        true => Err("it cannot name a variable: leave `=` out".to_owned()),
        false => Ok(name.to_owned()),
    }
}
