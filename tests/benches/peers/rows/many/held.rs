//! Very many locks that are held and renewed: what each takes of the client's memory, and all of them of its CPU.

use crate::{
    child::Child,
    contender::Kind,
    nodes::Stage,
    outcome::Outcome,
    report::{Report, Sheet},
};

const TITLE: &str = "Locks held and kept alive, ttl 30 s";
const COUNT: &str = "locks";
const ACQUIRED: &str = "bytes/lock, acquired";
const EXTENDED: &str = "bytes/lock, after two extensions";
const SHARE: &str = "client CPU, share of a core";

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let who = Kind::Fenced.name();
    let count = if stage.quick { 5_000 } else { 100_000 };
    // A lock of 30 s is extended every 10 s.
    let wait = stage.time(20_000, 1_000);
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        let settings = [
            ("count", count.to_string()),
            ("ttl_ms", "30000".to_owned()),
            ("wait_ms", wait.as_millis().to_string()),
        ];
        let mut child = Child::start(stage, "renew", &settings)?;
        let told = child.hear("holds").await?;
        drop(child);
        stage.clean().await?;
        let numbers: Vec<f64> = told.split(' ').map(str::parse).collect::<Result<_, _>>()?;
        let [held, acquired, extended, lost, share] = numbers[..] else {
            return Err(format!("not what a child says: {told}").into());
        };
        if lost > 0.0 {
            return Err(format!("{lost} of {held} locks were lost").into());
        }
        sheet.push(who, COUNT, held);
        sheet.push(who, ACQUIRED, acquired / held);
        sheet.push(who, EXTENDED, extended / held);
        sheet.push(who, SHARE, share);
    }
    sheet.note("resident memory, the names of the keys included");
    let bytes = sheet
        .series(who, ACQUIRED)
        .with(&sheet.series(who, EXTENDED), f64::max);
    let share = sheet.series(who, SHARE);
    report.add(sheet);
    report.ratio("memory", &bytes);
    report.ratio("memory-100k-renewed", &share);
    println!();
    Ok(())
}
