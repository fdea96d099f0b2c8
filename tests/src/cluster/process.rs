//! One server process, which ends with the test process, even if that is killed by SIGKILL.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::{env, fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::network::Host;

/// The shell beside each server. Its standard input is a pipe from the test process: when that
/// process is gone, in whatever way, the pipe ends, and the server is killed. It outlives the
/// server by no more than reaping it.
///
/// It is deaf to signals: a process group with a stopped member gets a SIGHUP when the test process
/// goes away.
const SUPERVISOR: &str = r#"
trap '' HUP INT TERM
log=$1
shift
exec 3<&0
"$@" </dev/null 3<&- >>"$log" 2>&1 &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } >/dev/null 2>&1 &
reader=$!
exec 3<&-
echo "$server"
wait "$server"
kill -KILL "$reader"
wait "$reader"
"#;

/// How to start a server, repeatedly at the same address.
#[derive(Clone, Debug)]
pub(super) struct Launch {
    pub(super) dir: PathBuf,
    pub(super) args: Vec<OsString>,
    pub(super) password: Option<String>,
    pub(super) unix_socket: bool,
    /// The directives that get a port of their own, beside `--port`.
    pub(super) more_ports: Vec<&'static str>,
    /// The text of a configuration file.
    pub(super) config: Option<String>,
    /// The server binary, if it is not the usual one.
    pub(super) server: Option<PathBuf>,
    /// Where it runs, if not beside this process.
    pub(super) host: Option<Host>,
}

impl Launch {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            args: Vec::new(),
            password: None,
            unix_socket: false,
            more_ports: Vec::new(),
            config: None,
            server: None,
            host: None,
        }
    }

    /// Where the server listens.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.host
            .as_ref()
            .map_or(Ipv4Addr::LOCALHOST, Host::address)
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.join("redis.sock")
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }

    fn config_file(&self) -> PathBuf {
        self.dir.join("conf")
    }

    fn arguments(&self, port: u16, more: &[u16]) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        if self.config.is_some() {
            words.push(self.config_file().into());
        }
        words.extend(["--bind".into(), self.address().to_string().into()]);
        if self.host.is_some() {
            // Without a password, the server would refuse clients from other hosts.
            words.extend(["--protected-mode", "no"].map(OsString::from));
        }
        let fixed = ["--save", "", "--appendonly", "no", "--daemonize", "no"];
        words.extend(fixed.map(OsString::from));
        words.extend([
            "--port".into(),
            port.to_string().into(),
            "--dir".into(),
            self.dir.clone().into(),
        ]);
        if let Some(password) = &self.password {
            words.extend(["--requirepass".into(), password.into()]);
        }
        if self.unix_socket {
            words.extend(["--unixsocket".into(), self.socket().into()]);
        }
        for (directive, port) in self.more_ports.iter().zip(more) {
            words.extend([directive.into(), port.to_string().into()]);
        }
        words.extend(self.args.iter().cloned());
        words
    }

    /// Starts the process, which does not answer yet.
    pub(super) fn spawn(&self, port: u16, more: &[u16]) -> io::Result<Process> {
        fs::create_dir_all(&self.dir)?;
        fs::write(self.log(), "")?;
        if let Some(config) = &self.config {
            fs::write(self.config_file(), config)?;
        }
        let server = self.server.clone().unwrap_or_else(find_server);
        let mut supervisor = match &self.host {
            Some(host) => host.command("sh"),
            None => Command::new("sh"),
        };
        let mut supervisor = supervisor
            .arg("-c")
            .arg(SUPERVISOR)
            .arg("sh")
            .arg(self.log())
            .arg(server)
            .args(self.arguments(port, more))
            // A group of its own: Ctrl-C goes to the test process, and reaches the server through
            // the pipe.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        let read = match supervisor.stdout.take() {
            Some(stdout) => BufReader::new(stdout).read_line(&mut line),
            None => Ok(0),
        };
        let pid = read
            .ok()
            .and_then(|_| line.trim().parse().ok())
            .and_then(Pid::from_raw);
        match pid {
            Some(server) => Ok(Process {
                supervisor,
                server,
                log: self.log(),
            }),
            None => {
                drop(supervisor.stdin.take());
                supervisor.wait()?;
                Err(io::Error::other(format!(
                    "the supervisor of the server said {line:?}, not its process id"
                )))
            }
        }
    }
}

/// The server binary: `REDIS_SERVER`, else the first of `redis-server` and `valkey-server` on the
/// `PATH`.
fn find_server() -> PathBuf {
    if let Some(named) = env::var_os("REDIS_SERVER").filter(|name| !name.is_empty()) {
        return named.into();
    }
    let path = env::var_os("PATH").unwrap_or_default();
    ["redis-server", "valkey-server"]
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |dir| dir.join(name)))
        .find(|file| Path::is_file(file))
        .unwrap_or_else(|| {
            panic!(
                "no redis-server on the PATH: `scripts/test` installs one, or REDIS_SERVER names the binary to use"
            )
        })
}

/// A running server with its supervisor. Dropped: killed.
#[derive(Debug)]
pub(super) struct Process {
    supervisor: Child,
    server: Pid,
    log: PathBuf,
}

impl Process {
    pub(super) fn id(&self) -> i32 {
        self.server.as_raw_nonzero().get()
    }

    /// Whether the server has ended; the supervisor ends right after it.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.supervisor.try_wait(), Ok(None))
    }

    /// What the server wrote since it was started.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(super) fn signal(&self, signal: Signal) {
        kill_process(self.server, signal).expect("signal to a server that should be there");
    }

    /// The state letter of the process, if the system reports it (`T`: stopped).
    pub(super) fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).ok()?;
        stat.rsplit_once(')')?.1.trim_start().chars().next()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.has_ended() {
            // SIGKILL also ends a stopped process. The id is not reused before the supervisor has
            // seen the end.
            let _ = kill_process(self.server, Signal::KILL);
        }
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}
