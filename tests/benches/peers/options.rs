//! The command line.

use std::{collections::HashMap, path::PathBuf};

use crate::{outcome::Outcome, rows::Row};

const HELP: &str = "\
Usage: cargo bench -p tests --bench peers -- [FLAGS]

  --quick          some minutes, for CI: prints figures and judges none
  --readme         the figures and plots of README and of the documentation, in about ten minutes: its rows and the curve,
                   each measured for half as long. Writes redlock/docs/peers.svg and redlock/docs/curve.svg
  --only NAME      only the row of this goal; may be repeated
  --reps N         repetitions of every measurement (5; 2 with --quick)
  --workers N      worker threads of the runtime, 0 for a current-thread one (one for each core)
  --svg PATH       writes the plot there too
  --docs           writes the plots into the documentation of the crate too
  --help           this text

`--only curve --docs` measures from one task to 32,000, and draws them into redlock/docs/curve.svg.

Plots are written to the target folder as peers.svg and curve.svg. The servers are `redis-server` from the PATH, or REDIS_SERVER.

Rows and goals:
";

/// What the command line asks for.
pub(crate) enum Asked {
    Run(Options),
    Text(String),
}

/// The flags.
pub(crate) struct Options {
    pub(crate) quick: bool,
    /// Whether only what README shows is measured.
    pub(crate) readme: bool,
    pub(crate) reps: usize,
    pub(crate) workers: Option<usize>,
    pub(crate) svg: Vec<PathBuf>,
    /// Whether the plots go into the documentation.
    pub(crate) docs: bool,
    /// What a child process of the benchmark is for.
    pub(crate) role: Option<String>,
    /// The command of a child process.
    pub(crate) settings: HashMap<String, String>,
    only: Vec<String>,
}

impl Options {
    pub(crate) fn read(words: impl Iterator<Item = String>) -> Outcome<Asked> {
        // `cargo bench` adds a flag of its own; where there is none, `cargo test` calls.
        let words: Vec<String> = words.collect();
        if words.is_empty() {
            return Ok(Asked::Text(
                "a benchmark: run it with `cargo bench -p tests --bench peers`".to_owned(),
            ));
        }
        let mut options = Self {
            quick: false,
            readme: false,
            reps: 0,
            workers: None,
            svg: Vec::new(),
            docs: false,
            role: None,
            settings: HashMap::new(),
            only: Vec::new(),
        };
        let mut words = words.into_iter().filter(|word| word != "--bench");
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("{word} needs a value, see --help"))
            };
            match word.as_str() {
                "--quick" => options.quick = true,
                "--readme" => (options.readme, options.docs) = (true, true),
                "--only" => options.only.push(value()?),
                "--reps" => options.reps = value()?.parse()?,
                "--workers" => options.workers = Some(value()?.parse()?),
                "--svg" => options.svg.push(value()?.into()),
                "--docs" => options.docs = true,
                "--help" | "-h" => return Ok(Asked::Text(help())),
                "--role" => options.role = Some(value()?),
                "--set" => {
                    let (name, value) = (value()?, value()?);
                    options.settings.insert(name, value);
                }
                _ => return Err(format!("no such flag: {word}, see --help").into()),
            }
        }
        if options.reps == 0 {
            options.reps = if options.quick { 2 } else { 5 };
        }
        if let Some(name) = options
            .only
            .iter()
            .find(|name| !Row::ALL.iter().any(|row| row.is_called(name)))
        {
            return Err(format!("no row or goal is called {name}, see --help").into());
        }
        Ok(Asked::Run(options))
    }

    pub(crate) fn wants(&self, row: Row) -> bool {
        let unnamed = match self.readme {
            true => row.is_in_readme(),
            false => !row.is_only_by_name(),
        };
        self.only.is_empty() && unnamed || self.only.iter().any(|name| row.is_called(name))
    }

    /// What the parent process told this one.
    pub(crate) fn setting<T: std::str::FromStr>(&self, name: &str) -> Outcome<T> {
        let text = self
            .settings
            .get(name)
            .ok_or_else(|| format!("this role needs the setting `{name}`"))?;
        text.parse()
            .map_err(|_| format!("`{text}` is no value of the setting `{name}`").into())
    }
}

fn help() -> String {
    let mut text = HELP.to_owned();
    for row in Row::ALL {
        text.push_str(&format!("  {:<15} {}\n", row.name(), row.goals().join(" ")));
    }
    text
}
