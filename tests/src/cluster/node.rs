//! One node: a server at a fixed address, and its faults.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout};

use super::port::Port;
use super::process::{Launch, Process};

/// Time for a server to start, and to answer a request.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const TRIES: usize = 5;

/// One Redis server at a fixed address. A clone is the same node.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    index: usize,
    launch: Launch,
    port: Port,
    more_ports: Vec<(&'static str, Port)>,
    state: Mutex<State>,
    // Removed when the last clone is gone, and after the process has ended.
    _dir: Arc<TempDir>,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    paused: bool,
}

impl Node {
    pub(super) async fn lacks(launch: &Launch) -> Option<String> {
        let port = Port::reserve().expect("a free loopback port");
        let more = launch.more_ports.iter();
        let more: Vec<(&str, Port)> = more
            .map(|directive| (*directive, Port::reserve().expect("a free loopback port")))
            .collect();
        let said = run(launch, port.number(), &more).await.err()?.log;
        let refusals = ["Bad directive", "Failed finding TLS support"];
        let refusal = |line: &&str| refusals.iter().any(|words| line.contains(words));
        said.lines().find(refusal).map(str::to_owned)
    }

    pub(super) async fn start_new(index: usize, launch: Launch, dir: Arc<TempDir>) -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            let port = Port::reserve().expect("a free loopback port");
            let more = launch.more_ports.iter();
            let more_ports: Vec<(&str, Port)> = more
                .map(|directive| (*directive, Port::reserve().expect("a free loopback port")))
                .collect();
            match run(&launch, port.number(), &more_ports).await {
                Ok(process) => {
                    let state = Mutex::new(State {
                        process: Some(process),
                        paused: false,
                    });
                    return Self {
                        inner: Arc::new(Inner {
                            index,
                            launch,
                            port,
                            more_ports,
                            state,
                            _dir: dir,
                        }),
                    };
                }
                Err(Failed {
                    log,
                    port_taken: true,
                }) => said = log,
                Err(Failed { log, .. }) => panic!("redis-server did not come up, it said:\n{log}"),
            }
        }
        panic!("redis-server found its port taken {TRIES} times, it said:\n{said}");
    }

    /// The index of this node in its cluster.
    #[must_use]
    pub fn index(&self) -> usize {
        self.inner.index
    }

    /// The address as `Redlock::connect` takes it.
    #[must_use]
    pub fn url(&self) -> String {
        let auth = self
            .inner
            .launch
            .password
            .as_deref()
            .map(|p| format!(":{p}@"))
            .unwrap_or_default();
        if self.inner.launch.unix_socket {
            let query = self
                .inner
                .launch
                .password
                .as_deref()
                .map(|p| format!("?pass={p}"))
                .unwrap_or_default();
            return format!(
                "redis+unix://{}{query}",
                self.inner.launch.socket().display()
            );
        }
        format!("redis://{auth}{}", self.address())
    }

    /// Where the server listens, on TCP also when it has a unix socket.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.inner.launch.address(), self.port()).into()
    }

    /// The port at which the server listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.inner.port.number()
    }

    /// The port that was requested with [`Builder::port_for`](super::Builder::port_for).
    ///
    /// # Panics
    ///
    /// When it was not.
    #[must_use]
    pub fn port_for(&self, directive: &str) -> u16 {
        let mut ports = self.inner.more_ports.iter();
        let port = ports.find(|(name, _)| *name == directive);
        let (_, port) = port.unwrap_or_else(|| panic!("no port was asked for {directive}"));
        port.number()
    }

    /// The id of the server process, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.state().process.as_ref().map(Process::id)
    }

    /// Ends the server like a crash (SIGKILL). Its data are lost. No-op when it is down.
    ///
    /// When this returns the port refuses connections.
    pub fn kill(&self) {
        let mut state = self.state();
        state.paused = false;
        // Dropped under the lock, so that no other task sees a node that is neither up nor down. It
        // takes a millisecond.
        state.process = None;
    }

    /// Starts a server that was killed, empty, at the same address, and waits until it answers.
    /// No-op when it is up.
    ///
    /// # Panics
    ///
    /// When it does not come up; the message has its log.
    pub async fn start(&self) {
        if self.state().process.is_some() {
            return;
        }
        let process = match run(&self.inner.launch, self.port(), &self.inner.more_ports).await {
            Ok(process) => process,
            Err(failed) => panic!(
                "node {} did not come up again, it said:\n{}",
                self.index(),
                failed.log
            ),
        };
        self.state().process = Some(process);
    }

    /// Kills the server and starts it at the same address without data.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn restart_empty(&self) {
        self.kill();
        self.start().await;
    }

    /// Hangs the server (SIGSTOP): connections stay open and new ones are accepted by the kernel,
    /// nothing answers.
    ///
    /// # Panics
    ///
    /// When the server is not running.
    pub fn pause(&self) {
        let mut state = self.state();
        let process = state.process.as_ref().expect("a running server to pause");
        process.signal(Signal::STOP);
        // The signal takes effect asynchronously. Return only when the server is stopped.
        let start = std::time::Instant::now();
        while process
            .state()
            .is_some_and(|letter| !letter.eq_ignore_ascii_case(&'t'))
        {
            assert!(
                start.elapsed() < PATIENCE,
                "node {} does not stop",
                self.index()
            );
            std::thread::yield_now();
        }
        state.paused = true;
    }

    /// Resumes a paused server (SIGCONT). It then carries out what was sent meanwhile.
    ///
    /// # Panics
    ///
    /// When the server is not running.
    pub fn resume(&self) {
        let mut state = self.state();
        state
            .process
            .as_ref()
            .expect("a paused server to resume")
            .signal(Signal::CONT);
        state.paused = false;
    }

    /// Whether the server runs and is not paused.
    #[must_use]
    pub fn is_live(&self) -> bool {
        let state = self.state();
        state.process.is_some() && !state.paused
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Node")
            .field("index", &self.index())
            .field("port", &self.port())
            .field("pid", &state.process.as_ref().map(Process::id))
            .field("paused", &state.paused)
            .finish()
    }
}

