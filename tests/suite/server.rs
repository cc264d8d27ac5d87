//! The program under test, as a process: its commands, and a server that is started and stopped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::database;

/// Reached only where something hangs.
pub const DEADLINE: Duration = Duration::from_secs(180);

/// Asks again and again until there is an answer.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "{what}: not within {DEADLINE:?}"
        );
        std::thread::sleep(Duration::from_millis(15));
    }
}

/// The program that is tested.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice");

/// A command whose `sluice` sees none of the settings of whoever runs the tests, nor those of the tests.
pub fn without_settings(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("SLUICE_") {
            command.env_remove(name);
        }
    }
    command
}

/// `sluice` on a data folder and its database.
pub fn sluice(data: &Path, arguments: &[&str]) -> Command {
    let mut command = without_settings(PROGRAM);
    if let Some(url) = database::url(data) {
        command.env("SLUICE_DATABASE", url);
    }
    command.args(arguments).arg("--data").arg(data);
    command
}

/// The same command run by another, such as one that takes rights away first.
fn within(wrapper: &[&str], command: Command) -> Command {
    let Some((outer, arguments)) = wrapper.split_first() else {
        return command;
    };
    let mut wrapped = Command::new(outer);
    wrapped.args(arguments).arg(command.get_program());
    wrapped.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(name, value),
            None => wrapped.env_remove(name),
        };
    }
    wrapped
}

/// Runs a command to its end, with `input` on its standard input, and returns what it printed.
pub fn run(data: &Path, arguments: &[&str], input: &str) -> String {
    let mut child = sluice(data, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

/// A running server.
pub struct Server {
    child: Child,
    /// `http://127.0.0.1:<port>`
    pub base: String,
    log: Arc<Log>,
    reader: Option<JoinHandle<()>>,
}

/// What a server writes to standard error, line by line.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

impl Server {
    /// Starts `sluice serve` on a free port, and returns when it listens.
    pub fn start(data: &Path, environment: &[(&str, &str)]) -> Server {
        Server::start_printing_to(Stdio::null(), data, environment)
    }

    /// The same, with its standard output kept.
    pub fn start_printing_to(out: Stdio, data: &Path, environment: &[(&str, &str)]) -> Server {
        Server::listening(&[], out, data, environment)
    }

    /// The same, by a program that becomes the server: it keeps the process's number.
    pub fn start_within(wrapper: &[&str], data: &Path, environment: &[(&str, &str)]) -> Server {
        Server::listening(wrapper, Stdio::null(), data, environment)
    }

    fn listening(
        wrapper: &[&str],
        out: Stdio,
        data: &Path,
        environment: &[(&str, &str)],
    ) -> Server {
        let command = sluice(data, &["serve", "--listen", "127.0.0.1:0"]);
        let mut server = Server::spawn(within(wrapper, command), out, environment);
        let serving = server.wait_for_line("\"serving\"");
        let line: serde_json::Value = serde_json::from_str(&serving).unwrap();
        let address = line["fields"]["address"].as_str().unwrap();
        server.base = format!("http://{address}");
        server
    }

    /// Starts a server that may die before it listens: it then has no address.
    pub fn start_doomed(data: &Path, environment: &[(&str, &str)]) -> Server {
        let command = sluice(data, &["serve", "--listen", "127.0.0.1:0"]);
        let mut server = Server::spawn(command, Stdio::null(), environment);
        let address = wait_for("an address, or the end", || {
            let line = server.log().into_iter().find(|l| l.contains("\"serving\""));
            match line {
                Some(line) => {
                    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
                    Some(line["fields"]["address"].as_str().unwrap().to_owned())
                }
                None if server.has_ended() => Some(String::new()),
                None => None,
            }
        });
        server.base = format!("http://{address}");
        server
    }

    /// A path as the process sees it, which may have file systems of its own.
    pub fn seen(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.child.id()));
        root.join(path.strip_prefix("/").unwrap())
    }

    /// Bytes of a line of proc(5)'s status: `VmRSS`, or `VmHWM` for the most that it ever was.
    pub fn memory(&self, line: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|l| l.starts_with(line)).unwrap();
        let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024
    }

    /// How many files, sockets and so on the process has open.
    pub fn open_files(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Starts `sluice worker`, and returns when it works. It has no address.
    pub fn start_worker(data: &Path, environment: &[(&str, &str)]) -> Server {
        let server = Server::spawn(sluice(data, &["worker"]), Stdio::null(), environment);
        server.wait_for_line("\"working\"");
        server
    }

    fn spawn(mut command: Command, out: Stdio, environment: &[(&str, &str)]) -> Server {
        let mut child = command
            // Sources are written just before they are imported: no test waits for that unless it says so.
            .env("SLUICE_SETTLE_SECONDS", "0")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        let (lines, log_) = (BufReader::new(child.stderr.take().unwrap()), log.clone());
        let reader = std::thread::spawn(move || {
            for line in lines.lines() {
                log_.push(line.unwrap());
            }
        });
        Server {
            child,
            base: String::new(),
            log,
            reader: Some(reader),
        }
    }

    /// The first line of the log that holds `text`, once it is there.
    pub fn wait_for_line(&self, text: &str) -> String {
        let mut lines = self.log.lock();
        let start = Instant::now();
        loop {
            if let Some(line) = lines.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(
                start.elapsed() < DEADLINE,
                "no {text} in the log: {lines:#?}"
            );
            let waited = self.log.more.wait_timeout(lines, Duration::from_secs(1));
            lines = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that was logged so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().clone()
    }

    /// The most bytes that the process has had in memory at once.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        1024 * kilobytes.parse::<u64>().unwrap()
    }

    /// SIGTERM, as an init system sends it. Returns when the process has ended.
    pub fn terminate(&mut self) -> ExitStatus {
        // Once it is gone and waited for, its number may be another's.
        if !self.has_ended() {
            let pid = self.child.id().to_string();
            let kill = Command::new("sh")
                .args(["-c", "kill -TERM \"$0\"", &pid])
                .status();
            assert!(kill.unwrap().success(), "kill {pid}");
        }
        self.ended()
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.ended();
    }

    fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        let status = wait_for("the end of the server", || child.try_wait().unwrap());
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Server {
    /// After a failed test nothing is left running.
    fn drop(&mut self) {
        if self.reader.is_some() {
            // It may have ended by itself: that is what the test failed on, then.
            _ = self.child.kill();
            _ = self.child.wait();
        }
    }
}

impl Log {
    fn push(&self, line: String) {
        self.lock().push(line);
        self.more.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
