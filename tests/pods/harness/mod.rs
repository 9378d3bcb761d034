//! Pods without Kubernetes: rendered manifests, run on this machine's real servers.
//!
//! ```text
//! let images = Images::default().with("mysql", StandIn::mysql(&folder)).with("mysql-proxy", StandIn::proxy());
//! let pods = Pods::start(render::adjusted("deploy/base", "", &[]), images);   // everything that is rendered runs from here on
//! pods.wait_ready("mysql", Duration::from_secs(60));               // a StatefulSet or Deployment, all its pods
//! pods.exec("mysql-0", "mysql", &["bash", "-c", "…"]);             // as kubectl exec
//! pods.service("mysql-proxy", 3306);                               // an address that this process can connect to
//! pods.scale("mysql", 5);          pods.roll("mysql");             // kubectl scale, kubectl rollout restart
//! pods.kill("mysql-1", "mysql");                                   // kill -9 of a container's process 1
//! pods.delete("mysql-1", Ending::Graceful, Volume::Lost);          // the pod comes back, with or without its claims
//! ```
//!
//! Each pod has a network namespace, an address, a host name and volumes of its own; each container a root made of its
//! image's [`StandIn`], the declared mounts, user, capabilities, environment, command, hooks and probes. Init containers
//! run in their order, containers that end are started again (the waiting is shorter), probes are executed as declared,
//! readiness decides who is behind a Service, DNS answers as Kubernetes' does. Everything ends when [`Pods`] is dropped,
//! and also when this process is killed. When a test panics, the ends of all containers' logs are shown.
//!
//! Not here: limits of CPU and memory, network policies, schedulers, storage classes, autoscalers.
//!
//! An image is chosen by its name without the tag; `StandIn::slim()` has bash and the core utilities, to which
//! `.script("xtrabackup", "#!/bin/bash\n…")`, `.link("ncat", "/.machine/ncat")` and `.bind(folder)` add commands. The
//! machine's `/usr/bin` is at `/.machine` in every container, beyond `PATH`.

// Kubernetes has signed numbers also where nothing can be negative.
#![allow(clippy::cast_sign_loss)]

mod container;
mod directory;
mod dns;
pub mod image;
mod interruption;
mod maker;
mod node;
mod pod;
mod probe;
pub mod render;
mod service;
mod volumes;
mod workload;

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

pub use image::{Images, StandIn};
pub use render::Manifests;
pub use workload::{Ending, Volume};

use container::kill;
use directory::Directory;
use node::Node;
use pod::Pod;

/// What this machine lacks to run pods; none if it has everything.
pub fn missing() -> Option<String> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Some("pods need root".into());
    }
    let absent = |program: &&str| Command::new(program).arg("--version").output().is_err();
    if let Some(program) = ["ip", "unshare", "nsenter", "setpriv", "kubectl"].iter().find(|program| match **program {
        "ip" => Command::new("ip").arg("-V").output().is_err(),
        "kubectl" => Command::new("kubectl").args(["version", "--client"]).output().is_err(),
        _ => absent(program),
    }) {
        return Some(format!("pods need {program} on PATH"));
    }
    let network = Command::new("unshare").args(["--net", "--pid", "--mount", "--fork", "true"]).status();
    (!network.is_ok_and(|status| status.success())).then(|| "namespaces cannot be made here".into())
}

/// Everything that runs.
pub struct Pods {
    // In this order: who asks goes before who is asked.
    runtime: Option<tokio::runtime::Runtime>,
    directory: Arc<Directory>,
    dns_memory: Arc<dns::Memory>,
    manifests: Mutex<Manifests>,
    images: Images,
    /// How many pods are wanted of each StatefulSet and Deployment.
    wanted: Mutex<BTreeMap<String, usize>>,
    serial: AtomicU32,
    /// Where containers of pods to come are interrupted.
    armed: Mutex<BTreeMap<(String, String), u32>>,
    /// What a failure says last: how to repeat it.
    last_words: Mutex<String>,
    logs: tempfile::TempDir,
    node: Node,
    _turn: MutexGuard<'static, ()>,
}

/// Tests of one process share its name for the network, and the machine: one after the other.
static TURN: Mutex<()> = Mutex::new(());

