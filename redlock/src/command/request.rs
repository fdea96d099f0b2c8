//! A request: a command and its key, encoded for a node and decoded from its reply.

use std::sync::Arc;

use super::{Answer, Command, Form, Scope, Script, Session, Step, encode::Encoder};
use crate::{
    fault::{Fault, FaultKind},
    key::Key,
    resp::{self, Value},
};

/// A command and the key that it is about. Every node of a round gets the same request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: Arc<Key>,
    pub(crate) command: Command,
}

/// Appends one step of `request` to `out`.
pub(crate) fn encode(request: &Request, step: Step, session: &Session, out: &mut Vec<u8>) {
    resp::command(out, |command| {
        let mut encoder = Encoder::new(command, step.form, session);
        if step.asks_holder {
            encoder.script(Script::Holder, &[request.key.lock()]);
        } else {
            request.command.parts().encode(&request.key, &mut encoder);
        }
    });
}

/// Decodes the reply to a step of `request`.
pub(crate) fn decode(request: &Request, step: Step, reply: &Value) -> Answer {
    let Value::ServerError(error) = reply else {
        return request.command.parts().decode(step, reply);
    };
    if step.form == Form::Hash && (resp::is_unknown_script(error) || resp::refuses_hashes(error)) {
        return Answer::Next(step.with_source());
    }
    let fault = without_arguments(resp::server_fault(error), request);
    Answer::failed(match fault.kind {
        FaultKind::Permission => with_rights(fault, request),
        FaultKind::Unsupported => with_versions(fault),
        _ => with_remedy(fault),
    })
}

/// Removes the arguments of the command that a server repeats in its error, since they name the key.
fn without_arguments(mut fault: Fault, request: &Request) -> Fault {
    let mut text = fault.text.into_owned();
    if let Some(at) = text.find(", with args beginning with") {
        text.truncate(at);
    }
    let key = request.key.lock();
    if is_about_a_key(request) && text.contains(key) {
        text = without(&text, key);
    }
    fault.text = text.into();
    fault
}

/// Whether its key is that of a lock. One for the whole node has a key only to be encoded.
fn is_about_a_key(request: &Request) -> bool {
    request.command.facts().scope == Scope::Key
}

/// Replaces `name` by `<key>`, unless it is a part of a longer word, or the name of the command that is refused.
fn without(text: &str, name: &str) -> String {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        kept.push_str(before);
        let is_part = joins(kept.chars().next_back()) || joins(after.chars().next());
        let is_command = kept.ends_with("run the '") && after.starts_with("' command");
        kept.push_str(if is_part || is_command { name } else { "<key>" });
        rest = after;
    }
    kept + rest
}

/// Adds what the user has to permit. Servers do not report which key is forbidden, and before Redis
/// 7.2 not which command a script may not call.
fn with_rights(fault: Fault, request: &Request) -> Fault {
    if fault.text.contains("can't run this command") {
        let rights = request.command.facts().rights;
        return Fault {
            text: format!("{}: its user needs {rights}", fault.text).into(),
            ..fault
        };
    }
    if is_about_a_key(request) && fault.text.contains("access") {
        let key = &request.key;
        let names = format!(": `{}` and `{}`", key.lock(), key.fence());
        return Fault {
            text: format!("{}: the user needs the key and its fence", fault.text).into(),
            names: Some(names.into()),
            ..fault
        };
    }
    Fault {
        text: format!("{}: permit it to the user of this client", fault.text).into(),
        ..fault
    }
}

/// Adds what to do, where the server does not say it.
fn with_remedy(fault: Fault) -> Fault {
    let remedy = match fault.kind {
        FaultKind::OutOfMemory => "give the server more memory, or delete data that are not locks",
        FaultKind::Misconfigured if fault.text.contains("NOREPLICAS") => {
            "connect its replicas, or lower min-replicas-to-write"
        }
        FaultKind::Unreachable if fault.text.contains("CLUSTERDOWN") => {
            "the cluster lacks slots or a majority of its masters, see CLUSTER INFO"
        }
        _ => return fault,
    };
    Fault {
        text: format!("{}: {remedy}", fault.text).into(),
        ..fault
    }
}

