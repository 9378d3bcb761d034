//! One container: its root, its mounts, its user, and process 1 in it.
//!
//! Knows how a container is started, entered and ended. Must not know when.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::image::MACHINE;
use super::node::child_of;

/// Everything that a start needs.
pub struct Launch {
    /// The beginning of a command that runs in the pod's network.
    pub enter: Vec<String>,
    /// Where the root is mounted, in the node's view.
    pub root: PathBuf,
    /// The tree that the root is a copy of.
    pub template: PathBuf,
    /// What is bound read-only: from, and to below the root.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// The declared mounts, and the files that every container has.
    pub mounts: Vec<Mount>,
    /// `readOnlyRootFilesystem`.
    pub read_only_root: bool,
    /// Who runs.
    pub identity: Identity,
    /// All of the environment.
    pub environment: Vec<(String, String)>,
    /// What runs.
    pub command: Vec<String>,
    /// Where.
    pub folder: String,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A mount.
pub struct Mount {
    /// In the node's view.
    pub source: PathBuf,
    /// In the container.
    pub target: String,
    /// As declared.
    pub read_only: bool,
    /// A file rather than a folder.
    pub is_file: bool,
}

/// The security context, as far as a process carries it.
pub struct Identity {
    /// `runAsUser`.
    pub user: i64,
    /// `runAsGroup`.
    pub group: i64,
    /// `fsGroup` and `supplementalGroups`.
    pub groups: Vec<i64>,
    /// `allowPrivilegeEscalation: false`.
    pub no_escalation: bool,
    /// `capabilities: drop: [ALL]`.
    pub no_capabilities: bool,
}

/// A container that runs, or has just ended.
pub struct Running {
    outer: Child,
    /// Its process 1, as this machine numbers it.
    pub pid: u32,
}

impl Launch {
    /// Starts it.
    pub fn start(&self) -> io::Result<Running> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.enter[0]);
        command.args(&self.enter[1..]).args(["bash", "-ec", &self.script(), "container"]);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let mut outer = command.spawn()?;
        let pid = child_of(outer.id()).and_then(child_of);
        let pid = pid.unwrap_or_else(|| {
            let _ = outer.wait();
            0
        });
        // Before that it is a script of ours, which hears no signals.
        let deadline = Instant::now() + Duration::from_secs(5);
        while outer.try_wait()?.is_none() && !self.has_become(pid) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(Running { outer, pid })
    }

    /// Whether the script that makes the root has become what is declared.
    fn has_become(&self, pid: u32) -> bool {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        !line.is_empty() && !String::from_utf8_lossy(&line).contains(&self.script()[..40])
    }

    /// Makes the root, mounts everything, and becomes the command.
    fn script(&self) -> String {
        let root = quote(&self.root.display().to_string());
        let mut lines = vec![
            format!(
                "mkdir -p {root}; mount -t tmpfs -o mode=755 tmpfs {root}; cp -a {}/. {root}",
                quote(&self.template.display().to_string())
            ),
            format!("mount --rbind /dev {root}/dev; mount -t proc proc {root}/proc"),
        ];
        for mount in &self.mounts {
            let (from, to) = (quote(&mount.source.display().to_string()), quote(&mount.target));
            let make = if mount.is_file {
                format!("[ -e {root}{to} ] || : >{root}{to}")
            } else {
                format!("mkdir -p {root}{to}")
            };
            lines.push(format!("{make}; mount --bind {from} {root}{to}"));
            if mount.read_only {
                lines.push(format!("mount -o remount,bind,ro {root}{to}"));
            }
        }
        for (from, to) in &self.binds {
            let (from, to) = (quote(&from.display().to_string()), quote(&to.display().to_string()));
            // A declared mount may lie over the place that the image's tree has for it, as one on /tmp does.
            lines.push(format!("[ -e {root}/{to} ] || mkdir -p {root}/{to}"));
            lines.push(format!("mount --bind {from} {root}/{to}; mount -o remount,bind,ro {root}/{to}"));
        }
        if self.read_only_root {
            lines.push(format!("mount -o remount,ro {root}"));
        }
        let words: Vec<String> = self.command_line(&self.command).iter().map(|word| quote(word)).collect();
        lines.push(format!("cd {root}; exec chroot . {}", words.join(" ")));
        lines.join("\n")
    }

    /// A command as the container's user, with its environment; for a process that is in its root already.
    fn command_line(&self, command: &[String]) -> Vec<String> {
        let identity = &self.identity;
        let groups: Vec<String> = identity.groups.iter().map(ToString::to_string).collect();
        let mut words = vec![
            format!("{MACHINE}/setpriv"),
            format!("--reuid={}", identity.user),
            format!("--regid={}", identity.group),
        ];
        words.push(if groups.is_empty() { "--clear-groups".into() } else { format!("--groups={}", groups.join(",")) });
        if identity.no_escalation {
            words.push("--no-new-privs".into());
        }
        if identity.no_capabilities {
            words.extend(["--bounding-set=-all".into(), "--inh-caps=-all".into()]);
        }
        words.extend([format!("{MACHINE}/env"), "-i".into(), format!("--chdir={}", self.folder)]);
        words.extend(self.environment.iter().map(|(name, value)| format!("{name}={value}")));
        words.extend(command.iter().cloned());
        words
    }

    /// Runs a command in the container of which `pid` is process 1, as `kubectl exec` would; an error if it takes longer.
    pub fn exec(&self, pid: u32, command: &[String], limit: Duration) -> io::Result<Output> {
        let words = self.command_line(command);
        let mut child = Command::new("nsenter")
            .args(["--target", &pid.to_string(), "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd", "--"])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
        let deadline = Instant::now() + limit;
        while child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                if let Some(inner) = child_of(child.id()) {
                    kill(inner, "KILL");
                }
                child.kill()?;
                child.wait()?;
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("{command:?} takes longer than {limit:?}"),
                ));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let status = child.wait()?;
        Ok(Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() })
    }

    /// Adds a line to its log.
    pub fn note(&self, line: &str) {
        let file: io::Result<File> = OpenOptions::new().create(true).append(true).open(&self.log);
        let _ = file.and_then(|mut file| io::Write::write_all(&mut file, format!("--- {line}\n").as_bytes()));
    }
}

impl Running {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.outer.try_wait().unwrap()
    }
}

/// Reads all that comes, so that whoever writes it does not wait.
fn drain(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        bytes
    })
}

/// Sends a signal to a process.
pub fn kill(pid: u32, signal: &str) {
    if pid != 0 {
        let _ = Command::new("kill").args([&format!("-{signal}"), &pid.to_string()]).stderr(Stdio::null()).status();
    }
}

/// A word of the shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
