//! The wire format of Redis: commands as they are sent, and where an answer ends.
//!
//! [RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/), versions 2 and 3. What an answer says is read
//! by the `redis` crate, except for the one that nearly all answers are.

use redis::Value;

use crate::node::{Fault, FaultKind};

/// The longest answer that is kept, in bytes; ours have some hundreds, and `INFO` some thousands.
const MOST: usize = 1 << 20;
/// The most parts of an answer.
const MOST_PARTS: u64 = 1 << 16;

const OK: &[u8] = b"+OK\r\n";
/// Stands for an answer that is too long.
const TOO_LONG: &[u8] = b"-ERR the server answered far more than was asked for\r\n";

/// How much of an answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// All of it: so many bytes.
    Whole(usize),
    /// Its end is still to come.
    Partial,
    /// It will be longer than any that is waited for: skip it.
    TooLong,
}

/// A command that is being written: its arguments one by one, and their count in front in the end.
pub(super) struct CommandWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: usize,
    /// How a script is sent.
    pub(super) form: Form,
}

/// How a script is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Hash,
    Source,
    /// With its source, to the server that its slot is on its way to.
    Importing,
}

/// The bytes kept for the count, which has two digits at most: `*NN\r\n`.
const HEADER: usize = 5;

/// Appends one command to `out`, of fewer than a hundred arguments.
pub(super) fn command(out: &mut Vec<u8>, write: impl FnOnce(&mut CommandWriter<'_>)) {
    let start = out.len();
    out.extend_from_slice(b"*00\r\n");
    let mut command = CommandWriter {
        out,
        start,
        count: 0,
        form: Form::default(),
    };
    write(&mut command);
    command.end();
}

impl CommandWriter<'_> {
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

/// The length of the answer that `bytes` begin with.
pub(super) fn length(bytes: &[u8]) -> Result<Length, Fault> {
    if bytes.starts_with(OK) {
        return Ok(Length::Whole(OK.len()));
    }
    let mut at = 0_usize;
    // The parts that are still to come.
    let mut parts = 1_u64;
    while parts > 0 {
        parts -= 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return Ok(match at.max(bytes.len()) > MOST {
                true => Length::TooLong,
                false => Length::Partial,
            });
        };
        at += line + 1;
        match header(&rest[..line])? {
            Header::Line => {}
            Header::Bytes(bytes) => {
                let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
                at = at.saturating_add(bytes);
            }
            Header::Parts(more) => parts = parts.saturating_add(more),
        }
        if at > MOST || parts > MOST_PARTS {
            return Ok(Length::TooLong);
        }
    }
    Ok(match at <= bytes.len() {
        true => Length::Whole(at),
        false => Length::Partial,
    })
}

/// What the first line of a value says.
enum Header {
    /// It is all of it.
    Line,
    /// So many bytes follow, their line end among them.
    Bytes(u64),
    /// So many values follow.
    Parts(u64),
}

/// Reads a first line, without its end.
fn header(line: &[u8]) -> Result<Header, Fault> {
    let (kind, rest) = line.split_first().ok_or_else(malformed)?;
    let count = || {
        std::str::from_utf8(rest)
            .ok()
            .and_then(|text| text.trim_end().parse::<i64>().ok())
            .ok_or_else(malformed)
    };
    Ok(match kind {
        b'+' | b'-' | b':' | b'_' | b',' | b'#' | b'(' => Header::Line,
        // Negative lengths are how version 2 writes nothing.
        b'$' | b'=' | b'!' => match u64::try_from(count()?) {
            Ok(length) => Header::Bytes(length.saturating_add(2)),
            Err(_) => Header::Line,
        },
        b'*' | b'~' | b'>' => Header::Parts(u64::try_from(count()?).unwrap_or(0)),
        b'%' => Header::Parts(u64::try_from(count()?).unwrap_or(0).saturating_mul(2)),
        _ => return Err(malformed()),
    })
}

/// Passes over an answer that is too long, as it comes. The connection goes on behind it.
#[derive(Debug)]
pub(super) struct Skip {
    /// The values that are still to come.
    parts: u64,
    /// The bytes that are left of the one that is being passed over.
    bytes: u64,
    /// It is a line, whose end has not come.
    in_line: bool,
}

/// The longest first line of a value that is none itself.
const LONGEST_HEADER: usize = 32;

impl Skip {
    pub(super) fn new() -> Self {
        Self {
            parts: 1,
            bytes: 0,
            in_line: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.parts == 0 && self.bytes == 0 && !self.in_line
    }

    /// How many of `bytes` are to be thrown away now; the rest waits for more, or is the next answer where it
    /// [is over](Self::is_over).
    pub(super) fn pass(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut at = 0;
        while !self.is_over() {
            let rest = &bytes[at..];
            if rest.is_empty() {
                break;
            }
            if self.bytes > 0 {
                let here = usize::try_from(self.bytes)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                self.bytes -= here as u64;
                at += here;
                continue;
            }
            let end = rest.iter().position(|byte| *byte == b'\n');
            if self.in_line {
                self.in_line = end.is_none();
                at += end.map_or(rest.len(), |end| end + 1);
                continue;
            }
            let Some(end) = end else {
                if rest.len() <= LONGEST_HEADER {
                    break;
                }
                // Only a value that is a line itself is that long.
                self.in_line = matches!(header(rest)?, Header::Line);
                self.parts -= 1;
                continue;
            };
            self.parts -= 1;
            at += end + 1;
            match header(&rest[..end])? {
                Header::Line => {}
                Header::Bytes(bytes) => self.bytes = bytes,
                Header::Parts(parts) => self.parts = self.parts.saturating_add(parts),
            }
        }
        Ok(at)
    }
}

/// What stands for an answer that was passed over. What a server says unasked is nobody's answer.
pub(super) fn skipped(first: u8) -> Option<Value> {
    (first != b'>').then(|| value(TOO_LONG).unwrap_or(Value::Nil))
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
                    Length::Partial,
                    "{answer:?} at {cut}"
                );
            }
            assert_eq!(
                length(&bytes).expect("well-formed"),
                Length::Whole(answer.len()),
                "{answer:?}"
            );
            value(answer.as_bytes()).expect("readable");
        }
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for not in ["HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "\r\n"] {
            length(not.as_bytes()).expect_err(not);
        }
    }

    #[test]
    fn an_answer_that_is_too_long_is_passed_over_however_it_comes() {
        let long = "x".repeat(MOST);
        for answer in [
            format!("${}\r\n{long}x\r\n", MOST + 1),
            format!("+{long}\r\n"),
            format!("*3\r\n:1\r\n%1\r\n+a\r\n${MOST}\r\n{long}\r\n_\r\n"),
            format!("*{}\r\n{}", MOST_PARTS + 1, ":1\r\n".repeat(1 << 16 | 1)),
        ] {
            let bytes = format!("{answer}+next\r\n").into_bytes();
            assert_eq!(length(&bytes).expect("well-formed"), Length::TooLong);
            for piece in [1_000, 4_096, bytes.len()] {
                let mut skip = Skip::new();
                let (mut unread, mut passed) = (Vec::new(), 0);
                for piece in bytes.chunks(piece) {
                    unread.extend_from_slice(piece);
                    if !skip.is_over() {
                        let over = skip.pass(&unread).expect("well-formed");
                        unread.drain(..over);
                        passed += over;
                    }
                }
                assert!(skip.is_over());
                assert_eq!(passed, answer.len());
                assert_eq!(unread, b"+next\r\n");
            }
        }
    }
}
