//! The wire format of Redis: commands as they are sent, and where an answer ends.
//!
//! [RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/), versions 2 and 3. What an answer says is read
//! by the `redis` crate, except for the one that nearly all answers are.

use redis::Value;

use crate::node::{Fault, FaultKind};

/// The longest answer that is waited for, in bytes; ours have some hundreds, and `INFO` some thousands.
const MOST: usize = 1 << 20;
/// The most parts of an answer.
const MOST_PARTS: u64 = 1 << 16;

const OK: &[u8] = b"+OK\r\n";

/// A command that is being written: its arguments one by one, and their count in front in the end.
pub(super) struct Command<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: usize,
}

/// The bytes kept for the count, which has two digits at most: `*NN\r\n`.
const HEADER: usize = 5;

/// Appends one command to `out`, of fewer than a hundred arguments.
pub(super) fn command(out: &mut Vec<u8>, write: impl FnOnce(&mut Command<'_>)) {
    let start = out.len();
    out.extend_from_slice(b"*00\r\n");
    let mut command = Command {
        out,
        start,
        count: 0,
    };
    write(&mut command);
    command.end();
}

impl Command<'_> {
    pub(super) fn arg(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        let arg = arg.as_ref();
        self.out.push(b'$');
        self.out
            .extend_from_slice(itoa::Buffer::new().format(arg.len()).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(arg);
        self.out.extend_from_slice(b"\r\n");
        self.count += 1;
        self
    }

    pub(super) fn args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    pub(super) fn number(&mut self, number: u64) -> &mut Self {
        self.arg(itoa::Buffer::new().format(number))
    }

    fn end(self) {
        let digits = itoa::Buffer::new().format(self.count).len();
        debug_assert!(digits <= 2, "room was kept for two digits");
        if digits == 1 {
            let first = self.start + HEADER;
            self.out.copy_within(first.., first - 1);
            self.out.truncate(self.out.len() - 1);
        }
        let mut number = itoa::Buffer::new();
        let number = number.format(self.count).as_bytes();
        self.out[self.start + 1..][..digits].copy_from_slice(number);
        self.out[self.start + 1 + digits..][..2].copy_from_slice(b"\r\n");
    }
}

/// The length of the answer that `bytes` begin with; `None` where its end has not come yet.
pub(super) fn length(bytes: &[u8]) -> Result<Option<usize>, Fault> {
    if bytes.starts_with(OK) {
        return Ok(Some(OK.len()));
    }
    let mut at = 0_usize;
    // The parts that are still to come.
    let mut parts = 1_u64;
    while parts > 0 {
        parts -= 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return if at.max(bytes.len()) > MOST {
                Err(too_long())
            } else {
                Ok(None)
            };
        };
        let count = || {
            std::str::from_utf8(&rest[1..line])
                .ok()
                .and_then(|text| text.trim_end().parse::<i64>().ok())
                .ok_or_else(malformed)
        };
        at += line + 1;
        match rest[0] {
            b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => {}
            // Negative lengths are how version 2 writes nothing.
            b'$' | b'=' | b'!' => {
                if let Ok(length) = usize::try_from(count()?) {
                    at = at.saturating_add(length).saturating_add(2);
                }
            }
            b'*' | b'~' | b'>' => parts += u64::try_from(count()?).unwrap_or(0),
            b'%' => parts += u64::try_from(count()?).unwrap_or(0).saturating_mul(2),
            _ => return Err(malformed()),
        }
        if at > MOST || parts > MOST_PARTS {
            return Err(too_long());
        }
    }
    Ok((at <= bytes.len()).then_some(at))
}

/// Reads one whole answer.
pub(super) fn value(answer: &[u8]) -> Result<Value, Fault> {
    if answer == OK {
        return Ok(Value::Okay);
    }
    redis::parse_redis_value(answer).map_err(|_| malformed())
}

fn malformed() -> Fault {
    Fault::unknown(
        FaultKind::Other,
        "what answers there does not speak the protocol of Redis",
    )
}

fn too_long() -> Fault {
    Fault::unknown(
        FaultKind::Other,
        "the server answered far more than was asked for",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(args: &[&str]) -> String {
        let mut out = b"before".to_vec();
        command(&mut out, |command| {
            command.args(args);
        });
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn commands_of_one_and_of_many_arguments() {
        assert_eq!(written(&["PING"]), "before*1\r\n$4\r\nPING\r\n");
        assert_eq!(written(&["a", ""]), "before*2\r\n$1\r\na\r\n$0\r\n\r\n");
        let many = written(&["x"; 12]);
        assert_eq!(many, format!("before*12\r\n{}", "$1\r\nx\r\n".repeat(12)));
        let nine = written(&["x"; 9]);
        assert_eq!(nine, format!("before*9\r\n{}", "$1\r\nx\r\n".repeat(9)));
    }

    #[test]
    fn an_answer_ends_where_it_ends_and_not_before() {
        for answer in [
            "+OK\r\n",
            "+PONG\r\n",
            "-ERR no\r\n",
            ":12\r\n",
            "$3\r\na\nb\r\n",
            "$-1\r\n",
            "*-1\r\n",
            "_\r\n",
            "*0\r\n",
            "*3\r\n+HELD\r\n:5\r\n*2\r\n$1\r\nx\r\n_\r\n",
            ">3\r\n+message\r\n$1\r\nc\r\n$2\r\n\r\n\r\n",
            "%1\r\n+maxmemory-policy\r\n+noeviction\r\n",
            "=7\r\ntxt:abc\r\n",
        ] {
            let bytes = format!("{answer}+next\r\n").into_bytes();
            for cut in 0..answer.len() {
                assert_eq!(
                    length(&bytes[..cut]).expect("well-formed"),
                    None,
                    "{answer:?} at {cut}"
                );
            }
            assert_eq!(
                length(&bytes).expect("well-formed"),
                Some(answer.len()),
                "{answer:?}"
            );
            value(answer.as_bytes()).expect("readable");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for not in [
            "HTTP/1.1 400 Bad Request\r\n",
            "$x\r\n",
            "*99999999\r\n",
            "$9999999\r\n",
            "\r\n",
        ] {
            length(not.as_bytes()).expect_err(not);
        }
        length(&vec![b'+'; MOST + 1]).expect_err("a line without end");
    }
}
