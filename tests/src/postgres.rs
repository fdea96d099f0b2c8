//! A Postgres server of one test, where Postgres is installed, and other programs of databases.

use std::{
    path::Path,
    process::{Command, Stdio},
};

/// A server of its own, on a unix socket in a temporary folder. It ends with the value.
#[derive(Debug)]
pub struct Postgres {
    folder: tempfile::TempDir,
}

impl Postgres {
    /// `None`, with a word about it, where Postgres is not installed.
    pub fn start() -> Option<Self> {
        if !is_installed(program("initdb")) || !is_installed(Command::new("psql")) {
            return None;
        }
        let server = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        let (folder, data) = (server.folder.path(), server.folder.path().join("data"));
        if rustix::process::geteuid().is_root() {
            output(Command::new("chown").arg("postgres").arg(folder));
        }
        let init = ["-A", "trust", "-U", "tests", "-N", "-D"];
        output(program("initdb").args(init).arg(&data));
        let options = format!(
            "-k {} -c listen_addresses='' -c fsync=off",
            folder.display()
        );
        // It would keep a pipe open.
        let started = program("pg_ctl")
            .args(["-w", "-s", "-o", &options, "-l", "/dev/null", "-D"])
            .arg(&data)
            .arg("start")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(started.expect("pg_ctl").success());
        Some(server)
    }

    /// The database, as libpq and tokio-postgres take it.
    pub fn url(&self) -> String {
        format!(
            "host={} user=tests dbname=postgres",
            self.folder.path().display()
        )
    }

    /// Executes statements, and returns what they select.
    pub fn run(&self, statements: &[&str]) -> String {
        let mut psql = Command::new("psql");
        psql.args(["-qtAX", "-v", "ON_ERROR_STOP=1", "-d", &self.url()]);
        output(psql.arg("-c").arg(statements.join("; ")))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = program("pg_ctl")
            .args(["-s", "-m", "immediate", "-D"])
            .arg(self.folder.path().join("data"))
            .arg("stop")
            .status();
        drop(stopped);
    }
}

/// A program of the server, which does not run as root.
fn program(name: &str) -> Command {
    let installed = Path::new("/usr/lib/postgresql");
    let versions = installed.read_dir().into_iter().flatten().flatten();
    let found = versions
        .map(|version| version.path().join("bin").join(name))
        .find(|path| path.exists());
    let path = found.unwrap_or_else(|| name.into());
    if !rustix::process::geteuid().is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(path);
    command
}

/// Whether the programs of a database are there. It says itself where a test does not run.
pub fn is_installed(mut program: Command) -> bool {
    let found = program
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let is_installed = found.is_ok_and(|status| status.success());
    if !is_installed {
        eprintln!("did not run: {program:?} is missing; scripts/test installs it");
    }
    is_installed
}

/// What a program prints that has to succeed.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}
