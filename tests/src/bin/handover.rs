//! Hands locks over between processes, for the test program `handover`: one process locks, detaches and sends tickets, as many
//! at a time as it can; others adopt them and work under the locks. Each of them may be killed at any time.
//!
//! What they do is recorded in a Redis that is no node of the lock: when a holder begins and ends, with its token.

use std::{collections::HashSet, io::Read, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream};
use redis::{RedisResult, aio::MultiplexedConnection};
use redlock::{Guard, Redlock, Ticket};
use rustix::time::{ClockId, clock_gettime};
use tokio::{sync::Semaphore, time::sleep};

/// Short, since the lock of a process that is killed is free after it.
const TTL: Duration = Duration::from_secs(2);
/// Longer than anything here takes.
const BOUND: Duration = Duration::from_secs(60);
/// Requests at a time.
const SENDING: usize = 64;
/// Orders that may be sent and not shipped. A ticket lasts for the ttl, so the sender must not be far ahead of the workers.
const AHEAD: usize = 256;
/// Orders that a worker has at a time, with those that wait for the lock of a worker that was killed.
const WORKING: usize = 256;
/// Orders that a worker takes at a time.
const BATCH: usize = 16;
/// After this time, an order goes to another worker as well, whether its worker lives or not.
const IDLE_MS: u64 = 200;
const WORK: Duration = Duration::from_millis(3);

/// Records a beginning, unless a later holder has begun or the order is shipped.
///
/// KEYS fence, shipped, marks. ARGV token, order, mark.
const BEGIN: &str = "
    if not accepted(KEYS[1], ARGV[1]) then return 'stale' end
    redis.call('RPUSH', KEYS[3], ARGV[3])
    return redis.call('HEXISTS', KEYS[2], ARGV[2]) == 1 and 'shipped' or 'begun'";
/// Ships the order and records the end, unless a later holder has begun.
const END: &str = "
    redis.call('RPUSH', KEYS[3], ARGV[3])
    if not accepted(KEYS[1], ARGV[1]) then return 'stale' end
    redis.call('HINCRBY', KEYS[2], ARGV[2], 1)
    return 'shipped'";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let [job, nodes, store, arg] = args[..] else {
        panic!("usage: handover send NODES STORE COUNT, or handover work NODES STORE NAME");
    };
    end_with_the_parent();
    let redlock = Redlock::connect(nodes.split(',')).await.expect("a quorum");
    let client = redis::Client::open(store).expect("an address");
    let store = client.get_multiplexed_async_connection().await;
    let store = Store(store.expect("the store"));
    match job {
        "send" => send(&redlock, &store, arg.parse().expect("a number")).await,
        "work" => work(redlock, store, arg).await,
        other => panic!("no such job: {other}"),
    }
}

/// The parent keeps standard input open.
fn end_with_the_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::abort();
    });
}

/// Sends the orders that are not in the queue yet.
async fn send(redlock: &Redlock, store: &Store, count: usize) {
    let sent: HashSet<usize> = store.ask(redis::cmd("SMEMBERS").arg("sent")).await;
    let rest = (0..count).filter(|order| !sent.contains(order));
    let send = async |order: usize| {
        while store.ahead().await >= AHEAD {
            sleep(Duration::from_millis(2)).await;
        }
        // A sender that was killed may have left its lock.
        let lock = redlock.lock(format!("order:{order}")).ttl(TTL);
        let guard = lock.wait(BOUND).await.expect("nobody else sends it");
        let ticket = guard.detach().expect("a lock that is held").to_string();
        let mut add = redis::pipe();
        add.atomic().cmd("SADD").arg("sent").arg(order).ignore();
        add.cmd("XADD").arg("orders").arg("*");
        add.arg("order").arg(order).arg("ticket").arg(ticket);
        let added: RedisResult<(String,)> = add.query_async(&mut store.0.clone()).await;
        added.expect("the queue");
    };
    stream::iter(rest).for_each_concurrent(SENDING, send).await;
    std::future::pending::<()>().await;
}

type Entry = (String, Vec<(String, String)>);

