//! Encodes commands straight into a send buffer.

const DIGITS: &[u8; 10] = b"0123456789";

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
        let arg = arg.as_ref();
        self.begin_arg(arg.len());
        self.out.extend_from_slice(arg);
        self.end_arg()
    }

    /// One argument that consists of `parts`.
    pub(crate) fn joined<const N: usize>(&mut self, parts: [&str; N]) -> &mut Self {
        self.begin_arg(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            self.out.extend_from_slice(part.as_bytes());
        }
        self.end_arg()
    }

    /// One argument that consists of single bytes.
    pub(crate) fn bytes(&mut self, bytes: impl ExactSizeIterator<Item = u8>) -> &mut Self {
        self.begin_arg(bytes.len());
        self.out.extend(bytes);
        self.end_arg()
    }

    /// Writes the length of an argument.
    fn begin_arg(&mut self, len: usize) {
        // Most lengths have two digits, and each command has some ten arguments.
        if (10..100).contains(&len) {
            let (tens, ones) = (DIGITS[len / 10], DIGITS[len % 10]);
            self.out
                .extend_from_slice(&[b'$', tens, ones, b'\r', b'\n']);
        } else {
            self.out.push(b'$');
            self.out
                .extend_from_slice(itoa::Buffer::new().format(len).as_bytes());
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn end_arg(&mut self) -> &mut Self {
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
    fn arguments_of_any_length() {
        for len in (0..=101).chain([999, 1_000, 65_536]) {
            let arg = "x".repeat(len);
            assert_eq!(written(&[&arg]), format!("before*1\r\n${len}\r\n{arg}\r\n"));
        }
    }

    #[test]
    fn an_argument_of_parts_and_one_of_bytes() {
        let mut out = Vec::new();
        command(&mut out, |command| {
            command.joined(["a", "", "bc"]).bytes("def".bytes());
        });
        assert_eq!(out, b"*2\r\n$3\r\nabc\r\n$3\r\ndef\r\n");
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
