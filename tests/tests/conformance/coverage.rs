//! What occurred in all sequences. Something that never occurred was not compared.

use std::collections::BTreeMap;

use redlock::__wire::{self, Request, Side};

use crate::{
    resp::{self, Value},
    step::Step,
};

/// What has to occur: a request and its reply, or a message of a server.
const WANTED: [(&str, &[&str]); 34] = [
    (
        "Acquire",
        &[
            "OK",
            "HELD",
            "STALE",
            "NOEXPIRY",
            "BADFENCE",
            "WRONGTYPE",
            "QUARANTINED",
            "MAXTTL",
            "EPOCH",
            "nil",
            "OutOfMemory",
            "ReadOnly",
            "Misconfigured",
            "NoScript",
        ],
    ),
    ("Holder", &["a number"]),
    (
        "Extend",
        &[
            "OK",
            "GONE",
            "RESTORED",
            "BADFENCE",
            "WRONGTYPE",
            "QUARANTINED",
            "OutOfMemory",
        ],
    ),
    ("Release", &["OK", "WOKE", "ReadOnly"]),
    ("CoolDown", &["OK", "GONE", "QUARANTINED", "MAXTTL"]),
    ("JoinWaitlist", &["OK", "NoScript"]),
    ("LeaveWaitlist", &["OK"]),
    ("ForceRelease", &["OK", "WRONGTYPE"]),
    ("Inspect", &["nil", "an owner"]),
    ("LookPermits", &["FREE", "PERMITS"]),
    ("InspectPermits", &["a holder", "nobody", "PERMITS"]),
    (
        "Preempt",
        &["OK", "STALE", "QUARANTINED", "MAXTTL", "OutOfMemory"],
    ),
    (
        "AcquireRead",
        &[
            "OK",
            "HELD",
            "STALE",
            "BADFENCE",
            "QUARANTINED",
            "OutOfMemory",
        ],
    ),
    ("ExtendRead", &["OK", "GONE", "RESTORED", "QUARANTINED"]),
    ("ReleaseRead", &["OK", "WOKE"]),
    (
        "AcquireWrite",
        &[
            "OK",
            "HELD",
            "STALE",
            "BADFENCE",
            "QUARANTINED",
            "OutOfMemory",
        ],
    ),
    ("ExtendWrite", &["OK", "GONE", "RESTORED", "QUARANTINED"]),
    ("ReleaseWrite", &["OK", "WOKE"]),
    ("LeaveWrite", &["OK"]),
    ("InspectSides", &["a holder", "nobody"]),
    ("ForceReleaseSides", &["OK"]),
    (
        "Adopt",
        &["OK", "HELD", "GONE", "STALE", "BADFENCE", "QUARANTINED"],
    ),
    ("GiveBack", &["OK"]),
    (
        "ReadRegister",
        &["VERSION", "NEWER", "BADRECORD", "WrongType"],
    ),
    (
        "WriteRegister",
        &["OK", "NEWER", "BADRECORD", "OutOfMemory"],
    ),
    ("Ping", &["PONG", "OK", "QUARANTINED"]),
    ("Probe", &["OK", "QUARANTINED", "OutOfMemory"]),
    ("Trust", &["OK"]),
    ("Announce", &["NODE", "refused", "WrongType"]),
    (
        "Acquire in a batch",
        &[
            "OK",
            "HELD",
            "STALE",
            "NOEXPIRY",
            "BADFENCE",
            "WRONGTYPE",
            "QUARANTINED",
            "MAXTTL",
            "EPOCH",
            "OutOfMemory",
        ],
    ),
    (
        "Extend in a batch",
        &["OK", "GONE", "RESTORED", "BADFENCE", "QUARANTINED"],
    ),
    ("Release in a batch", &["OK", "WOKE"]),
    ("message", &["sent"]),
    ("invalidate", &["sent"]),
];

/// How often each occurred.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    answers: BTreeMap<(String, String), u64>,
    /// By their hashes.
    scripts: BTreeMap<String, u64>,
}

impl Coverage {
    pub(crate) fn add(&mut self, step: &Step, replies: &[Value], pushes: &[Vec<Value>]) {
        match step {
            Step::Send { requests, .. } => {
                for (request, reply) in requests.iter().zip(replies) {
                    self.count(name(request), &answer(request, reply));
                }
            }
            Step::Batch { requests, .. } => {
                // Empty if the whole call was refused.
                let replies = replies.iter().flat_map(Value::parts);
                for ((_, request), reply) in requests.iter().zip(replies) {
                    let name = format!("{} in a batch", name(request));
                    self.count(&name, &answer(request, reply));
                }
            }
            _ => {}
        }
        self.add_scripts(step, replies);
        for push in pushes.iter().flatten() {
            self.count(&push.word().unwrap_or_default(), "sent");
        }
    }

