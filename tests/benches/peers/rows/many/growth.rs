//! The cost of a cycle with very many fences on the servers and very many locks held, over that of an empty start.

use redis::cmd;

use crate::{
    child::Child,
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

const TITLE: &str = "512 tasks, distinct keys, fenced, as the stores grow";
const EMPTY: &str = "empty start";
const CLIENT: &str = "client CPU µs/cycle";
const SERVER: &str = "server CPU µs/cycle";
const BOTH: &str = "CPU µs/cycle";

/// Writes fences as releases leave them behind. ARGV: prefix, first, last, retention in ms.
const FILL: &str = "
for number = ARGV[2], ARGV[3] do
  redis.call('SET', '{' .. ARGV[1] .. '-' .. number .. '}{}:fence', '1795000000000000', 'PX', ARGV[4])
end
return redis.status_reply('OK')";
/// Fences of one call: none holds up a server for long.
const CALL: usize = 10_000;
const RETENTION_MS: u32 = 665_000;

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let (fences, locks) = if stage.quick {
        (20_000, 2_000)
    } else {
        (1_000_000, 100_000)
    };
    let grown = format!("{fences} fences, {locks} locks held");
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        stage.clean().await?;
        let time = stage.time(2_000, 400).as_millis().to_string();
        let mut child = Child::start(stage, "grow", &[("time_ms", time)])?;
        child.hear("ready").await?;
        load(stage, &mut child, EMPTY, &mut sheet).await?;
        fill(stage, fences).await?;
        child.tell(&format!("hold {locks}")).await?;
        child.hear("holds").await?;
        load(stage, &mut child, &grown, &mut sheet).await?;
    }
    stage.clean().await?;
    sheet.note("CPU of the client and of all servers together");
    let ratio = sheet.series(&grown, BOTH).over(&sheet.series(EMPTY, BOTH));
    report.add(sheet);
    report.ratio("growth", &ratio);
    println!();
    Ok(())
}

/// The second of two loads counts: a server whose store has grown moves it into larger tables, some entries with each command,
/// and the first load ends that.
async fn load(stage: &Stage, child: &mut Child, who: &str, sheet: &mut Sheet) -> Outcome<()> {
    child.tell("load").await?;
    child.hear("cost").await?;
    let before = stage.server_cpu().await?;
    child.tell("load").await?;
    let told = child.hear("cost").await?;
    let server = (stage.server_cpu().await? - before).as_secs_f64() * 1e6;
    let (client, cycles) = told.split_once(' ').ok_or("half an answer")?;
    let (client, cycles): (f64, f64) = (client.parse()?, cycles.parse()?);
    sheet.push(who, CLIENT, client / cycles);
    sheet.push(who, SERVER, server / cycles);
    sheet.push(who, BOTH, (client + server) / cycles);
    Ok(())
}

/// Puts so many fences on each server.
async fn fill(stage: &Stage, fences: usize) -> Outcome<()> {
    let prefix = fresh("past");
    for node in stage.cluster.nodes() {
        for first in (1..=fences).step_by(CALL) {
            let last = (first + CALL - 1).min(fences);
            let mut call = cmd("EVAL");
            call.arg(FILL).arg(0).arg(&prefix);
            node.ask::<()>(call.arg(first).arg(last).arg(RETENTION_MS))
                .await;
        }
    }
    Ok(())
}
