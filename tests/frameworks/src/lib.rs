//! The lock in web and job frameworks other than axum, tonic and hyper: `redlock-tower/docs/frameworks.md` and
//! `docs/scheduled-jobs.md` show the same code.

pub mod actix;
pub mod poem;
pub mod salvo;
pub mod schedulers;

#[cfg(test)]
mod apalis;
#[cfg(test)]
mod lambda;
#[cfg(test)]
mod quoted;

/// A handler that waits until the test lets it finish.
#[cfg(test)]
#[derive(Clone, Default)]
struct Work {
    begun: std::sync::Arc<tokio::sync::Notify>,
    finish: std::sync::Arc<tokio::sync::Notify>,
}

#[cfg(test)]
impl Work {
    async fn run(&self) {
        self.begun.notify_one();
        self.finish.notified().await;
    }
}

#[cfg(test)]
async fn connect() -> redlock::Redlock {
    let nodes = redlock::memory::Nodes::new(3);
    redlock::Redlock::connect(nodes.nodes()).await.unwrap()
}

/// A test that waits for longer than this has failed.
#[cfg(test)]
async fn within<T>(future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(std::time::Duration::from_secs(60), future).await;
    done.expect("within a minute")
}
