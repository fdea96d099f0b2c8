//! Replies of the second protocol: how long one is, and whether it is a plain OK.

/// The length of the first reply, and whether it says OK; `None` while it is incomplete.
pub(super) fn first(bytes: &[u8]) -> Option<(usize, bool)> {
    if bytes.starts_with(b"+OK\r\n") {
        return Some((5, true));
    }
    Some((length(bytes)?, false))
}

/// Whether each part of an array says OK; `None` where it is no array of commands' replies.
pub(super) fn parts(bytes: &[u8]) -> Option<Vec<bool>> {
    let rest = bytes.strip_prefix(b"*")?;
    let mut at = 1 + rest.windows(2).position(|two| two == b"\r\n")? + 2;
    let mut parts = Vec::new();
    while at < bytes.len() {
        let (length, yes) = first(&bytes[at..])?;
        parts.push(yes);
        at += length;
    }
    Some(parts)
}

fn length(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|two| two == b"\r\n")?;
    let after = line + 2;
    let number = || {
        std::str::from_utf8(&bytes[1..line])
            .ok()?
            .parse::<i64>()
            .ok()
    };
    match bytes[0] {
        b'$' => match usize::try_from(number()?) {
            Ok(size) => (bytes.len() >= after + size + 2).then_some(after + size + 2),
            Err(_) => Some(after),
        },
        b'*' => (0..number()?).try_fold(after, |at, _| Some(at + length(bytes.get(at..)?)?)),
        _ => Some(after),
    }
}
