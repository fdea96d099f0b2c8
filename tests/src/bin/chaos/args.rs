//! What the command line says: a run of the harness, or one of its client processes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use redlock::RestartGuard;

use crate::report;

pub(crate) type Problem = Box<dyn std::error::Error>;

const HELP: &str = "\
Usage: chaos [--seconds N] [--seed N] [--workers N] [--guard observed|strict] [--control no-guard] [--keep FOLDER]

Five redis-server, a few client processes and a nemesis; then the history is checked. Fails on a violation.

  --seconds N          how long the nemesis rages (45); some 15 seconds more for the start, the calm after it and the check
  --seed N             the schedule of the nemesis, to replay it; drawn and printed where it is not given
  --workers N          client processes beside the probe (4)
  --guard observed     the default restart guard; what it documents as not covered is not injected, or excused and counted
  --guard strict       nothing is held back: all nodes restart at once, FLUSHALL goes to all
  --control no-guard   no restart guard, and majorities that restart empty: fails unless violations are found
  --keep FOLDER        leaves the histories there; they are kept anyway where something was found
";

pub(crate) enum Role {
    Help,
    Harness(Settings),
    Client(ClientSettings),
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) length: Duration,
    pub(crate) seed: u64,
    pub(crate) workers: usize,
    pub(crate) guard: RestartGuard,
    /// The guard is off, and the checker has to find out.
    pub(crate) control: bool,
    pub(crate) keep: Option<PathBuf>,
}

/// One client process.
#[derive(Clone, Debug)]
pub(crate) struct ClientSettings {
    /// As in `w2.1`: slot 2, its first process.
    pub(crate) name: String,
    /// Looks whether a lock can be had, and does nothing else.
    pub(crate) probe: bool,
    /// Through the proxies.
    pub(crate) nodes: Vec<String>,
    /// Past the proxies, for looking.
    pub(crate) direct: Vec<String>,
    pub(crate) resource: SocketAddr,
    pub(crate) history: PathBuf,
    pub(crate) guard: RestartGuard,
}

pub(crate) fn help() {
    report::say(HELP.trim_end());
}

pub(crate) fn read(words: impl Iterator<Item = String>) -> Result<Role, Problem> {
    let mut words = words.peekable();
    if words.next_if(|word| word == "client").is_some() {
        return client(Options::read(words)?).map(Role::Client);
    }
    if words
        .peek()
        .is_some_and(|word| word == "--help" || word == "-h")
    {
        return Ok(Role::Help);
    }
    harness(Options::read(words)?).map(Role::Harness)
}

fn harness(mut options: Options) -> Result<Settings, Problem> {
    let control = match options.take("--control").as_deref() {
        None => false,
        Some("no-guard") => true,
        Some(other) => return Err(format!("--control {other} is not known: no-guard").into()),
    };
    let guard = guard(options.take("--guard").as_deref())?;
    let settings = Settings {
        length: Duration::from_secs(options.number("--seconds", 45)?.clamp(5, 86_400)),
        seed: match options.take("--seed") {
            Some(seed) => seed.parse()?,
            None => u64::from(rand::random::<u32>()),
        },
        workers: usize::try_from(options.number("--workers", 4)?.clamp(3, 16))?,
        guard: if control { RestartGuard::Off } else { guard },
        control,
        keep: options.take("--keep").map(PathBuf::from),
    };
    options.end()?;
    Ok(settings)
}

fn client(mut options: Options) -> Result<ClientSettings, Problem> {
    let list = |text: String| text.split(',').map(str::to_owned).collect();
    let settings = ClientSettings {
        name: options.need("--name")?,
        probe: options.need("--role")? == "probe",
        nodes: list(options.need("--nodes")?),
        direct: list(options.need("--direct")?),
        resource: options.need("--resource")?.parse()?,
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
        Some(other) => Err(format!("--guard {other} is not known: observed or strict").into()),
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
            Some((name, _)) => Err(format!("{name} is not known, --help says what is").into()),
        }
    }
}
