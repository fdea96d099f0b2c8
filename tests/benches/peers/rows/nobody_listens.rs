//! What events and metrics cost a cycle while nobody listens to them: no subscriber, no recorder.
//!
//! The program of `tests/cycle` is built twice: with `metrics` and the events of `tracing`, as users build it, and without the
//! feature, with `max_level_off`, so that no event is left in it. Both take turns, some milliseconds each, as new processes in
//! every repetition. A second process of the first build takes part too: how far it is from the first is the noise.
//!
//! On servers that noise is larger than what is looked for. A cycle in memory emits the same events, in a tenth of the time, so what
//! they add is measured there, and judged as a share of a cycle on servers.

use std::{fs, path::PathBuf, time::Duration};

use tokio::process::Command;

use crate::{
    child::Child,
    meter,
    nodes::Stage,
    outcome::Outcome,
    report::{Report, Sheet},
    stats::{Series, Sorted},
};

const MICROS: &str = "µs/cycle";
const USUAL: &str = "with events and metrics";
const AGAIN: &str = "the same once more";
const SILENT: &str = "without events";

/// The two builds of the program.
struct Builds {
    usual: PathBuf,
    silent: PathBuf,
}

/// Where the locks are.
struct Place {
    title: &'static str,
    addresses: Vec<String>,
    /// Cycles of a turn.
    turn: usize,
}

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let builds = tokio::task::spawn_blocking(Builds::make).await??;
    let servers = Place {
        title: "Nobody listens: 3 servers, 1 task",
        addresses: stage.urls[..3].to_vec(),
        turn: 25,
    };
    let memory = Place {
        title: "Nobody listens: 3 nodes in memory, 1 task",
        addresses: Vec::new(),
        turn: 100,
    };
    let (on_servers, in_memory) = (
        at(&servers, &builds, stage).await?,
        at(&memory, &builds, stage).await?,
    );
    let added = in_memory.with_events.with(&in_memory.without, |a, b| a - b);
    let share = added.with(&on_servers.without, |added, cycle| 1.0 + added / cycle);
    report.add(on_servers.sheet);
    report.add(in_memory.sheet);
    report.ratio("nobody-listens", &share);
    report.ratio(
        "nobody-listens-memory",
        &in_memory.with_events.over(&in_memory.without),
    );
    println!();
    Ok(())
}

/// Microseconds of a cycle, one figure for each repetition.
struct Cycles {
    with_events: Series,
    without: Series,
    sheet: Sheet,
}

async fn at(place: &Place, builds: &Builds, stage: &Stage) -> Outcome<Cycles> {
    let mut sheet = Sheet::new(place.title);
    for rep in 0..stage.reps {
        let mut sides = vec![
            Side::start(USUAL, &builds.usual, place).await?,
            Side::start(SILENT, &builds.silent, place).await?,
            Side::start(AGAIN, &builds.usual, place).await?,
        ];
        // No side always follows the same other one.
        sides.rotate_left(rep % 3);
        if rep % 2 == 1 {
            sides.reverse();
        }
        take_turns(&mut sides, place.turn, stage.time(500, 100)).await?;
        sides.iter_mut().for_each(|side| side.took.clear());
        take_turns(&mut sides, place.turn, stage.time(6_000, 600)).await?;
        for side in sides {
            let took = Sorted::new(side.took).at(0.5);
            sheet.push(side.name, MICROS, took / 1e3);
        }
    }
    let micros = |name| sheet.series(name, MICROS);
    let (with_events, without, again) = (micros(USUAL), micros(SILENT), micros(AGAIN));
    sheet.note(format!(
        "{USUAL}: {:.4} times {SILENT}; {AGAIN}: {:.4} times the first",
        with_events.over(&without).median(),
        again.over(&with_events).median(),
    ));
    Ok(Cycles {
        with_events,
        without,
        sheet,
    })
}

/// Until the time is over.
async fn take_turns(sides: &mut [Side], cycles: usize, time: Duration) -> Outcome<()> {
    let begun = meter::now();
    while u128::from(meter::now() - begun) < time.as_nanos() {
        for side in &mut *sides {
            side.turn(cycles).await?;
        }
    }
    Ok(())
}

/// A process of one of the builds.
struct Side {
    name: &'static str,
    child: Child,
    took: Vec<u64>,
}

impl Side {
    async fn start(name: &'static str, program: &PathBuf, place: &Place) -> Outcome<Self> {
        let mut command = Command::new(program);
        command.args(&place.addresses);
        let mut child = Child::run(command)?;
        let events = child.hear("ready").await?;
        let wanted = match name {
            SILENT => "events off metrics false",
            _ => "events trace metrics true",
        };
        if events != wanted {
            return Err(format!("{name}: built with {events} instead of {wanted}").into());
        }
        Ok(Self {
            name,
            child,
            took: Vec::new(),
        })
    }

    async fn turn(&mut self, cycles: usize) -> Outcome<()> {
        self.child.tell(&cycles.to_string()).await?;
        let took = self.child.hear("took").await?;
        for nanos in took.split(',') {
            self.took.push(nanos.parse()?);
        }
        Ok(())
    }
}

impl Builds {
    fn make() -> Outcome<Self> {
        Ok(Self {
            usual: build("with-events", "metrics")?,
            silent: build("without-events", "tracing/max_level_off")?,
        })
    }
}

/// Builds the program with these features. The next build would overwrite it, so it gets a name of its own.
fn build(name: &str, features: &str) -> Outcome<PathBuf> {
    let tmp = env!("CARGO_TARGET_TMPDIR");
    let args = ["--locked", "-p", "cycle", "--features", features];
    let built = tests::built::build(&args, tmp).ok_or("tests/cycle does not build")?;
    let program = built.get("cycle").ok_or("there is no program `cycle`")?;
    let copy = PathBuf::from(tmp).join(format!("cycle-{name}"));
    fs::copy(program, &copy)?;
    Ok(copy)
}
