//! How to test a service: `cargo test -p examples --test service`.
//!
//! The service pays orders, each once. Its tests need no Redis: they run on nodes inside the process, under paused time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use redlock::{
    FencingToken, Redlock,
    memory::Nodes,
    sim::{self, World},
    testing::{Fault, FaultScript, assert_held, assert_released_within},
};
use tokio::time::{sleep, timeout};

/// The ledger of the service: which orders are paid. It refuses a token that is older than one that it has seen for the order, as
/// the statements of `redlock::fence` do in a database.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<u32, Entry>>>);

#[derive(Default)]
struct Entry {
    highest: Option<FencingToken>,
    payments: u32,
}

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, HashMap<u32, Entry>> {
        self.0.lock().expect("no test panics while it holds this")
    }

    fn payments(&self, order: u32) -> u32 {
        self.entries().get(&order).map_or(0, |entry| entry.payments)
    }

    /// Whether the ledger takes a request about an order with this token.
    fn accepts(&self, order: u32, token: FencingToken) -> bool {
        let mut entries = self.entries();
        let highest = &mut entries.entry(order).or_default().highest;
        let accepts = highest.is_none_or(|highest| token >= highest);
        if accepts {
            *highest = Some(token);
        }
        accepts
    }

    /// `None`: a later holder was here.
    fn is_paid(&self, order: u32, token: FencingToken) -> Option<bool> {
        self.accepts(order, token).then(|| self.payments(order) > 0)
    }

    fn pay(&self, order: u32, token: FencingToken) -> bool {
        let accepts = self.accepts(order, token);
        if accepts {
            self.entries().entry(order).or_default().payments += 1;
        }
        accepts
    }
}

/// The service under test. Returns whether it paid the order.
async fn pay(redlock: &Redlock, ledger: &Ledger, order: u32) -> redlock::Result<bool> {
    let lock = redlock.lock(format!("order:{order}"));
    lock.run(async |held| {
        if ledger.is_paid(order, held.token()) != Some(false) {
            return false;
        }
        sleep(Duration::from_millis(100)).await; // the bank
        ledger.pay(order, held.token())
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn two_instances_pay_an_order_once() {
    let nodes = Nodes::new(3);
    let ledger = Ledger::default();
    let one = Redlock::connect(nodes.nodes())
        .await
        .expect("all nodes answer");
    let other = Redlock::connect(nodes.nodes())
        .await
        .expect("all nodes answer");
    let (one, other) = tokio::join!(pay(&one, &ledger, 7), pay(&other, &ledger, 7));
    assert!(
        one.expect("a lock") ^ other.expect("a lock"),
        "one of them paid"
    );
    assert_eq!(ledger.payments(7), 1);
}

#[tokio::test(start_paused = true)]
async fn a_customer_who_gives_up_leaves_no_lock_behind() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes())
        .await
        .expect("all nodes answer");
    let ledger = Ledger::default();
    let given_up = timeout(Duration::from_millis(50), pay(&redlock, &ledger, 7));
    let look = async {
        sleep(Duration::from_millis(20)).await;
        assert_held(&nodes, "order:7");
    };
    let (given_up, ()) = tokio::join!(given_up, look);
    assert!(given_up.is_err());
    assert_released_within(&nodes, "order:7", Duration::from_secs(1)).await;
    assert_eq!(ledger.payments(7), 0);
}

#[tokio::test(start_paused = true)]
async fn without_a_majority_nothing_is_paid_and_later_it_is() {
    let nodes = Nodes::new(3);
    let redlock = Redlock::connect(nodes.nodes())
        .await
        .expect("all nodes answer");
    let ledger = Ledger::default();
    let outage = FaultScript::new()
        .at(Duration::ZERO, 0, Fault::Stop)
        .at(Duration::ZERO, 1, Fault::Hang)
        .at(Duration::from_secs(60), 0, Fault::Heal);
    let attempts = async {
        sleep(Duration::from_secs(1)).await;
        let error = pay(&redlock, &ledger, 7)
            .await
            .expect_err("one node of three");
        assert!(error.is_no_quorum() || error.is_timed_out(), "{error}");
        assert_eq!(ledger.payments(7), 0);
        sleep(Duration::from_secs(60)).await;
        assert!(pay(&redlock, &ledger, 7).await.expect("two nodes of three"));
    };
    tokio::join!(outage.run(&nodes), attempts);
}

/// Any fault at any time: instances are paused and crash, replies are lost, nodes fail, clocks move.
#[test]
fn an_order_is_paid_once_whatever_happens() {
    sim::explore(0..50, |world: World| async move {
        let ledger = Ledger::default();
        let instances: Vec<_> = (0..3)
            .map(|_| {
                let ledger = ledger.clone();
                world.spawn(async move |process: sim::Process| {
                    pay(process.redlock(), &ledger, 7).await.unwrap_or(false)
                })
            })
            .collect();
        let mut paid = 0;
        for instance in instances {
            paid += u32::from(instance.await.unwrap_or(false)); // `None`: it crashed
        }
        assert!(paid <= 1, "{paid} instances think that they paid");
        assert!(ledger.payments(7) <= 1, "paid twice");
    });
}
