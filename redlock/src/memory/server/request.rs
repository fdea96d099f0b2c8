//! Parses the requests in the bytes of a client.
//!
//! [RESP](https://redis.io/docs/latest/develop/reference/protocol-spec/):
//! `*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n`.

/// Maximum number of arguments of a request.
const MAX_ARGUMENTS: usize = 1 << 16;
/// Maximum length of an argument, in bytes.
const LONGEST_ARGUMENT: usize = 1 << 20;

/// The outcome of parsing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A request of this many bytes.
    Whole(usize),
    /// The beginning of a request.
    Partial,
    /// Not a request. A server closes the connection.
    Malformed,
}

/// Parses the request at the start of `bytes`, and puts its arguments into `args`.
pub(super) fn parse<'a>(bytes: &'a [u8], args: &mut Vec<&'a [u8]>) -> Parsed {
    args.clear();
    let mut rest = bytes;
    let count = match number(&mut rest, b'*', MAX_ARGUMENTS) {
        Ok(count) => count,
        Err(parsed) => return parsed,
    };
    for _ in 0..count {
        let length = match number(&mut rest, b'$', LONGEST_ARGUMENT) {
            Ok(length) => length,
            Err(parsed) => return parsed,
        };
        let Some((arg, after)) = rest.split_at_checked(length) else {
            return Parsed::Partial;
        };
        match after {
            [b'\r', b'\n', next @ ..] => rest = next,
            [] | [b'\r'] => return Parsed::Partial,
            _ => return Parsed::Malformed,
        }
        args.push(arg);
    }
    Parsed::Whole(bytes.len() - rest.len())
}

/// Takes a line that holds `kind` and a number of at most `most` off `rest`.
fn number(rest: &mut &[u8], kind: u8, most: usize) -> Result<usize, Parsed> {
    let Some((first, line)) = rest.split_first() else {
        return Err(Parsed::Partial);
    };
    if *first != kind {
        return Err(Parsed::Malformed);
    }
    let mut number = 0_usize;
    for (at, byte) in line.iter().enumerate() {
        match byte {
            b'0'..=b'9' => number = number * 10 + usize::from(byte - b'0'),
            b'\r' if at > 0 => {
                return match line.get(at + 1) {
                    None => Err(Parsed::Partial),
                    Some(b'\n') => {
                        *rest = &line[at + 2..];
                        Ok(number)
                    }
                    Some(_) => Err(Parsed::Malformed),
                };
            }
            _ => return Err(Parsed::Malformed),
        }
        if number > most {
            return Err(Parsed::Malformed);
        }
    }
    Err(Parsed::Partial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_parsed_only_once_it_is_complete() {
        let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n";
        let bytes = [request.as_slice(), b"*1\r\n"].concat();
        let mut args = Vec::new();
        for cut in 0..request.len() {
            assert_eq!(parse(&bytes[..cut], &mut args), Parsed::Partial, "at {cut}");
        }
        assert_eq!(parse(&bytes, &mut args), Parsed::Whole(request.len()));
        assert_eq!(args, [b"SET".as_slice(), b"k", b"a\r\nb"]);
    }

    #[test]
    fn malformed_requests_are_refused() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"*\r\n",
            b"*x\r\n",
            b"*99999999999\r\n",
            b"*1\r\n+PING\r\n",
            b"*1\r\n$1\r\nPING\r\n",
        ] {
            assert_eq!(parse(bytes, &mut Vec::new()), Parsed::Malformed);
        }
    }
}
