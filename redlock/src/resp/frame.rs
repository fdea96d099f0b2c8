//! Reply framing: where a reply ends, and how one that is too long is skipped.

use redis::Value;

use crate::fault::{Fault, FaultKind};

/// Maximum length of a reply that is kept, in bytes. Our replies have some hundreds, `INFO` some
/// thousands.
const MAX_LEN: usize = 1 << 20;
/// Maximum number of elements in a reply.
const MAX_ELEMENTS: u64 = 1 << 16;

const OK: &[u8] = b"+OK\r\n";
/// Replaces a reply that was too long.
const TOO_LONG: &[u8] = b"-ERR the server answered far more than was asked for\r\n";

/// How much of a reply has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// All of it, in this many bytes.
    Whole(usize),
    /// More bytes follow.
    Partial,
    /// It exceeds the limits: skip it.
    TooLong,
}

/// Measures the reply at the start of `bytes`.
pub(crate) fn length(bytes: &[u8]) -> Result<Length, Fault> {
    if bytes.starts_with(OK) {
        return Ok(Length::Whole(OK.len()));
    }
    let mut at = 0_usize;
    // Values that follow.
    let mut parts = 1_u64;
    while parts > 0 {
        parts -= 1;
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
            return Ok(match at.max(bytes.len()) > MAX_LEN {
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
            Header::Elements(more) => parts = parts.saturating_add(more),
        }
        if at > MAX_LEN || parts > MAX_ELEMENTS {
            return Ok(Length::TooLong);
        }
    }
    Ok(match at <= bytes.len() {
        true => Length::Whole(at),
        false => Length::Partial,
    })
}

/// The first line of a value.
enum Header {
    /// The line is the whole value.
    Line,
    /// This many bytes follow, the trailing line end included.
    Bytes(u64),
    /// This many values follow.
    Elements(u64),
}

/// Parses a first line, without its line end.
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
        // A negative length is the null of RESP2.
        b'$' | b'=' | b'!' => match u64::try_from(count()?) {
            Ok(length) => Header::Bytes(length.saturating_add(2)),
            Err(_) => Header::Line,
        },
        b'*' | b'~' | b'>' => Header::Elements(u64::try_from(count()?).unwrap_or(0)),
        b'%' => Header::Elements(u64::try_from(count()?).unwrap_or(0).saturating_mul(2)),
        _ => return Err(malformed()),
    })
}

/// Skips a reply that is too long while its bytes arrive. The connection stays usable.
#[derive(Debug)]
pub(crate) struct Skip {
    /// Values that follow.
    parts: u64,
    /// Bytes left of the current value.
    bytes: u64,
    /// The current value is a line whose end has not arrived.
    in_line: bool,
}

/// Maximum length of a first line that is followed by more of its value.
const MAX_HEADER: usize = 32;

impl Skip {
    pub(crate) fn new() -> Self {
        Self {
            parts: 1,
            bytes: 0,
            in_line: false,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.parts == 0 && self.bytes == 0 && !self.in_line
    }

    /// Returns how many of `bytes` to discard. The rest needs more input, or belongs to the next reply once
    /// [`is_over`](Self::is_over).
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
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
                if rest.len() <= MAX_HEADER {
                    break;
                }
                // Only a value that is itself a line can be this long.
                self.in_line = matches!(header(rest)?, Header::Line);
                self.parts -= 1;
                continue;
            };
            self.parts -= 1;
            at += end + 1;
            match header(&rest[..end])? {
                Header::Line => {}
                Header::Bytes(bytes) => self.bytes = bytes,
                Header::Elements(parts) => self.parts = self.parts.saturating_add(parts),
            }
        }
        Ok(at)
    }
}

/// The replacement of a skipped reply that began with the byte `first`. A push is not a reply.
pub(crate) fn skipped(first: u8) -> Option<Value> {
    (first != b'>').then(|| parse(TOO_LONG).unwrap_or(Value::Nil))
}

/// Parses one whole reply.
pub(crate) fn parse(answer: &[u8]) -> Result<Value, Fault> {
    if answer == OK {
        return Ok(Value::Okay);
    }
    let mut rest = answer;
    match plain(&mut rest, NESTED) {
        Some(value) if rest.is_empty() => Ok(value),
        _ => redis::parse_redis_value(answer).map_err(|_| malformed()),
    }
}

/// How deep arrays of plain values are nested at most.
const NESTED: u32 = 2;

/// The bytes of the shortest plain value.
const SHORTEST: usize = b":0\r\n".len();