    fn add_scripts(&mut self, step: &Step, replies: &[Value]) {
        let Some((_, mut bytes, _)) = step.bytes(step.form()) else {
            return;
        };
        for reply in replies {
            let (request, length) = resp::parse(&bytes).expect("a request");
            bytes.drain(..length);
            if let [word, hash, ..] = request.parts()
                && word.bytes() == b"EVALSHA"
                && !matches!(reply, Value::Error(_))
            {
                let hash = String::from_utf8_lossy(hash.bytes()).into_owned();
                *self.scripts.entry(hash).or_default() += 1;
            }
        }
    }

    fn count(&mut self, what: &str, answer: &str) {
        let key = (what.to_owned(), answer.to_owned());
        *self.answers.entry(key).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (key, count) in other.answers {
            *self.answers.entry(key).or_default() += count;
        }
        for (key, count) in other.scripts {
            *self.scripts.entry(key).or_default() += count;
        }
    }

    /// What did not occur.
    pub(crate) fn missing(&self) -> Vec<String> {
        let wanted = WANTED.iter().flat_map(|(what, answers)| {
            let keys = answers.iter();
            keys.map(|answer| ((*what).to_owned(), (*answer).to_owned()))
        });
        let answers = wanted.filter(|key| !self.answers.contains_key(key));
        let answers = answers.map(|(what, answer)| format!("{what}: {answer}"));
        // An announcement is always sent with its source.
        let scripts = __wire::scripts()
            .filter(|(name, hash)| name != "Announce" && !self.scripts.contains_key(*hash));
        let scripts = scripts.map(|(name, _)| format!("the script {name} by its hash"));
        answers.chain(scripts).collect()
    }

    /// One line for each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((what, answer), count) in &self.answers {
            let line = lines.entry(what).or_default();
            line.push(format!("{answer} {count}"));
        }
        let lines = lines.iter();
        lines
            .map(|(what, answers)| format!("{what}: {}", answers.join(", ")))
            .collect()
    }
}

fn name(request: &Request) -> &'static str {
    match request {
        Request::Acquire { .. } => "Acquire",
        Request::Holder => "Holder",
        Request::Extend { .. } => "Extend",
        Request::Release { .. } => "Release",
        Request::CoolDown { .. } => "CoolDown",
        Request::JoinWaitlist(_) => "JoinWaitlist",
        Request::LeaveWaitlist { .. } => "LeaveWaitlist",
        Request::ForceRelease { .. } => "ForceRelease",
        Request::Inspect => "Inspect",
        Request::LookPermits { .. } => "LookPermits",
        Request::InspectPermits { .. } => "InspectPermits",
        Request::AcquireSide { side, .. } => match side {
            Side::Read => "AcquireRead",
            Side::Write => "AcquireWrite",
        },
        Request::ExtendSide { side, .. } => match side {
            Side::Read => "ExtendRead",
            Side::Write => "ExtendWrite",
        },
        Request::ReleaseSide { side, .. } => match side {
            Side::Read => "ReleaseRead",
            Side::Write => "ReleaseWrite",
        },
        Request::InspectSides => "InspectSides",
        Request::ForceReleaseSides { .. } => "ForceReleaseSides",
        Request::Preempt { .. } => "Preempt",
        Request::LeaveWrite { .. } => "LeaveWrite",
        Request::Adopt { .. } => "Adopt",
        Request::GiveBack { .. } => "GiveBack",
        Request::ReadRegister { .. } => "ReadRegister",
        Request::WriteRegister { .. } => "WriteRegister",
        Request::Ping => "Ping",
        Request::Probe { .. } => "Probe",
        Request::Trust => "Trust",
        Request::Announce(_) => "Announce",
    }
}

fn answer(request: &Request, reply: &Value) -> String {
    match (request, reply) {
        (_, Value::Error(text)) => format!("{:?}", __wire::fault(text.as_bytes())),
        (Request::Inspect, Value::Array(parts)) => match parts.first() {
            Some(Value::Nil) => "nil".to_owned(),
            _ => "an owner".to_owned(),
        },
        (Request::InspectPermits { .. } | Request::InspectSides, Value::Array(parts))
            if reply.word().as_deref() == Some("HOLDERS") =>
        {
            match parts.len() {
                2 => "nobody".to_owned(),
                _ => "a holder".to_owned(),
            }
        }
        (Request::Announce(_), Value::Array(parts)) if !parts[4].bytes().is_empty() => {
            "refused".to_owned()
        }
        _ => reply.word().unwrap_or_default(),
    }
}
