//! Schedulers in two replicas: each tick runs once. `docs/scheduled-jobs.md` shows the same code.

pub mod apalis_cron;
pub mod tokio_cron;

#[cfg(test)]
mod tests {
    use super::{apalis_cron, tokio_cron};
    use crate::within;
    use ::apalis_cron::{CronScheduler, Tick};
    use apalis::prelude::{Data, WorkerBuilder};
    use redlock::{Redlock, memory::Nodes};
    use std::{
        collections::BTreeMap,
        fmt::Debug,
        str::FromStr as _,
        time::{SystemTime, UNIX_EPOCH},
    };
    use tokio::{
        sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        task::JoinSet,
    };
    use tokio_cron_scheduler::{Job, JobScheduler};

    const EACH_SECOND: &str = "* * * * * *";

    /// The clients of two replicas.
    async fn replicas() -> [Redlock; 2] {
        let nodes = Nodes::new(3);
        let connect = async || Redlock::connect(nodes.nodes()).await.unwrap();
        [connect().await, connect().await]
    }

    /// How often each of the first ticks ran, until so many did. The last one may not be complete.
    async fn count<T: Ord + Debug>(mut done: UnboundedReceiver<T>, ticks: usize) -> Vec<usize> {
        let mut ran = BTreeMap::<T, usize>::new();
        while ran.len() <= ticks {
            let tick = within(done.recv()).await;
            *ran.entry(tick.unwrap()).or_default() += 1;
        }
        ran.into_values().take(ticks).collect()
    }

    #[tokio::test]
    async fn tokio_cron_scheduler_runs_each_firing_once() {
        let (send, done) = unbounded_channel();
        let mut schedulers = Vec::new();
        for redlock in replicas().await {
            let scheduler = JobScheduler::new().await.unwrap();
            let job = tokio_cron::report_at(EACH_SECOND, redlock, send.clone());
            scheduler.add(job.unwrap()).await.unwrap();
            scheduler.start().await.unwrap();
            schedulers.push(scheduler);
        }
        assert_eq!(count(done, 3).await, [1, 1, 1]);
    }

    #[tokio::test]
    async fn tokio_cron_scheduler_runs_each_firing_twice_without_the_lock() {
        let (send, done) = unbounded_channel();
        for _ in 0..2 {
            let scheduler = JobScheduler::new().await.unwrap();
            let send = send.clone();
            let run = move |_, _| {
                let second = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .as_secs();
                send.send(second).unwrap();
            };
            scheduler
                .add(Job::new(EACH_SECOND, run).unwrap())
                .await
                .unwrap();
            scheduler.start().await.unwrap();
        }
        let ran = count(done, 3).await;
        assert!(ran.contains(&2), "{ran:?}");
    }

    /// Runs a worker of apalis in each replica.
    async fn workers(handler: &str, ticks: usize) -> Vec<usize> {
        let (send, done) = unbounded_channel::<u64>();
        let mut workers = JoinSet::new();
        for redlock in replicas().await {
            let schedule = cron::Schedule::from_str(EACH_SECOND).unwrap();
            let worker = WorkerBuilder::new("reports")
                .backend(CronScheduler::new(schedule))
                .data(redlock)
                .data(send.clone());
            match handler {
                "once" => workers.spawn(worker.build(apalis_cron::report).run()),
                _ => workers.spawn(worker.build(everywhere).run()),
            };
        }
        count(done, ticks).await
    }

    async fn everywhere(tick: Tick, done: Data<UnboundedSender<u64>>) {
        done.send(tick.get_timestamp()).unwrap();
    }

    #[tokio::test]
    async fn apalis_cron_runs_each_tick_once() {
        assert_eq!(workers("once", 3).await, [1, 1, 1]);
    }

    #[tokio::test]
    async fn apalis_cron_runs_each_tick_twice_without_the_lock() {
        let ran = workers("everywhere", 3).await;
        assert!(ran.contains(&2), "{ran:?}");
    }
}
