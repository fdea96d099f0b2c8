use apalis::prelude::{BoxDynError, Data};
use apalis_cron::Tick;
use redlock::{Redlock, redlock};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;

/// The handler of a worker on each replica:
/// `WorkerBuilder::new("reports").backend(CronScheduler::new(schedule)).data(redlock).data(done).build(report)`.
#[redlock(key = "report", ttl = "30s", fire = instant(&tick), on_busy = skip, lock = *locks)]
pub async fn report(tick: Tick, locks: Data<Redlock>, done: Data<UnboundedSender<u64>>) -> Result<Option<()>, BoxDynError> {
    done.send(tick.get_timestamp())?;
    Ok(Some(()))
}

fn instant(tick: &Tick) -> Duration {
    Duration::from_secs(tick.get_timestamp())
}
