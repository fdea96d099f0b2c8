//! A request: a command and its key, encoded for a node and decoded from its reply.

use std::sync::Arc;

use super::{Answer, Command, Form, Script, Session, Step, encode::Encoder};
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
    if resp::is_unknown_script(error) && step.form == Form::Hash {
        return Answer::Next(step.with_source());
    }
    let fault = without_arguments(resp::server_fault(error), &request.key);
    Answer::failed(match fault.kind {
        FaultKind::Permission => with_rights(fault, request),
        _ => fault,
    })
}

/// Removes the arguments of the command that a server repeats in its error, since they name the key.
fn without_arguments(mut fault: Fault, key: &Key) -> Fault {
    let mut text = fault.text.into_owned();
    if let Some(at) = text.find(", with args beginning with") {
        text.truncate(at);
    }
    if text.contains(key.lock()) {
        text = without(&text, key.lock());
    }
    fault.text = text.into();
    fault
}

/// Replaces `name` by `<key>`, unless it is a part of a longer word.
fn without(text: &str, name: &str) -> String {
    let joins = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        kept.push_str(before);
        let is_part = joins(kept.chars().next_back()) || joins(after.chars().next());
        kept.push_str(if is_part { name } else { "<key>" });
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
    if fault.text.contains("key") {
        let key = &request.key;
        let names = format!(": `{}` and `{}`", key.lock(), key.fence());
        return Fault {
            text: format!("{}: the user needs the key and its fence", fault.text).into(),
            names: Some(names.into()),
            ..fault
        };
    }
    fault
}
