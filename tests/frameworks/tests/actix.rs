//! The program of actix-web, as a process.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it was killed");
    }
}

fn post(to: &str, user: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).expect("it listens");
    let bound = Some(Duration::from_secs(20));
    stream.set_read_timeout(bound).expect("a connection");
    let request = format!(
        "POST /orders HTTP/1.1\r\nhost: {to}\r\nx-user-id: {user}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a connection");
    stream
}

/// An order takes longer than any test, so the first one runs until the process is killed.
#[test]
fn a_second_order_of_a_user_is_rejected_and_one_of_another_user_begins() {
    let mut service = Command::new(env!("CARGO_BIN_EXE_actix"));
    let service = service
        .args(["127.0.0.1:0", "3600"])
        .env_remove("REDIS_URLS");
    let mut service = Ended(service.stdout(Stdio::piped()).spawn().expect("it is built"));
    let output = service.0.stdout.take().expect("a pipe");
    let mut lines = BufReader::new(output)
        .lines()
        .map(|line| line.expect("text"));
    let address = lines.next().expect("it listens");
    let address = address.strip_prefix("listens at ").expect("its address");

    let _first = post(address, "ann");
    assert_eq!(
        lines.next().expect("it begins"),
        "order of Some(\"ann\") begins"
    );
    let mut answer = String::new();
    let mut second = post(address, "ann");
    second.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 409 "), "{answer}");
    let _other = post(address, "bob");
    assert_eq!(
        lines.next().expect("it begins"),
        "order of Some(\"bob\") begins"
    );
}