struct Failed {
    log: String,
    port_taken: bool,
}

/// Starts the server and waits until it answers.
async fn run(launch: &Launch, port: u16, more_ports: &[(&str, Port)]) -> Result<Process, Failed> {
    let spawn = {
        let launch = launch.clone();
        let more: Vec<u16> = more_ports.iter().map(|(_, port)| port.number()).collect();
        spawn_blocking(move || launch.spawn(port, &more)).await
    };
    let mut process = match spawn {
        Ok(Ok(process)) => process,
        Ok(Err(error)) => {
            return Err(Failed {
                log: error.to_string(),
                port_taken: false,
            });
        }
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    };
    let deadline = Instant::now() + PATIENCE;
    // The log is this process's own; an answer alone could come from another server at the same
    // port.
    let ready = |log: &str| {
        ["eady to accept connections", "Sentinel ID is"]
            .iter()
            .any(|said| log.contains(said))
    };
    while !ready(&process.log()) {
        if process.has_ended() || Instant::now() > deadline {
            let log = process.log();
            let port_taken = log.contains("ddress already in use");
            return Err(Failed { log, port_taken });
        }
        sleep(Duration::from_millis(3)).await;
    }
    match timeout(PATIENCE, ping((launch.address(), port).into())).await {
        Ok(Ok(())) => Ok(process),
        Ok(Err(error)) => Err(Failed {
            log: format!("{error}\n{}", process.log()),
            port_taken: false,
        }),
        Err(_) => Err(Failed {
            log: format!("no answer to PING\n{}", process.log()),
            port_taken: false,
        }),
    }
}

/// Any answer counts. With a password, the answer to a plain PING is an error.
async fn ping(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    stream.read_exact(&mut [0; 1]).await?;
    Ok(())
}
