//! The command line, of a run and of its client processes.

use std::path::PathBuf;
use std::time::Duration;

use redlock::RestartGuard;

use crate::{ISOLATED, report};

pub(crate) type Problem = Box<dyn std::error::Error>;

const HELP: &str = "\
Usage: chaos [--seconds N | --soak TIME] [--seed N] [--workers N] [--network auto|off|required]
             [--guard observed|strict] [--control no-guard|ignored-loss] [--keep FOLDER]
       chaos --check-network

Starts five Redis servers and a few client processes, injects faults, and checks the history of what the clients did.
Fails on a violation of an invariant, when a fault was planned more than once and never occurred, and when a kind of lock
was never granted.

  --seconds N             how long faults are injected (default: 45); start, recovery and check take some 20 s more
  --soak TIME             the same for 30m, 2h or 90s; checks what there is every minute, and stops at a violation
  --seed N                the seed of the plan of faults (default: random); it is printed, and repeats the plan
  --workers N             client processes beside the probe (default: 4)
  --network auto          network faults where the machine can do them: the nodes and half of the clients run in
                          network namespaces of their own, joined by links that lose, delay and cut packets (default)
  --network off           no network faults
  --network required      fails where there can be none
  --guard observed        the default restart guard; what it does not cover is not injected, or is excused and counted
  --guard strict          nothing is held back: all nodes restart at once, FLUSHALL goes to all
  --control no-guard      without a restart guard, majorities restart empty: fails unless violations are found
  --control ignored-loss  holders work on after they lost the lock, and are cut off: fails unless violations are found
  --keep FOLDER           copies the histories there; after a failure they are kept in any case
  --check-network         checks that links lose, delay and cut packets on this machine, and exits

Network faults need Linux, iproute2, and root or user namespaces. Without them the other faults remain.
";

pub(crate) enum Role {
    Help,
    Run(Settings),
    CheckNetwork { isolated: bool },
    Client(ClientSettings),
}

/// Whether network faults are injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NetworkMode {
    Auto,
    Off,
    Required,
}

/// A run that fails unless the checker finds violations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// The restart guard is off.
    NoGuard,
    /// The checker treats a holder as such until it releases, even after it lost the lock.
    IgnoredLoss,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) length: Duration,
    /// Checks the history so far every minute.
    pub(crate) soak: bool,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) network: NetworkMode,
    /// This process is in namespaces of its own.
    pub(crate) isolated: bool,
    pub(crate) guard: RestartGuard,
    pub(crate) control: Option<Control>,
    pub(crate) keep: Option<PathBuf>,
}

/// One client process.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    /// A name such as `w2.1`: the first process in slot 2.
    pub(crate) name: String,
    /// Whether it only measures availability, with keys that no other client uses.
    pub(crate) probe: bool,
    /// Holds the slow lock for longer than its ttl, renewing it.
    pub(crate) long_holds: bool,
    /// The nodes, or the proxies in front of them.
    pub(crate) nodes: Vec<String>,
    /// The nodes themselves, for samples.
    pub(crate) direct: Vec<String>,
    /// The socket of the protected resource.
    pub(crate) resource: PathBuf,
    pub(crate) history: PathBuf,
    pub(crate) guard: RestartGuard,
}

pub(crate) fn help() {
    report::print(HELP.trim_end());
}

pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Role, Problem> {
    let mut words = words.peekable();
    let isolated = words.next_if(|word| word == ISOLATED).is_some();
    match words.peek().map(String::as_str) {
        Some("client") => client(Options::read(words.skip(1))?).map(Role::Client),
        Some("--help" | "-h") => Ok(Role::Help),
        Some("--check-network") => Ok(Role::CheckNetwork { isolated }),
        _ => run(Options::read(words)?, isolated).map(Role::Run),
    }
}

