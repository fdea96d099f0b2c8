//! Encodes commands straight into a send buffer.

/// Writes one command, argument by argument. The argument count in front is filled in at the end.
pub(crate) struct CommandWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    count: usize,
}

/// Appends one command to `out`.
pub(crate) fn command(out: &mut Vec<u8>, write: impl FnOnce(&mut CommandWriter<'_>)) {
    let start = out.len();
    // Room for the count of most commands, which has two digits.
    out.extend_from_slice(b"*00\r\n");
    let mut command = CommandWriter {
        out,
        start,
        count: 0,
    };
    write(&mut command);
    command.end();
}

/// Appends one command of exactly `count` arguments to `out`.
pub(crate) fn command_of(
    count: usize,
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut CommandWriter<'_>),
) {
    let start = out.len();
    out.push(b'*');
    out.extend_from_slice(itoa::Buffer::new().format(count).as_bytes());
    out.extend_from_slice(b"\r\n");
    let mut command = CommandWriter {
        out,
        start,
        count: 0,
    };
    write(&mut command);
    debug_assert_eq!(command.count, count, "the arguments were counted before");
}

impl CommandWriter<'_> {
    pub(crate) fn arg(&mut self, arg: impl AsRef<[u8]>) -> &mut Self {
        self.joined([arg])
    }

    /// One argument that consists of `parts`.
    pub(crate) fn joined<const N: usize>(&mut self, parts: [impl AsRef<[u8]>; N]) -> &mut Self {
        let len: usize = parts.iter().map(|part| part.as_ref().len()).sum();
        self.out.push(b'$');
        self.out
            .extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
        self.out.extend_from_slice(b"\r\n");
        for part in parts {
            self.out.extend_from_slice(part.as_ref());
        }
        self.out.extend_from_slice(b"\r\n");
        self.count += 1;
        self
    }

    pub(crate) fn args<A: AsRef<[u8]>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    pub(crate) fn number(&mut self, number: u64) -> &mut Self {
        self.arg(itoa::Buffer::new().format(number))
    }

    fn end(self) {
        let mut number = itoa::Buffer::new();
        let number = number.format(self.count).as_bytes();
        let room = self.start + 1..self.start + 3;
        if number.len() == room.len() {
            self.out[room].copy_from_slice(number);
        } else {
            // Moves the arguments.
            self.out.splice(room, number.iter().copied());
        }
    }
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
        let most = written(&["x"; 1_234]);
        assert_eq!(
            most,
            format!("before*1234\r\n{}", "$1\r\nx\r\n".repeat(1_234))
        );
        let mut hundred = Vec::new();
        command_of(100, &mut hundred, |command| {
            command.args(["x"; 100]);
        });
        let expected = format!("*100\r\n{}", "$1\r\nx\r\n".repeat(100));
        assert_eq!(hundred, expected.as_bytes());
    }
}
