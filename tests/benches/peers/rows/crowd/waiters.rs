//! Very many waiters for as many held keys, while nothing happens: their CPU and their memory.

use super::Crowd;
use crate::{
    contender::Kind,
    nodes::{Stage, fresh},
    outcome::Outcome,
    report::{Report, Sheet},
};

const TITLE: &str = "Waiters for as many held keys, while nothing happens";
const COUNT: &str = "waiters";
const CLIENT: &str = "client CPU, share of a core";
const SERVERS: &str = "servers' CPU, all together";
const SERVER: &str = "CPU of a server, share of a core";
const MEMORY: &str = "bytes/waiter";

pub(in crate::rows) async fn measure(stage: &Stage, report: &mut Report) -> Outcome<()> {
    let who = Kind::Fenced.name();
    let count = if stage.quick { 1_000 } else { 10_000 };
    // Each of them looks once in about 30 s.
    let time = stage.time(35_000, 1_000);
    let mut sheet = Sheet::new(TITLE);
    for _ in 0..stage.reps {
        stage.clean().await?;
        let mut crowd = Crowd::start(stage, &fresh("idle"), count).await?;
        let before = stage.server_cpu().await?;
        crowd
            .waiters
            .tell(&format!("idle {}", time.as_millis()))
            .await?;
        let client: f64 = crowd.waiters.hear("idle").await?.parse()?;
        let servers = (stage.server_cpu().await? - before).as_secs_f64() / time.as_secs_f64();
        sheet.push(who, COUNT, count as f64);
        sheet.push(who, CLIENT, client);
        sheet.push(who, SERVERS, servers);
        sheet.push(who, SERVER, servers / Stage::NODES as f64);
        sheet.push(who, MEMORY, crowd.memory / count as f64);
    }
    stage.clean().await?;
    sheet.note("servers: with the renewal of the held keys; memory: resident, tasks and names of keys included");
    let share = sheet
        .series(who, CLIENT)
        .with(&sheet.series(who, SERVER), f64::max);
    let memory = sheet.series(who, MEMORY);
    report.add(sheet);
    report.ratio("idle-waiters", &share);
    report.ratio("waiter-memory", &memory);
    println!();
    Ok(())
}
