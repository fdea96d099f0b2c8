//! One of five nodes hangs under load: how much memory the client takes meanwhile.

use crate::{
    child::Child,
    contender::Kind,
    nodes::Stage,
    outcome::Outcome,
    report::{Report, Sheet},
    stats::Series,
};

const TITLE: &str = "64 tasks, 1 of 5 nodes hung for 10 s";
const GREW: &str = "memory grew MB";
const RATE: &str = "cycles/s meanwhile";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let time = stage.time(10_000, 2_000);
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        let node = stage.cluster.node(rep % Stage::NODES);
        for kind in [Kind::Fenced, Kind::RSLOCK] {
            // Once shows what a peer does, and takes long enough.
            if kind != Kind::Fenced && rep > 0 {
                continue;
            }
            let settings = [
                ("contender", kind.word()),
                ("warm_ms", stage.time(2_000, 500).as_millis().to_string()),
                ("time_ms", time.as_millis().to_string()),
            ];
            let mut child = Child::start(stage, "soak", &settings)?;
            child.hear("ready").await?;
            node.pause();
            child.tell("go").await?;
            let told = child.hear("grew").await;
            stage.heal(node).await?;
            let told = told?;
            let (bytes, cycles) = told.split_once(' ').ok_or("half an answer")?;
            sheet.push(kind.name(), GREW, bytes.parse::<f64>()? / 1e6);
            sheet.push(
                kind.name(),
                RATE,
                cycles.parse::<f64>()? / time.as_secs_f64(),
            );
        }
    }
    if stage.quick {
        sheet.note(format!("for {} s only", time.as_secs()));
    }
    let grew: Series = sheet.series(Kind::Fenced.name(), GREW);
    report.add(sheet);
    report.ratio("hung-memory", &grew);
    println!();
    Ok(())
}
