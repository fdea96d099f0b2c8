//! What the figures were measured on, and with what.

use std::fs;

use redis::cmd;

use crate::{nodes::Stage, options::Options, outcome::Outcome};

/// The header of the report.
pub(crate) async fn describe(stage: &Stage, options: &Options) -> Outcome<String> {
    let info: String = stage.cluster.node(0).ask(cmd("INFO").arg("server")).await;
    let server = info
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))
        .unwrap_or("?")
        .trim();
    let workers = match options.workers {
        None => "one worker for each core".to_owned(),
        Some(0) => "current thread".to_owned(),
        Some(workers) => format!("{workers} workers"),
    };
    Ok(format!(
        "date      {date}\n\
         machine   {machine}\n\
         servers   {nodes} x redis {server} on loopback, on the same cores as the client\n\
         runtime   tokio {tokio}, {workers}\n\
         peers     rslock {rslock}, redlock {peer}, redis {redis}\n\
         figures   median (min..max) of {reps} repetitions, contenders in turns\n",
        date = chrono::Local::now().format("%Y-%m-%d %H:%M"),
        machine = machine(),
        nodes = Stage::NODES,
        tokio = version("tokio", "1"),
        rslock = version("rslock", "0"),
        peer = version("redlock", "2"),
        redis = version("redis", "1"),
        reps = options.reps,
    ))
}

/// Processor, cores, memory, kernel.
pub(crate) fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = field(&cpus, "model name").unwrap_or(std::env::consts::ARCH);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read("/proc/meminfo");
    let memory: u64 = field(&memory, "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{model}, {cores} cores, {} GB, {} {}",
        memory.div_ceil(1 << 20),
        std::env::consts::OS,
        kernel.trim()
    )
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        Some(
            line.strip_prefix(name)?
                .trim_start()
                .strip_prefix(':')?
                .trim(),
        )
    })
}

/// The version of a dependency by the lock file; of several the one with this major version.
fn version(name: &str, major: &str) -> String {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"))
        .unwrap_or_default();
    lock.split("[[package]]")
        .filter_map(|package| {
            let value = |field: &str| {
                package.lines().find_map(|line| {
                    line.strip_prefix(field)?
                        .strip_prefix(" = \"")?
                        .strip_suffix('"')
                })
            };
            (value("name")? == name).then(|| value("version"))?
        })
        .find(|version| version.split('.').next() == Some(major))
        .unwrap_or("?")
        .to_owned()
}