/// Takes a plain value off the front of `rest`: a number, `OK`, or an array of such values, which is what most scripts and
/// batches reply with. `None` is everything else, which the general parser reads.
fn plain(rest: &mut &[u8], nested: u32) -> Option<Value> {
    if let Some(after) = rest.strip_prefix(OK) {
        *rest = after;
        return Some(Value::Okay);
    }
    let (kind, after) = rest.split_first()?;
    *rest = after;
    let number = number(rest)?;
    match kind {
        b':' => Some(Value::Int(number)),
        b'*' if nested > 0 => {
            let count = usize::try_from(number).ok()?;
            if count > rest.len() / SHORTEST {
                return None;
            }
            let mut parts = Vec::with_capacity(count);
            for _ in 0..count {
                parts.push(plain(rest, nested - 1)?);
            }
            Some(Value::Array(parts))
        }
        _ => None,
    }
}

/// Takes a decimal number and its line end off the front of `rest`, unless it has so many digits that it could overflow.
fn number(rest: &mut &[u8]) -> Option<i64> {
    const MAX_DIGITS: usize = 18;
    let end = rest.windows(2).position(|end| end == b"\r\n")?;
    let (line, after) = (&rest[..end], &rest[end + 2..]);
    *rest = after;
    let (sign, digits) = match line {
        [b'-', digits @ ..] => (-1, digits),
        digits => (1, digits),
    };
    let is_plain =
        (1..=MAX_DIGITS).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    is_plain.then(|| {
        let value = |sum, digit: &u8| sum * 10 + i64::from(digit - b'0');
        sign * digits.iter().fold(0, value)
    })
}

/// The same, with every error inside of the reply as `replace` has it.
pub(crate) fn parse_with(
    answer: &[u8],
    replace: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Value, Fault> {
    let mut value = parse(answer)?;
    if let Value::Array(parts) = &mut value {
        for part in parts {
            if let Value::ServerError(error) = part {
                let details = error.details().unwrap_or_default();
                let line = format!("-{} {details}\r\n", error.code());
                *part = parse(&replace(line.as_bytes()))?;
            }
        }
    }
    Ok(value)
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

    #[test]
    fn a_reply_is_whole_at_its_last_byte() {
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
            parse(answer.as_bytes()).expect("readable");
        }
    }

    #[test]
    fn plain_values_are_read_as_the_general_parser_reads_them() {
        let deep = format!("{}:1\r\n", "*1\r\n".repeat(9));
        for answer in [
            ":0\r\n",
            ":-0\r\n",
            ":-12\r\n",
            ":+5\r\n",
            ":007\r\n",
            ":999999999999999999\r\n",
            ":-9223372036854775808\r\n",
            ":9223372036854775807\r\n",
            "*0\r\n",
            "*-1\r\n",
            "*3\r\n:1\r\n*2\r\n:2\r\n:3\r\n*0\r\n",
            "*2\r\n:1\r\n$1\r\nx\r\n",
            "*4\r\n+OK\r\n:1\r\n*1\r\n+OK\r\n+OK\r\n",
            "*2\r\n+OK\r\n+OKAY\r\n",
            "*2\r\n+OK\r\n-ERR no\r\n",
            &deep,
        ] {
            let expected = redis::parse_redis_value(answer.as_bytes()).expect("well-formed");
            assert_eq!(
                parse(answer.as_bytes()).expect(answer),
                expected,
                "{answer:?}"
            );
        }
        for wrong in [
            ":\r\n",
            ":-\r\n",
            ":1a\r\n",
            ":1\n",
            "*1\r\n",
            "*1\r\n:1",
            "*2\r\n+OK\r\n+OK",
            ":9223372036854775808\r\n",
        ] {
            parse(wrong.as_bytes()).expect_err(wrong);
        }
    }

    #[test]
    fn other_protocols_are_refused() {
        for not in ["HTTP/1.1 400 Bad Request\r\n", "$x\r\n", "\r\n"] {
            length(not.as_bytes()).expect_err(not);
        }
    }

    #[test]
    fn a_reply_that_is_too_long_is_skipped_in_pieces_of_any_size() {
        let long = "x".repeat(MAX_LEN);
        for answer in [
            format!("${}\r\n{long}x\r\n", MAX_LEN + 1),
            format!("+{long}\r\n"),
            format!("*3\r\n:1\r\n%1\r\n+a\r\n${MAX_LEN}\r\n{long}\r\n_\r\n"),
            format!("*{}\r\n{}", MAX_ELEMENTS + 1, ":1\r\n".repeat(1 << 16 | 1)),
        ] {
            let bytes = format!("{answer}+next\r\n").into_bytes();
            assert_eq!(length(&bytes).expect("well-formed"), Length::TooLong);
            for piece in [1_000, 4_096, bytes.len()] {
                let mut skip = Skip::new();
                let (mut unread, mut passed) = (Vec::new(), 0);
                for piece in bytes.chunks(piece) {
                    unread.extend_from_slice(piece);
                    if !skip.is_over() {
                        let over = skip.advance(&unread).expect("well-formed");
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
