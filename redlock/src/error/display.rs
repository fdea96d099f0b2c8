//! Errors as text, with their key and without it.

use std::{fmt, time::Duration};

use super::{Error, Inner, kind::ErrorKind, node::NodeError};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = &self.0.key {
            write!(f, "lock `{}`: ", key.escape_debug())?;
        }
        self.fmt_with_causes(f, NodeError::cause)
    }
}

impl Error {
    /// The error without its key: for logs, where keys may be secrets. It says what happened, what to do, and why each node
    /// had no vote.
    ///
    /// ```
    /// # use redlock::{Redlock, memory::Nodes};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), redlock::Error> {
    /// # let redlock = Redlock::connect(Nodes::new(3).nodes()).await?;
    /// let _guard = redlock.lock("session:secret").await?;
    /// let error = redlock.lock("session:secret").no_wait().await.unwrap_err();
    /// assert!(error.to_string().contains("secret"));
    /// assert!(error.without_key().to_string().starts_with("is held by another"));
    /// # Ok(()) }
    /// ```
    pub fn without_key(&self) -> impl fmt::Display {
        struct WithoutKey<'a>(&'a Error);
        impl fmt::Display for WithoutKey<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt_with_causes(f, NodeError::without_key)
            }
        }
        WithoutKey(self)
    }

    fn fmt_with_causes(
        &self,
        f: &mut fmt::Formatter<'_>,
        cause: impl Fn(&NodeError) -> &str,
    ) -> fmt::Result {
        let Inner {
            kind,
            text,
            nodes,
            retry_after,
            ..
        } = &*self.0;
        f.write_str(text)?;
        if let Some(left) = retry_after
            && *kind == ErrorKind::NoQuorum
        {
            write!(f, "; enough of them vote again in {}", Readable(*left))?;
        } else if let Some(left) = retry_after {
            let left = Readable(*left);
            match kind {
                ErrorKind::Busy | ErrorKind::TimedOut => {
                    write!(f, "; the lease ends in {left} unless it is renewed")?;
                }
                // "or wait for another 3.2 s at most"
                ErrorKind::Forgotten => write!(f, " for another {left} at most")?,
                _ => write!(f, ", for another {left} at most")?,
            }
        }
        for (index, node) in nodes.iter().enumerate() {
            let before = if index == 0 { " (" } else { "; " };
            write!(f, "{before}{}: {}", node.node(), cause(node))?;
        }
        if nodes.is_empty() {
            Ok(())
        } else {
            f.write_str(")")
        }
    }
}

/// A duration for people: whole milliseconds below a second, tenths of a second above.
struct Readable(Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms @ ..1_000 => write!(f, "{ms} ms"),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}
