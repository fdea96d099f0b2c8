use chrono::{DateTime, Utc};
use croner::Cron;
use redlock::{Redlock, redlock};
use tokio::sync::mpsc::UnboundedSender;
use tokio_cron_scheduler::{Job, JobSchedulerError};

type Done = UnboundedSender<DateTime<Utc>>;

#[redlock(key = "report", ttl = "30s", fire = firing, on_busy = skip, lock = locks)]
async fn report(locks: &Redlock, firing: DateTime<Utc>, done: &Done) {
    let _ = done.send(firing);
}

/// A job of the scheduler of each replica: `scheduler.add(report_at("0 30 2 * * *", redlock, done)?).await?`.
pub fn report_at(pattern: &str, locks: Redlock, done: Done) -> Result<Job, JobSchedulerError> {
    let cron: Cron = pattern.parse().map_err(|_| JobSchedulerError::ParseSchedule)?;
    Job::new_async(pattern, move |_, _| {
        let (locks, done) = (locks.clone(), done.clone());
        // The scheduler does not pass the instant, and starts a job up to a second after it.
        let firing = cron.find_previous_occurrence(&Utc::now(), true);
        Box::pin(async move {
            if let Ok(firing) = firing {
                report(&locks, firing, &done).await;
            }
        })
    })
}
