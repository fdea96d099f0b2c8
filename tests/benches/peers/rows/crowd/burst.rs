//! Very many keys with a waiter each are released at once: how long until all waiters are served.

use super::Crowd;
use crate::{
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
    stats::Series,
};

const TITLE: &str = "All keys released at once, a waiter in another process for each";
const TIME: &str = "ms until all are served";
const EACH: &str = "µs each";
const FAILED: &str = "errors";

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let few = if stage.quick { 200 } else { 1_000 };
    let many = 10 * few;
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        let counts = if rep % 2 == 0 {
            [few, many]
        } else {
            [many, few]
        };
        for count in counts {
            stage.clean().await?;
            let Crowd {
                mut holder,
                mut waiters,
                ..
            } = Crowd::start(stage, &fresh("burst"), count).await?;
            waiters.tell("serve").await?;
            holder.tell("release").await?;
            let released = holder.hear("released").await?;
            let served = waiters.hear("served").await?;
            let (begun, lost) = released.split_once(' ').ok_or("half an answer")?;
            let (last, failed) = served.split_once(' ').ok_or("half an answer")?;
            if lost != "0" {
                return Err(format!("{lost} of {count} locks were lost").into());
            }
            let nanos = last.parse::<u64>()?.saturating_sub(begun.parse::<u64>()?) as f64;
            let who = row(count);
            sheet.push(&who, TIME, nanos / 1e6);
            sheet.push(&who, EACH, nanos / 1e3 / count as f64);
            sheet.push(&who, FAILED, failed.parse()?);
        }
    }
    stage.clean().await?;
    let ratio = sheet
        .series(&row(many), EACH)
        .over(&sheet.series(&row(few), EACH));
    let failed: Series = sheet.series(&row(many), FAILED);
    report.add(sheet);
    report.ratio("burst", &ratio);
    report.ratio("burst-errors", &failed);
    println!();
    Ok(())
}

fn row(count: usize) -> String {
    format!("{count} keys")
}
