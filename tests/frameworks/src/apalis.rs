//! apalis: tasks of a worker are requests of a tower service, so the layer for requests that are not HTTP fits.

use crate::{connect, within};
use apalis::prelude::{BoxDynError, Data, MemoryStorage, Task, TaskSink as _, WorkerBuilder};
use redlock_tower::{LockError, LockLayer};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use tower::ServiceBuilder;

async fn send_mail(_mail: u32, sent: Data<Arc<AtomicU32>>) -> Result<(), BoxDynError> {
    sent.fetch_add(1, SeqCst);
    Ok(())
}

#[tokio::test]
async fn a_mail_that_is_queued_twice_is_sent_once() {
    let mut queue = MemoryStorage::new();
    for mail in [7, 7, 8] {
        queue.push(mail).await.unwrap();
    }
    let once = LockLayer::new(connect().await, |task: &Task<u32>| {
        Some(format!("mail:{}", task.args))
    })
    .no_wait()
    .dedupe_for(Duration::from_secs(24 * 60 * 60));
    let (sent, refused) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
    let layers = ServiceBuilder::new()
        .map_err({
            let refused = Arc::clone(&refused);
            move |error: LockError<BoxDynError>| {
                refused.fetch_add(1, SeqCst);
                BoxDynError::from(error.to_string())
            }
        })
        .layer(once)
        .into_inner();
    let worker = WorkerBuilder::new("mails")
        .backend(queue)
        .data(Arc::clone(&sent))
        .layer(layers)
        .build(send_mail);
    let all_done = async {
        while sent.load(SeqCst) + refused.load(SeqCst) < 3 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = worker.run() => panic!("the worker ended: {ended:?}"),
        () = within(all_done) => {}
    }
    assert_eq!(sent.load(SeqCst), 2);
}
