//! One run: build the world, let the nemesis rage, calm down, check, report.

use std::path::Path;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::args::{Problem, Settings};
use crate::calm;
use crate::check::{self, Run};
use crate::history::History;
use crate::nemesis::{self, Deeds, plan};
use crate::report;
use crate::stamp::now;
use crate::terms::{GUARD_TIME, SLOW_KEY};
use crate::world::World;

/// Whether all is as it should be.
pub(crate) async fn run(settings: Settings) -> Result<bool, Problem> {
    let folder = tempfile::Builder::new()
        .prefix("redlock-chaos-")
        .tempdir()?;
    report::head(&settings);
    let lived = LocalSet::new()
        .run_until(live(&settings, folder.path()))
        .await;
    let fine = match &lived {
        Ok((run, deeds, problems)) => {
            report::all(&settings, run, &check::all(run), deeds, problems)
        }
        Err(_) => false,
    };
    if let Some(keep) = &settings.keep {
        std::fs::create_dir_all(keep)?;
        for entry in std::fs::read_dir(folder.path())? {
            let entry = entry?;
            std::fs::copy(entry.path(), keep.join(entry.file_name()))?;
        }
        report::say(&format!("the histories are in {}", keep.display()));
    } else if !fine && !settings.control {
        report::say(&format!("the histories are in {}", folder.keep().display()));
    }
    lived.map(|_| fine)
}

async fn live(settings: &Settings, folder: &Path) -> Result<(Run, Deeds, Vec<String>), Problem> {
    let world = World::build(settings).await?;
    for number in 0..world.slots.len() {
        world.populate(number, folder).await?;
    }
    // Under the strict guard a first deployment waits once.
    let work = world
        .resource
        .next_entry(SLOW_KEY, GUARD_TIME + Duration::from_secs(20))
        .await;
    work.ok_or("no client got a lock before anything was done to it")?;

    let began = now();
    let deeds = nemesis::rage(&world, &plan::draw(settings), settings.length, folder).await;
    let storm = (began, now());
    nemesis::heal(&world, folder).await?;
    let calm = calm::calm(&world).await?;
    let run = Run {
        history: History::read(folder)?,
        events: world.events.all(),
        cells: world.resource.cells(),
        calm,
        storm,
        strict: settings.guard == redlock::RestartGuard::Strict,
        control: settings.control,
    };
    Ok((run, deeds, world.problems()))
}
