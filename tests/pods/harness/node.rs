//! The one node of a test: namespaces in which everything runs, and which end with this process, whatever ends it.
//!
//! Knows namespaces, the bridge and the addresses. Must not know pods.
//!
//! A shell is process 1 of a process namespace, and reads from a pipe of ours. When the pipe closes, the shell ends, and
//! the kernel ends every process of the namespace, and with them the networks and mounts that only they held.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::sync::atomic::{AtomicU8, Ordering};

const NODE: &str = r#"
set -e
mount -t proc proc /proc
mount -t tmpfs -o mode=755 tmpfs "$1"
ip link set lo up
ip link add bridge type bridge
ip address add "$2.1/24" dev bridge
ip link set bridge up
ip link add sink type veth peer name pit
ip link set sink arp off up
ip link set pit up
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 0 >/proc/sys/net/ipv4/conf/pit/forwarding
echo 1 >/proc/sys/net/ipv4/conf/bridge/proxy_arp
echo 0 >/proc/sys/net/ipv4/neigh/bridge/proxy_delay
echo ready
read -r _
"#;

const SANDBOX: &str = r#"
set -e
hostname "$1"
ip link set lo up
echo ready
read -r _
"#;

/// The node.
pub struct Node {
    shell: Child,
    pid: u32,
    work: PathBuf,
    subnet: [u8; 3],
    next: AtomicU8,
}

impl Node {
    /// Makes the namespaces. This machine's end of the network is `.254` and serves DNS.
    pub fn start() -> Self {
        let id = std::process::id();
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pods");
        fs::create_dir_all(&work).unwrap();
        let subnet = [10, 200 + (id / 256 % 50) as u8, (id % 256) as u8];
        let mut command = Command::new("unshare");
        command.args([
            "--net",
            "--pid",
            "--mount",
            "--uts",
            "--ipc",
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
        ]);
        command.args(["bash", "-c", NODE, "node"]).arg(&work).arg(format!("{}.{}.{}", subnet[0], subnet[1], subnet[2]));
        let (shell, pid) = start_shell(command);
        let node = Self { shell, pid, work, subnet, next: AtomicU8::new(10) };
        let outside = format!("pods{id}");
        must(
            Command::new("ip")
                .args(["link", "add", &outside, "type", "veth", "peer", "name", "outside", "netns"])
                .arg(pid.to_string()),
        );
        must(Command::new("ip").args(["address", "add", &format!("{}/24", node.outside()), "dev", &outside]));
        must(Command::new("ip").args(["link", "set", &outside, "up"]));
        must(node.in_network().args(["ip", "link", "set", "outside", "master", "bridge", "up"]));
        node
    }

    /// This machine's address on the node's network.
    pub fn outside(&self) -> Ipv4Addr {
        self.address(254)
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(self.subnet[0], self.subnet[1], self.subnet[2], last)
    }

    /// An address for a Service, at this machine.
    pub fn service_address(&self, index: u8) -> Ipv4Addr {
        let address = self.address(253 - index);
        let device = format!("pods{}", std::process::id());
        must(Command::new("ip").args(["address", "add", &format!("{address}/32"), "dev", &device]));
        address
    }

    /// A folder's path in the node's own view, where commands see it.
    pub fn inside(&self, path: &str) -> PathBuf {
        self.work.join(path)
    }

    /// The same folder as this process sees it.
    pub fn seen_from_here(&self, inside: &Path) -> PathBuf {
        Path::new(&format!("/proc/{}/root", self.pid)).join(inside.strip_prefix("/").unwrap())
    }

    fn in_network(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.pid)).arg("--");
        command
    }

    /// The address of a pod that has gone: what is sent there is lost without a word, as behind most networks of clusters. (The
    /// node answers for it, and sends what comes to where nobody listens.)
    pub fn swallow(&self, address: Ipv4Addr) {
        must(self.in_network().args(["ip", "route", "replace", &format!("{address}/32"), "dev", "sink"]));
    }

    /// A pod's own network and host name.
    pub fn sandbox(&self, name: &str) -> Sandbox {
        let address = self.address(
            self.next
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                    Some(if last == 199 { 10 } else { last + 1 })
                })
                .unwrap(),
        );
        let mut command = Command::new("nsenter");
        command.args([
            "--target",
            &self.pid.to_string(),
            "--pid",
            "--mount",
            "--",
            "unshare",
            "--net",
            "--uts",
            "--ipc",
        ]);
        command.args(["bash", "-c", SANDBOX, "sandbox", name]);
        let (shell, pid) = start_shell(command);
        let device = format!("pod{}", address.octets()[3]);
        // An address is used again after a while; its former pod's device has gone with it. Mostly there was none.
        let _ = self.in_network().args(["ip", "route", "del", &format!("{address}/32"), "dev", "sink"]).output();
        must(
            self.in_network()
                .args(["ip", "link", "add", &device, "type", "veth", "peer", "name", "eth0", "netns"])
                .arg(pid.to_string()),
        );
        must(self.in_network().args(["ip", "link", "set", &device, "master", "bridge", "up"]));
        let set_up = format!(
            "ip address add {address}/24 dev eth0; ip link set eth0 up; ip route add default via {}",
            self.address(1)
        );
        must(Command::new("nsenter").arg(format!("--net=/proc/{pid}/ns/net")).args(["--", "sh", "-ec", &set_up]));
        Sandbox { shell, pid, node: self.pid, address }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A pod's network, host name and interprocess communication.
pub struct Sandbox {
    shell: Child,
    pid: u32,
    node: u32,
    /// The pod's address.
    pub address: Ipv4Addr,
}

impl Sandbox {
    /// The beginning of a command that runs in it, with a process namespace and mounts of its own.
    pub fn enter(&self) -> Vec<String> {
        let (node, pod) = (self.node, self.pid);
        let mut words = vec!["nsenter".to_owned()];
        words.extend(["pid", "mnt"].map(|kind| namespace(kind, node)));
        words.extend(["net", "uts", "ipc"].map(|kind| namespace(kind, pod)));
        words.extend(
            ["--", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]
                .map(str::to_owned),
        );
        words
    }
}

fn namespace(kind: &str, pid: u32) -> String {
    let option = if kind == "mnt" { "mount" } else { kind };
    format!("--{option}=/proc/{pid}/ns/{kind}")
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// Starts a shell that says `ready` and then reads; gives it, and the process that says so.
fn start_shell(mut command: Command) -> (Child, u32) {
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(shell.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "ready\n", "a namespace could not be made");
    let pid = child_of(shell.id()).unwrap();
    (shell, pid)
}

/// The only child of a process, once it has one.
pub fn child_of(pid: u32) -> Option<u32> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().ok();
        }
        if Instant::now() > deadline {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs a command that must succeed.
pub fn must(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
