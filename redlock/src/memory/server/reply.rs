//! The replies of a server, and how they are encoded.

/// A reply in the terms of the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A word, such as `OK`.
    Status(&'static str),
    /// A code and a text.
    Error(String),
    Int(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
    /// Pairs of names and values.
    Map(Vec<(&'static str, Reply)>),
    /// A push.
    Push(Vec<Reply>),
}

impl Reply {
    pub(crate) const OK: Self = Self::Status("OK");

    pub(crate) fn bulk(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(bytes.into())
    }

    /// Writes the reply in version 3 of the protocol, or in version 2.
    pub(super) fn write(&self, version_3: bool, out: &mut Vec<u8>) {
        match self {
            Self::Status(word) => line(b'+', word.as_bytes(), out),
            Self::Error(text) => line(b'-', text.as_bytes(), out),
            Self::Int(number) => line(b':', itoa::Buffer::new().format(*number).as_bytes(), out),
            Self::Bulk(bytes) => {
                header(b'$', bytes.len(), out);
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Self::Nil if version_3 => out.extend_from_slice(b"_\r\n"),
            Self::Nil => out.extend_from_slice(b"$-1\r\n"),
            Self::Array(parts) => all(b'*', parts, version_3, out),
            Self::Push(parts) => all(if version_3 { b'>' } else { b'*' }, parts, version_3, out),
            Self::Map(pairs) => {
                match version_3 {
                    true => header(b'%', pairs.len(), out),
                    false => header(b'*', pairs.len() * 2, out),
                }
                for (name, value) in pairs {
                    Self::bulk(*name).write(version_3, out);
                    value.write(version_3, out);
                }
            }
        }
    }
}

fn all(kind: u8, parts: &[Reply], version_3: bool, out: &mut Vec<u8>) {
    header(kind, parts.len(), out);
    for part in parts {
        part.write(version_3, out);
    }
}

fn header(kind: u8, count: usize, out: &mut Vec<u8>) {
    line(kind, itoa::Buffer::new().format(count).as_bytes(), out);
}

fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
