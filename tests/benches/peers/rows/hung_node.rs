//! One of five nodes hangs: how long an acquire takes, against the same with all five well.

use crate::{
    contender::{self, Kind},
    load::{Keys, Load},
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

pub(crate) const TITLE: &str = "One task, 1 of 5 nodes hung (SIGSTOP)";
const HEALTHY_P99: &str = "healthy acquire p99 µs";
const HUNG_P50: &str = "hung acquire p50 µs";
pub(crate) const HUNG_P99: &str = "hung acquire p99 µs";
const FIRST: &str = "first µs";
const SECOND: &str = "second µs";
const WORST: &str = "hung worst µs";

pub(super) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let contenders =
        contender::connect(&[Kind::Fenced, Kind::RSLOCK, Kind::PEER], &stage.urls).await?;
    let mut sheet = Sheet::new(TITLE);
    for rep in 0..stage.reps {
        let node = stage.cluster.node(rep % Stage::NODES);
        for contender in contender::in_turn(&contenders, rep) {
            let ours = contender.name == Kind::Fenced.name();
            // Where an acquire takes half a second, more time is needed for more than one.
            let time = if ours {
                stage.time(2_000, 500)
            } else {
                stage.time(4_000, 1_500)
            };
            let load = |time| Load::new(1, Keys::Each(fresh("hung")), time);
            contender.run(&load(stage.time(200, 50))).await?;
            let healthy = contender.run(&load(stage.time(2_000, 500))).await?;
            node.pause();
            let hung = contender.run(&load(time)).await;
            stage.heal(node).await?;
            let hung = hung?;
            let micros = |ns: f64| ns / 1e3;
            let nth = |n: usize| {
                hung.tasks[0].holds.get(n).map_or(f64::INFINITY, |hold| {
                    hold.entered.saturating_sub(hold.asked) as f64
                })
            };
            let waits = hung.waits();
            sheet.failures(contender.name, &healthy);
            sheet.failures(contender.name, &hung);
            sheet.push(
                contender.name,
                HEALTHY_P99,
                micros(healthy.waits().at(0.99)),
            );
            sheet.push(contender.name, HUNG_P50, micros(waits.at(0.5)));
            sheet.push(contender.name, HUNG_P99, micros(waits.at(0.99)));
            sheet.push(contender.name, FIRST, micros(nth(0)));
            sheet.push(contender.name, SECOND, micros(nth(1)));
            sheet.push(contender.name, WORST, micros(waits.max()));
        }
    }
    sheet.note("never: no acquire came back while the node hung");
    let ours = |what| sheet.series(Kind::Fenced.name(), what);
    let ratio = ours(HUNG_P99).over(&ours(HEALTHY_P99));
    report.add(sheet);
    report.ratio("hung-node", &ratio);
    println!();
    Ok(())
}
