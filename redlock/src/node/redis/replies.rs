//! Arbitrary replies to any command are decoded without a panic.
//!
//! For the property test below and for the fuzz target in `redlock/fuzz`.

use std::{sync::Arc, time::Duration};

use crate::{
    command::{
        self, Acquire, Answer, Command, CoolDown, Extend, ForceRelease, Inspect, Owner, Ping,
        Release, Reply, Request, Step, Trust,
    },
    env::clock::Instant,
    key::Key,
    node::Info,
    quorum::{
        tally::{Rule, Tally},
        token::FencingToken,
        token_clock::TokenClock,
    },
    resp,
};

/// Decodes `bytes` as the reply to every command at every step.
///
/// # Panics
/// If a round of such replies is not decided, or results in a fence that no token can be above.
#[cfg_attr(not(feature = "__fuzzing"), expect(unreachable_pub))]
pub fn read(bytes: &[u8]) {
    let Ok(resp::Length::Whole(length)) = resp::length(bytes) else {
        return;
    };
    let Ok(value) = resp::parse(&bytes[..length]) else {
        return;
    };
    // What a server reports about itself, and notifications.
    let text = resp::text(&value);
    let info = Info::from_text(&text, &text);
    let (time, _) = (resp::time(&value), resp::setting(&value));
    if let redis::Value::Push { data, .. } | redis::Value::Array(data) = &value {
        command::decode_notification(data);
    }
    let now = Instant::from_micros(1_000_000);
    let clock = TokenClock::new(3, now, Duration::from_secs(5));
    clock.calibrate(0, time, now.after(info.uptime.unwrap_or_default()));
    for request in calls() {
        for step in [
            Step::FIRST,
            Step::FIRST.with_source(),
            Step {
                asks_holder: true,
                ..Step::FIRST
            },
        ] {
            if let Answer::Vote(reply) = command::decode(&request, step, &value) {
                count(&reply, &clock, now);
            }
        }
    }
}

/// Counts a vote as a round does.
fn count(reply: &Reply, clock: &TokenClock, now: Instant) {
    for rule in [Rule::Acquire, Rule::Extend, Rule::Confirm] {
        let mut tally = Tally::new(3, rule);
        for node in 0..3 {
            tally.record(node, reply.clone());
        }
        assert!(tally.decision().is_some(), "all have voted");
        assert!(tally.fence < FencingToken::LIMIT, "no token can follow");
        tally.quorum_free_in();
        clock.learn(tally.fence, now);
        clock.propose(now, tally.fence);
    }
}

/// One of each kind.
fn calls() -> Vec<Request> {
    let owner = Owner::of([7; Owner::LEN / 2], None);
    let next = owner.cool_down();
    let (ttl, until) = (Duration::from_secs(1), Instant::from_micros(0));
    let force_release = ForceRelease {
        by: owner,
        from: Arc::new([]),
    };
    let mut commands: Vec<Command> = vec![
        force_release.into(),
        Inspect.into(),
        Ping.into(),
        Trust.into(),
    ];
    for token in [None, Some(7)] {
        let (last, inbox, tombstone, window) = (token, None, token, ttl);
        let acquire = Acquire {
            owner,
            ttl,
            token,
            last,
            inbox,
        };
        let cool_down = CoolDown {
            owner,
            next,
            window,
            until,
            of_writer: false,
            is_rest: false,
            tombstone,
        };
        commands.push(acquire.into());
        commands.push(cool_down.into());
        commands.push(
            Extend {
                owner,
                ttl,
                token,
                last,
            }
            .into(),
        );
        commands.push(Release { owner, tombstone }.into());
    }
    let Ok(key) = Key::new("", "key").map(Arc::new) else {
        return Vec::new();
    };
    let calls = commands.into_iter().map(|command| Request {
        key: Arc::clone(&key),
        command,
    });
    calls.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read;

    /// Words of scripts and servers, and numbers at their limits.
    const WORDS: [&str; 31] = [
        "OK",
        "PONG",
        "WOKE",
        "RESTORED",
        "GONE",
        "HELD",
        "STALE",
        "QUARANTINED",
        "MAXTTL",
        "EPOCH",
        "NOEXPIRY",
        "BADFENCE",
        "WRONGTYPE",
        "NOSCRIPT no",
        "NOPERM this user",
        "READONLY",
        "OOM",
        "MISCONF",
        "LOADING",
        "NOAUTH",
        "MOVED 1 127.0.0.1:1",
        "ERR can't run this command",
        "0",
        "-1",
        "-2",
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740992",
        "18446744073709551615",
        "run_id:x",
        "",
    ];

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
            1 => "[^\r\n]{0,90}",
        ]
    }

    /// Replies as servers write them: RESP2 and RESP3, nested.
    fn resp() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            word().prop_map(|word| format!("+{word}\r\n")),
            word().prop_map(|word| format!("-{word}\r\n")),
            word().prop_map(|word| format!("${}\r\n{word}\r\n", word.len())),
            word().prop_map(|word| format!("={}\r\ntxt:{word}\r\n", word.len() + 4)),
            any::<i64>().prop_map(|number| format!(":{number}\r\n")),
            Just("$-1\r\n".to_owned()),
            Just("_\r\n".to_owned()),
            Just("#t\r\n".to_owned()),
            Just(",nan\r\n".to_owned()),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let kind = proptest::sample::select(vec!['*', '~', '>', '%']);
            (kind, proptest::collection::vec(inner, 0..4)).prop_map(|(kind, mut parts)| {
                if kind == '%' {
                    parts.truncate(parts.len() / 2 * 2);
                }
                let count = if kind == '%' {
                    parts.len() / 2
                } else {
                    parts.len()
                };
                format!("{kind}{count}\r\n{}", parts.concat())
            })
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_answer_is_read(answer in resp()) {
            read(answer.as_bytes());
        }

        #[test]
        fn a_holder_with_any_fence_is_read(left in any::<i64>(), fence in word(), word in 0..2_usize) {
            let word = ["HELD", "STALE"][word];
            let fence = format!("${}\r\n{fence}\r\n", fence.len());
            let rest = if word == "HELD" { format!(":{left}\r\n{fence}$1\r\nx\r\n") } else { fence };
            let parts = if word == "HELD" { 4 } else { 2 };
            read(format!("*{parts}\r\n+{word}\r\n{rest}").as_bytes());
        }

        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            read(&bytes);
        }
    }
}
