//! Very many locks that are held and kept alive: what each takes of the client's memory.

use crate::{
    child::Child,
    contender::Kind,
    nodes::Stage,
    outcome::Outcome,
    report::{Report, Sheet},
};

const TITLE: &str = "Locks held and kept alive";
const COUNT: &str = "locks";
const ACQUIRED: &str = "bytes/lock, acquired";
const EXTENDED: &str = "bytes/lock, after an extension";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let who = Kind::Fenced.name();
    let count = if stage.quick { 5_000 } else { 100_000 };
    // A lock of 60 s is extended after 20 s.
    let wait = stage.time(24_000, 0);
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        let settings = [
            ("count", count.to_string()),
            ("wait_ms", wait.as_millis().to_string()),
        ];
        let mut child = Child::start(stage, "hold", &settings)?;
        let told = child.hear("holds").await?;
        drop(child);
        stage.clean().await?;
        let numbers: Vec<f64> = told.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [held, acquired, extended, lost] = numbers[..] else {
            return Err(format!("not what a child says: {told}").into());
        };
        if lost > 0.0 {
            return Err(format!("{lost} of {held} locks were lost").into());
        }
        sheet.push(who, COUNT, held);
        sheet.push(who, ACQUIRED, acquired / held);
        sheet.push(who, EXTENDED, extended / held);
    }
    sheet.note("resident memory, the names of the keys included");
    let bytes = sheet
        .series(who, ACQUIRED)
        .with(&sheet.series(who, EXTENDED), f64::max);
    report.add(sheet);
    report.ratio("memory", &bytes);
    println!();
    Ok(())
}
