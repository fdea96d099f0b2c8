//! A thread of the client for its renewals, for runtimes that may be blocked.

use std::{io, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
    time::sleep,
};

/// How often to check, once the client is gone, whether its tasks have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A current-thread runtime on its own thread. It ends some time after this is dropped, when its
/// tasks have ended: their connections still deliver what is queued.
#[derive(Debug)]
pub(crate) struct Background {
    runtime: Handle,
    /// Closed when the client is gone.
    _client: oneshot::Sender<()>,
}

impl Background {
    pub(crate) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (client, gone) = oneshot::channel::<()>();
        let serve = async move {
            // Nothing is ever sent.
            let _ = gone.await;
            while Handle::current().metrics().num_alive_tasks() > 0 {
                sleep(LOOK_AGAIN).await;
            }
        };
        thread::Builder::new()
            .name("redlock".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            runtime: handle,
            _client: client,
        })
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }
}
