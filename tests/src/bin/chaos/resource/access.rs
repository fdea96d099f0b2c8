//! A client's connection to the resource.

use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::{optional, word};
use crate::args::Problem;

/// A connection.
#[derive(Debug)]
pub(crate) struct Access {
    stream: BufReader<UnixStream>,
    client: String,
}

/// The values of both counters, as they were read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    checked: Option<u64>,
    unchecked: u64,
}

impl Access {
    pub(crate) async fn open(socket: &Path, client: &str) -> Result<Self, Problem> {
        Ok(Self {
            stream: BufReader::new(UnixStream::connect(socket).await?),
            client: client.to_owned(),
        })
    }

    pub(crate) async fn read(&mut self, key: &str, token: u64) -> Result<Values, Problem> {
        let reply = self
            .request(format!("read {key} {} {token}\n", self.client))
            .await?;
        let (checked, unchecked) = reply.split_once(' ').ok_or("a reply without two numbers")?;
        Ok(Values {
            checked: optional(checked),
            unchecked: unchecked.parse()?,
        })
    }

    /// Writes both values incremented.
    pub(crate) async fn write(
        &mut self,
        key: &str,
        token: u64,
        read: Values,
    ) -> Result<(), Problem> {
        let (checked, unchecked) = (
            word(read.checked.map(|value| value + 1)),
            read.unchecked + 1,
        );
        let line = format!(
            "write {key} {} {token} {checked} {unchecked}\n",
            self.client
        );
        self.request(line).await.map(drop)
    }

    /// Sends the ticket of a grant to other clients.
    pub(crate) async fn post(&mut self, grant: &str, ticket: &str) -> Result<(), Problem> {
        let line = format!("post {grant} {ticket}\n");
        self.request(line).await.map(drop)
    }

    /// The next grant that was detached, and its ticket.
    pub(crate) async fn fetch(&mut self) -> Result<Option<(String, String)>, Problem> {
        let reply = self.request("fetch\n".to_owned()).await?;
        let ticket = reply.split_once(' ');
        Ok(ticket.map(|(grant, ticket)| (grant.to_owned(), ticket.to_owned())))
    }

    async fn request(&mut self, line: String) -> Result<String, Problem> {
        self.stream.get_mut().write_all(line.as_bytes()).await?;
        let mut reply = String::new();
        self.stream.read_line(&mut reply).await?;
        Ok(reply.trim_end().to_owned())
    }
}
