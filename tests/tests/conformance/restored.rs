//! What an extension restores: a lock that a node has lost, and none that somebody took away or had meanwhile. Also if it asks for
//! further tokens, so that the fence is below its last token.

use std::time::Duration;

use redlock::__wire::{Form, Request, Settings, Side};

use crate::{memory::Memory, resp::Value, start, step::Step};

const TTL: Duration = Duration::from_secs(60);
const FIRST: u64 = 1_000;
const CONFIRMED: u64 = 1_255;
const ASKED: u64 = 3_303;
const KEY: &str = "a";
const OWNER: u8 = 1;

fn status(text: &str) -> Value {
    Value::Status(text.into())
}

fn settings() -> Settings {
    Settings {
        retention: TTL * 10,
        channel: "inbox:".into(),
        marker: None,
    }
}

fn send(request: &Request) -> Step {
    Step::Send {
        connection: 0,
        lock: KEY,
        requests: vec![request.clone()],
        form: Form::Source,
        settings: settings(),
    }
}

fn batch(request: &Request) -> Step {
    Step::Batch {
        connection: 0,
        requests: vec![(KEY, request.clone())],
        form: Form::Source,
        settings: settings(),
    }
}

/// The requests of a kind of lock, and the key that is there while it is held.
struct Kind {
    acquire: Request,
    extend: Request,
    /// Leaves what a release by force leaves: a tombstone above the tokens that are confirmed.
    release: Request,
    held: &'static str,
}

fn exclusive() -> Kind {
    Kind {
        acquire: Request::Acquire {
            owner: OWNER,
            ttl: TTL,
            token: Some(FIRST),
            last: Some(CONFIRMED),
            inbox: None,
        },
        extend: Request::Extend {
            owner: OWNER,
            ttl: TTL,
            token: Some(CONFIRMED),
            last: Some(ASKED),
        },
        release: Request::Release {
            owner: OWNER,
            tombstone: Some(CONFIRMED + 1),
        },
        held: KEY,
    }
}

fn writer() -> Kind {
    let side = Side::Write;
    Kind {
        acquire: Request::AcquireSide {
            side,
            owner: OWNER,
            ttl: TTL,
            token: FIRST,
            last: CONFIRMED,
            inbox: None,
        },
        extend: Request::ExtendSide {
            side,
            owner: OWNER,
            ttl: TTL,
            token: CONFIRMED,
            last: ASKED,
        },
        release: Request::ReleaseSide {
            side,
            owner: OWNER,
            tombstone: CONFIRMED + 1,
        },
        held: "{a}{}:rw:writer",
    }
}

/// `take` runs a step on a node that has forgotten everything.
fn check(kind: &Kind, extend: &Step, in_batch: bool, mut take: impl FnMut(&Step) -> Vec<Value>) {
    let reply = |text| match in_batch {
        true => vec![Value::Array(vec![status(text)])],
        false => vec![status(text)],
    };
    let lose = Step::Command {
        connection: 0,
        words: vec![b"DEL".to_vec(), kind.held.into()],
    };
    assert_eq!(take(&send(&kind.acquire)), [status("OK")]);
    assert_eq!(take(&lose), [Value::Int(1)]);
    assert_eq!(take(extend), reply("RESTORED"), "nobody had it meanwhile");
    assert_eq!(take(extend), reply("OK"));
    assert_eq!(
        take(&Step::Command {
            connection: 0,
            words: vec![b"FLUSHALL".to_vec()]
        }),
        [status("OK")]
    );
    assert_eq!(take(&send(&kind.acquire)), [status("OK")]);
    assert_eq!(take(&send(&kind.release)), [status("OK")]);
    assert_eq!(take(extend), reply("GONE"), "it was taken away");
}

#[test]
fn an_extension_that_asks_for_tokens_restores_no_lock_that_was_taken_away() {
    let mut server = start(None);
    for kind in [exclusive(), writer()] {
        let alone = send(&kind.extend);
        server.reset();
        check(&kind, &alone, false, |step| server.take(step).replies);
        let mut memory = Memory::new(0);
        check(&kind, &alone, false, |step| memory.take(step));
    }
    let (kind, batch) = (exclusive(), batch(&exclusive().extend));
    server.reset();
    check(&kind, &batch, true, |step| server.take(step).replies);
    let mut memory = Memory::new(0);
    check(&kind, &batch, true, |step| memory.take(step));
}
