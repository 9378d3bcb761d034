//! A program that cannot outlive us.
//!
//! Knows how to start a program under a small `sh` that watches a pipe from this process: when the pipe closes, because
//! the value was dropped or because this process died of whatever cause, the program is ended. Must not know what the
//! program is. Nothing is ever ended by name, only by the id of a process that was started here and is still ours.

use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The first argument is the file for what the program prints; the rest is its command line. The supervisor says the
/// program's process id on its standard output, and ends with the program's exit code.
const SUPERVISOR: &str = r#"
output=$1; shift
exec 3<&0
"$@" </dev/null >>"$output" 2>&1 3<&- &
program=$!
echo "$program"
exec >/dev/null
( read -r _ <&3; kill -KILL "$program" ) &
watcher=$!
exec 3<&-
wait "$program"; status=$?
kill "$watcher" 2>/dev/null
exit "$status"
"#;

/// What can be sent to a supervised program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Ask it to end.
    Terminate,
    /// What Ctrl-C sends.
    Interrupt,
    /// End it without asking.
    Kill,
    /// Ask it to read its configuration again.
    HangUp,
    /// Freeze it.
    Stop,
    /// Thaw it.
    Continue,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
            Self::Kill => "KILL",
            Self::HangUp => "HUP",
            Self::Stop => "STOP",
            Self::Continue => "CONT",
        }
    }
}

/// A running program, in a scheduling session of its own, that ends when this value is dropped.
#[derive(Debug)]
pub struct Supervised {
    supervisor: Child,
    pid: u32,
}

impl Supervised {
    /// Starts a program; what it prints is appended to the file `output`.
    pub fn start<I, S>(program: &Path, arguments: I, output: &Path) -> io::Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", SUPERVISOR, "supervisor"]).arg(output).arg(program).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut supervisor = command.spawn()?;
        match said_pid(&mut supervisor) {
            Ok(pid) => Ok(Self { supervisor, pid }),
            Err(error) => {
                drop(supervisor.stdin.take());
                supervisor.wait()?;
                Err(error)
            }
        }
    }

    /// The program's process id (not the supervisor's).
    #[must_use]
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, unless the program has ended already.
    pub fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.ended()?.is_some() {
            return Ok(());
        }
        let pid = self.pid.to_string();
        let sent = Command::new("sh").args(["-c", r#"kill -s "$1" "$2""#, "sh", signal.name(), &pid]).output()?;
        // It may have ended in between: only a program that lives and could not be reached is an error.
        if sent.status.success() || self.wait_for(Duration::from_millis(200))?.is_some() {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&sent.stderr).trim().to_owned()))
    }

    /// How the program ended, if it has: its exit code, or 128 and the signal's number.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervisor.try_wait()
    }

    /// Waits for the program's end, but no longer than `limit`.
    pub fn wait_for(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            let ended = self.ended()?;
            if ended.is_some() || Instant::now() >= deadline {
                return Ok(ended);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks the program to end, waits, and insists when it does not.
    pub fn stop(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        self.signal(Signal::Terminate)?;
        if let Some(status) = self.wait_for(patience)? {
            return Ok(status);
        }
        self.let_go();
        self.supervisor.wait()
    }

    /// Closes the pipe, so that the supervisor ends the program; does not wait for it.
    pub fn let_go(&mut self) {
        drop(self.supervisor.stdin.take());
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.let_go();
        // Nothing more can be done about a failure: the supervisor is reaped with this process then.
        let _ = self.supervisor.wait();
    }
}

fn said_pid(supervisor: &mut Child) -> io::Result<u32> {
    let Some(stdout) = supervisor.stdout.take() else {
        return Err(io::Error::other("the supervisor has no standard output"));
    };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    line.trim().parse().map_err(|_| io::Error::other("the supervisor did not start"))
}
