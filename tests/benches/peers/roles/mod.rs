//! What the child processes do.

mod growth;
mod held;
mod waiters;

use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines, Stdin},
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    contender::Kind,
    load::{Keys, Load},
    meter,
    nodes::fresh,
    options::Options,
    outcome::Outcome,
};

/// Plays `role` until it is over, or the parent is gone.
pub(crate) async fn play(role: &str, options: &Options) -> Outcome<()> {
    let urls: Vec<String> = options
        .setting::<String>("urls")?
        .split(',')
        .map(str::to_owned)
        .collect();
    match role {
        "contend" => contend(&urls, options).await,
        "wake" => wake(&urls, options).await,
        "soak" => soak(&urls, options).await,
        "renew" => held::renew(&urls, options).await,
        "occupy" => held::occupy(&urls, options).await,
        "queue" => waiters::queue(&urls, options).await,
        "grow" => growth::grow(&urls, options).await,
        _ => Err(format!("no such role: {role}").into()),
    }
}

type Parent = Lines<BufReader<Stdin>>;

fn parent() -> Parent {
    BufReader::new(tokio::io::stdin()).lines()
}

/// The next line; none when the parent is gone.
async fn told(parent: &mut Parent) -> Outcome<String> {
    Ok(parent.next_line().await?.ok_or("the parent is gone")?)
}

/// Tasks that contend for one key from a given moment on.
async fn contend(urls: &[String], options: &Options) -> Outcome<()> {
    let contender = Kind::from_word(&options.setting::<String>("contender")?)?
        .connect(urls)
        .await?;
    let load = Load::new(
        options.setting("tasks")?,
        Keys::One(options.setting("key")?),
        Duration::from_millis(options.setting("time_ms")?),
    )
    .body(Duration::from_micros(options.setting("body_us")?));
    // Connected and warm before it counts.
    let warm = Load::new(1, Keys::One(fresh("warm")), Duration::from_millis(50));
    contender.run(&warm).await?;
    println!("ready");
    let start: u64 = told(&mut parent()).await?.parse()?;
    sleep(Duration::from_nanos(start.saturating_sub(meter::now()))).await;
    let run = contender.run(&load).await?;
    let holds: Vec<String> = run
        .holds()
        .map(|hold| {
            format!(
                "{} {} {} {}",
                hold.asked, hold.entered, hold.left, hold.token
            )
        })
        .collect();
    println!("holds {}", holds.join(","));
    Ok(())
}

/// Waits for the key that it is told, again and again.
async fn wake(urls: &[String], options: &Options) -> Outcome<()> {
    let contender = Kind::from_word(&options.setting::<String>("contender")?)?
        .connect(urls)
        .await?;
    let mut parent = parent();
    println!("ready");
    while let Some(key) = parent.next_line().await? {
        println!("asking");
        // One lock, however long it takes: no time is left for another.
        let load = Load::new(1, Keys::One(key), Duration::from_micros(200));
        let run = contender.run(&load).await?;
        let first = run.tasks[0]
            .holds
            .first()
            .ok_or("the lock did not come in time")?;
        println!("got {}", first.entered);
    }
    Ok(())
}

/// Locks and unlocks for as long as it is told, and tells by how much its memory grew.
async fn soak(urls: &[String], options: &Options) -> Outcome<()> {
    let contender = Kind::from_word(&options.setting::<String>("contender")?)?
        .connect(urls)
        .await?;
    let time = Duration::from_millis(options.setting("time_ms")?);
    let load = |time| Load::new(64, Keys::Each(fresh("soak")), time).only_counted();
    contender
        .run(&load(Duration::from_millis(options.setting("warm_ms")?)))
        .await?;
    println!("ready");
    told(&mut parent()).await?;
    let before = meter::rss()?;
    let (stop, mut stopped) = oneshot::channel::<()>();
    let watch = tokio::spawn(async move {
        let mut most = 0;
        loop {
            most = meter::rss()?.max(most);
            if timeout(Duration::from_millis(50), &mut stopped)
                .await
                .is_ok()
            {
                return Outcome::Ok(most);
            }
        }
    });
    let run = contender.run(&load(time)).await?;
    drop(stop);
    let most = watch.await??;
    println!("grew {} {}", most.saturating_sub(before), run.all_cycles());
    Ok(())
}