/// Works off the orders, under the locks of their tickets.
async fn work(redlock: Redlock, store: Store, name: &str) {
    let slots = Arc::new(Semaphore::new(WORKING));
    loop {
        let free = slots.available_permits().min(BATCH);
        let mut entries = Vec::new();
        if free > 0 {
            entries.extend(store.claimed(name, free).await);
            entries.extend(store.new_ones(name, free).await);
        }
        for entry in entries {
            let (redlock, store, name) = (redlock.clone(), store.clone(), name.to_owned());
            let slots = Arc::clone(&slots);
            tokio::spawn(async move {
                let _slot = slots.acquire().await;
                one(&redlock, &store, &name, entry).await;
            });
        }
        sleep(Duration::from_millis(1)).await;
    }
}

async fn one(redlock: &Redlock, store: &Store, name: &str, (id, fields): Entry) {
    let field = |wanted: &str| {
        let found = fields.iter().find(|(field, _)| field == wanted);
        found.expect("the fields of an order").1.as_str()
    };
    let order = field("order");
    let (guard, how) = resume(redlock, &field("ticket").parse().expect("a ticket")).await;
    let began = now();
    let until = began + nanos(guard.remaining());
    let token = guard.token().get();
    let mark = format!("begin {name} {order} {token} {began} {until} {how}");
    if store.mark(BEGIN, order, token, &mark).await == "begun" {
        sleep(WORK).await;
        let mark = format!("end {name} {order} {token} {}", now());
        store.mark(END, order, token, &mark).await;
    } else {
        let mark = format!("end {name} {order} {token} {}", now());
        let _: u64 = store.ask(redis::cmd("RPUSH").arg("marks").arg(mark)).await;
    }
    // A lock that was lost meanwhile is free.
    drop(guard.release().await);
    let mut done = redis::cmd("XACK");
    let _: u64 = store.ask(done.arg("orders").arg("workers").arg(id)).await;
}

/// Adopts the ticket, or locks again if it is used up: by a worker that was killed, or by one that got the same order.
async fn resume(redlock: &Redlock, ticket: &Ticket) -> (Guard, &'static str) {
    loop {
        match redlock.adopt(ticket).await {
            Ok(guard) => return (guard, "adopted"),
            Err(error) if error.is_ticket_over() => break,
            Err(error) if error.is_busy() || error.is_no_quorum() => {
                sleep(Duration::from_millis(2)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let lock = redlock.lock(ticket.key()).ttl(ticket.ttl()).wait(BOUND);
    (lock.await.expect("free after a ttl"), "locked")
}

#[derive(Clone)]
struct Store(MultiplexedConnection);

impl Store {
    async fn ask<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        let answer = command.query_async(&mut self.0.clone()).await;
        answer.expect("the store answers")
    }

    async fn mark(&self, script: &str, order: &str, token: u64, mark: &str) -> String {
        let script = format!("{} {script}", redlock::fence::REDIS);
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(3);
        eval.arg(format!("fence:{order}"));
        self.ask(
            eval.arg("shipped")
                .arg("marks")
                .arg(token)
                .arg(order)
                .arg(mark),
        )
        .await
    }

    /// Orders that are sent and not shipped.
    async fn ahead(&self) -> usize {
        let mut counts = redis::pipe();
        counts.cmd("SCARD").arg("sent").cmd("HLEN").arg("shipped");
        let counts: RedisResult<(usize, usize)> = counts.query_async(&mut self.0.clone()).await;
        let (sent, shipped) = counts.expect("the store answers");
        sent.saturating_sub(shipped)
    }

    /// Orders that a worker got a while ago and has not done.
    async fn claimed(&self, name: &str, count: usize) -> Vec<Entry> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg("orders").arg("workers").arg(name).arg(IDLE_MS);
        let claim = claim.arg("0").arg("COUNT").arg(count);
        let (_, entries, _): (String, Vec<Entry>, Vec<String>) = self.ask(claim).await;
        entries
    }

    async fn new_ones(&self, name: &str, count: usize) -> Vec<Entry> {
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("workers").arg(name);
        let read = read.arg("COUNT").arg(count).arg("STREAMS").arg("orders");
        let read: Option<Vec<(String, Vec<Entry>)>> = self.ask(read.arg(">")).await;
        let streams = read.into_iter().flatten();
        streams.flat_map(|(_, entries)| entries).collect()
    }
}

/// Nanoseconds, comparable between the processes of one machine.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    nanos(Duration::new(
        u64::try_from(now.tv_sec).unwrap_or(0),
        u32::try_from(now.tv_nsec).unwrap_or(0),
    ))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