fn run(mut options: Options, isolated: bool) -> Result<Settings, Problem> {
    let control = match options.take("--control").as_deref() {
        None => None,
        Some("no-guard") => Some(Control::NoGuard),
        Some("ignored-loss") => Some(Control::IgnoredLoss),
        Some(other) => {
            return Err(format!("--control {other} is unknown: no-guard or ignored-loss").into());
        }
    };
    let network = match options.take("--network").as_deref() {
        None | Some("auto") => NetworkMode::Auto,
        Some("off") => NetworkMode::Off,
        Some("required") => NetworkMode::Required,
        Some(other) => {
            return Err(format!("--network {other} is unknown: auto, off or required").into());
        }
    };
    let guard = guard(options.take("--guard").as_deref())?;
    let soak = options.take("--soak").as_deref().map(length).transpose()?;
    let seconds = Duration::from_secs(options.number("--seconds", 45)?);
    let settings = Settings {
        length: soak
            .unwrap_or(seconds)
            .clamp(Duration::from_secs(5), Duration::from_secs(86_400)),
        soak: soak.is_some(),
        seed: match options.take("--seed") {
            Some(seed) => seed
                .parse()
                .map_err(|error| format!("--seed {seed}: {error}"))?,
            None => u64::from(rand::random::<u32>()),
        },
        workers: usize::try_from(options.number("--workers", 4)?.clamp(3, 16))?,
        network,
        isolated,
        guard: match control {
            Some(Control::NoGuard) => RestartGuard::Off,
            _ => guard,
        },
        control,
        keep: options.take("--keep").map(PathBuf::from),
    };
    options.end()?;
    Ok(settings)
}

/// A time as in `30m`.
fn length(text: &str) -> Result<Duration, Problem> {
    let number = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match &text[number.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(format!("--soak {text}: not a time such as 90s, 30m or 2h").into()),
    };
    let number: u32 = number
        .parse()
        .map_err(|error| format!("--soak {text}: {error}"))?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

fn client(mut options: Options) -> Result<ClientSettings, Problem> {
    let list = |text: String| text.split(',').map(str::to_owned).collect();
    let settings = ClientSettings {
        name: options.need("--name")?,
        probe: options.need("--role")? == "probe",
        long_holds: options.need("--long-holds")? == "true",
        nodes: list(options.need("--nodes")?),
        direct: list(options.need("--direct")?),
        resource: options.need("--resource")?.into(),
        history: options.need("--history")?.into(),
        guard: guard(options.take("--guard").as_deref())?,
    };
    options.end()?;
    Ok(settings)
}

fn guard(word: Option<&str>) -> Result<RestartGuard, Problem> {
    match word {
        None | Some("observed") => Ok(RestartGuard::Observed),
        Some("strict") => Ok(RestartGuard::Strict),
        Some("off") => Ok(RestartGuard::Off),
        Some(other) => Err(format!("--guard {other} is unknown: observed or strict").into()),
    }
}

/// The word that [`read`] understands.
pub(crate) fn guard_word(guard: RestartGuard) -> &'static str {
    match guard {
        RestartGuard::Strict => "strict",
        RestartGuard::Off => "off",
        _ => "observed",
    }
}

/// Pairs of an option and its value.
struct Options(Vec<(String, String)>);

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        while let Some(name) = words.next() {
            let value = words
                .next()
                .ok_or_else(|| format!("{name} needs a value"))?;
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(option, _)| option == name)?;
        Some(self.0.swap_remove(place).1)
    }

    fn need(&mut self, name: &str) -> Result<String, Problem> {
        self.take(name)
            .ok_or_else(|| format!("{name} is missing").into())
    }

    fn number(&mut self, name: &str, default: u64) -> Result<u64, Problem> {
        self.take(name).map_or(Ok(default), |text| {
            text.parse()
                .map_err(|error| format!("{name} {text}: {error}").into())
        })
    }

    fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(format!("{name} is unknown, see --help").into()),
        }
    }
}