impl Pods {
    /// Starts every StatefulSet and Deployment.
    pub fn start(manifests: Manifests, images: Images) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let node = Node::start();
        for (name, stand_in) in images.all() {
            let root = node.seen_from_here(&node.inside("images").join(folder_of(name)));
            fs::create_dir_all(&root).unwrap();
            stand_in.write(&root);
        }
        let shared = node.seen_from_here(&node.inside("shared"));
        fs::create_dir_all(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        let mut index = 0;
        let with_address = manifests.services.iter().map(|service| {
            let is_headless = service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None");
            let address = (!is_headless).then(|| {
                index += 1;
                node.service_address(index)
            });
            (service.clone(), address)
        });
        let directory = Directory::new(format!("{}.svc.cluster.local.", manifests.namespace), with_address.collect());
        let (directory, dns_memory) = (Arc::new(directory), Arc::<dns::Memory>::default());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            // It serves until the runtime ends.
            std::mem::forget(dns::serve(Arc::clone(&directory), Arc::clone(&dns_memory), node.outside()).await);
            service::serve_all(&directory).await;
        });
        let pods = Self {
            runtime: Some(runtime),
            directory,
            dns_memory,
            manifests: Mutex::new(manifests),
            images,
            wanted: Mutex::default(),
            last_words: Mutex::default(),
            serial: AtomicU32::default(),
            armed: Mutex::default(),
            logs: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(),
            node,
            _turn: turn,
        };
        pods.start_workloads();
        pods
    }

    /// DNS says for so long what it has said before, as behind a cache.
    pub fn dns_remembers_for(&self, time: Duration) {
        self.dns_memory.remember_for(time);
    }

    /// The pod of this name.
    pub fn pod(&self, name: &str) -> Arc<Pod> {
        self.directory.pod(name).unwrap_or_else(|| panic!("there is no pod {name}"))
    }

    /// Where this process reaches a port of a pod.
    pub fn address(&self, pod: &str, port: u16) -> SocketAddr {
        (self.pod(pod).address, port).into()
    }

    /// The same; none while there is no such pod.
    pub fn try_address(&self, pod: &str, port: u16) -> Option<SocketAddr> {
        Some((self.directory.pod(pod)?.address, port).into())
    }

    /// Where this process reaches a port of a Service that is not headless.
    pub fn service(&self, name: &str, port: u16) -> SocketAddr {
        (dns::address_of(&self.directory, name).unwrap_or_else(|| panic!("{name} has no address")), port).into()
    }

    /// The addresses of a port of the pods that a Service publishes at this moment.
    pub fn endpoints(&self, service: &str, port: u16) -> Vec<SocketAddr> {
        let (service, _) = self.directory.service(service).unwrap();
        self.directory.endpoints(service).iter().map(|pod| (pod.address, port).into()).collect()
    }

    /// Runs a command in a container; an error says that the container does not run, or that it takes too long.
    pub fn try_exec(&self, pod: &str, container: &str, command: &[&str]) -> std::io::Result<Output> {
        let pod = self.directory.pod(pod).ok_or_else(|| std::io::Error::other("there is no such pod"))?;
        let container = pod.container(container);
        let pid = container.pid().ok_or_else(|| std::io::Error::other("it does not run"))?;
        let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        container.launch.exec(pid, &command, Duration::from_secs(60))
    }

    /// Runs a command in a container, which must succeed, and gives what it printed.
    pub fn exec(&self, pod: &str, container: &str, command: &[&str]) -> String {
        let output = self.try_exec(pod, container, command).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} in {pod}: {complaint}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `kill -9` of a container's process 1; whether there was one.
    pub fn kill(&self, pod: &str, container: &str) -> bool {
        let Some(pid) = self.directory.pod(pod).and_then(|pod| pod.container(container).pid()) else { return false };
        kill(pid, "KILL");
        true
    }

    /// How often a container was started again.
    pub fn restarts(&self, pod: &str, container: &str) -> u32 {
        self.pod(pod).container(container).restarts()
    }

    /// Whether a pod is there and ready.
    pub fn is_ready(&self, pod: &str) -> bool {
        self.directory.pod(pod).is_some_and(|pod| pod.is_ready())
    }

    /// Waits until all pods of a StatefulSet or Deployment are ready.
    pub fn wait_ready(&self, workload: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        loop {
            let names = self.names_of(workload);
            let waiting: Vec<&String> = names.iter().filter(|name| !self.is_ready(name)).collect();
            if waiting.is_empty() && names.len() == self.wanted.lock().unwrap()[workload] {
                return;
            }
            assert!(Instant::now() < deadline, "not ready within {limit:?}: {waiting:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// All that a container has printed, over all its lives and those of its pod's predecessors.
    pub fn log(&self, pod: &str, container: &str) -> String {
        let file = self.logs.path().join(format!("{pod}.{container}"));
        String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned()
    }

    /// Variables that repeat the test as it is; they are said last if it fails.
    pub fn say_if_failed(&self, variables: &str) {
        variables.clone_into(&mut self.last_words.lock().unwrap());
    }

    fn show_logs(&self) {
        let mut files: Vec<_> = fs::read_dir(self.logs.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let text = String::from_utf8_lossy(&fs::read(&file).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let end = &lines[lines.len().saturating_sub(25)..];
            eprintln!("==> {}\n{}", file.file_name().unwrap().to_string_lossy(), end.join("\n"));
        }
    }
}

/// An image's name as a folder's.
fn folder_of(image: &str) -> String {
    Path::new(image).components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("+")
}

impl Drop for Pods {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("MYSQL_PROXY_PODS_LOGS").is_some() {
            self.show_logs();
        }
        for pod in self.directory.pods() {
            pod.crash();
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(1));
        }
        if std::thread::panicking() {
            let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
            let name = std::thread::current().name().unwrap_or_default().to_owned();
            eprintln!("==> to repeat it: {words} cargo nextest run --locked {name}");
        }
    }
}