/// Adds which servers know the commands that are needed.
pub(crate) fn with_versions(fault: Fault) -> Fault {
    Fault {
        text: format!(
            "{}: a node is Redis 6.2 or later, or Valkey 7.2 or later, with HELLO 3 and scripts",
            fault.text
        )
        .into(),
        ..fault
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::command::{BatchReply, Extend, Owner, Reply, decode_batch, encode::Marker};

    const OWNER: &str = "00000000000000000000000000002ed1";

    fn extend(token: Option<u64>, ttl: Duration) -> Request {
        let command = Extend {
            owner: Owner::of([0; 16], None),
            ttl,
            token,
            last: token.map(|token| token + 2),
        };
        Request {
            key: Arc::new(Key::new("", "a").expect("a key")),
            command: command.into(),
        }
    }

    fn session(is_strict: bool) -> Session {
        Session {
            retention: Duration::from_secs(60),
            channel: "inbox:".to_owned(),
            marker: is_strict.then(|| Marker {
                key: "marker".to_owned(),
                quarantine_key: "quarantine".to_owned(),
                value: "run 1000".to_owned(),
                guard_time: Duration::from_secs(66),
            }),
        }
    }

    /// The arguments, as a server reads them.
    fn sent(request: &Request, step: Step, session: &Session) -> Vec<String> {
        let mut out = Vec::new();
        encode(request, step, session, &mut out);
        let text = String::from_utf8(out).expect("text");
        // A length stands before each.
        let args = text.split("\r\n").skip(2).step_by(2);
        args.map(str::to_owned).collect()
    }

    #[test]
    fn a_script_is_sent_with_its_keys_and_its_arguments() {
        let request = extend(Some(7), Duration::from_secs(10));
        let args = sent(&request, Step::FIRST, &session(false));
        assert_eq!((&*args[0], args[1].len()), ("EVALSHA", 40));
        assert_eq!(
            args[2..],
            ["2", "a", "{a}{}:fence", OWNER, "10000", "7", "60000", "9"]
        );
        let args = sent(&request, Step::FIRST.with_source(), &session(false));
        assert_eq!((&*args[0], &*args[1]), ("EVAL", Script::Extend.source()));
        // Redis refuses a time of 0.
        let request = extend(None, Duration::ZERO);
        let args = sent(&request, Step::FIRST, &session(true));
        assert_eq!(args[2..], ["1", "a", OWNER, "1"]);
    }

    #[test]
    fn the_strict_restart_guard_has_keys_and_arguments_of_its_own() {
        let request = extend(Some(7), Duration::from_secs(10));
        let args = sent(&request, Step::FIRST, &session(true));
        assert_eq!(args[1], Script::ExtendStrict.hash());
        assert_eq!(
            args[2..7],
            ["4", "a", "{a}{}:fence", "marker", "quarantine"]
        );
        assert_eq!(
            args[7..],
            [OWNER, "10000", "7", "60000", "9", "run 1000", "66000"]
        );
    }

    #[test]
    fn a_server_that_imports_the_slot_gets_one_key_and_the_others_as_arguments() {
        let request = extend(Some(7), Duration::from_secs(10));
        let args = sent(&request, Step::IMPORTING, &session(false));
        assert_eq!(args[0], "EVAL");
        assert!(args[1].ends_with(Script::Extend.source()));
        assert_eq!(args[2..6], ["1", "a", "1", "{a}{}:fence"]);
    }

    /// In the words of Redis 6.2 and of later versions, for a server without the command and for a user who may not call it.
    #[test]
    fn a_server_that_refuses_hashes_gets_the_source() {
        let request = extend(Some(7), Duration::from_secs(10));
        for refusal in [
            "-ERR unknown command `EVALSHA`, with args beginning with: `5f0c`\r\n",
            "-ERR unknown command 'EVALSHA'\r\n",
            "-NOPERM this user has no permissions to run the 'evalsha' command or its subcommand\r\n",
            "-NOPERM User locker has no permissions to run the 'evalsha' command\r\n",
        ] {
            let reply = resp::parse(refusal.as_bytes()).expect("an error");
            let answer = decode(&request, Step::FIRST, &reply);
            assert!(
                matches!(answer, Answer::Next(step) if step.has_source()),
                "{answer:?}"
            );
            let batch = decode_batch(&reply, 3);
            let again = BatchReply::Refused { needs_source: true };
            assert_eq!(format!("{batch:?}"), format!("{again:?}"));
            // Not again and again.
            let answer = decode(&request, Step::FIRST.with_source(), &reply);
            assert!(matches!(answer, Answer::Vote(_)), "{answer:?}");
        }
    }

    #[test]
    fn a_reply_is_a_vote_or_a_fault() {
        let request = extend(Some(7), Duration::from_secs(10));
        let of = |status: &str, more: Vec<Value>| {
            let mut parts = vec![Value::BulkString(status.into())];
            parts.extend(more);
            match decode(&request, Step::FIRST, &Value::Array(parts)) {
                Answer::Vote(reply) => reply,
                answer => panic!("{answer:?}"),
            }
        };
        assert!(matches!(of("OK", vec![]), Reply::Yes));
        assert!(matches!(of("GONE", vec![]), Reply::Gone));
        assert!(matches!(of("RESTORED", vec![]), Reply::Restored));
        let left = Duration::from_millis(5);
        let quarantined = of("QUARANTINED", vec![Value::Int(5)]);
        assert!(matches!(quarantined, Reply::Quarantined { left: stated } if stated == left));
        for (status, kind) in [
            ("MAXTTL", FaultKind::OtherMaxTtl),
            ("EPOCH", FaultKind::Quarantined),
            ("NOEXPIRY", FaultKind::NoExpiry),
            ("BADFENCE", FaultKind::BadFence),
            ("WRONGTYPE", FaultKind::WrongType),
        ] {
            let reply = of(status, vec![]);
            assert!(
                matches!(&reply, Reply::Failed(fault) if fault.kind == kind),
                "{reply:?}"
            );
        }
        assert!(matches!(of("OK", vec![Value::Int(1)]), Reply::Failed(_)));
        assert!(matches!(of("WOKE", vec![]), Reply::Failed(_)));
    }

    #[test]
    fn a_key_in_an_error_is_replaced_and_longer_words_are_not() {
        let text = "no access to order:7, nor to order:77 or reorder:7";
        let shown = without(text, "order:7");
        assert_eq!(shown, "no access to <key>, nor to order:77 or reorder:7");
        let text = "NOPERM User get has no permissions to run the 'get' command";
        let shown = without(text, "get");
        assert_eq!(
            shown,
            "NOPERM User <key> has no permissions to run the 'get' command"
        );
    }
}
