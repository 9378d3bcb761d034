//! The life of one pod, as a kubelet leads it.
//!
//! Knows init containers, restarts, probes and the end. Must not know who wants the pod, or its neighbours.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{self, LifecycleHandler};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::container::{Launch, kill};
use super::node::Sandbox;
use super::probe;

const LOOK: Duration = Duration::from_millis(20);
const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(2);

/// A pod.
pub struct Pod {
    /// Its name, which is its host name.
    pub name: String,
    /// What Services select by.
    pub labels: BTreeMap<String, String>,
    /// No other pod has it, not even one of the same name.
    pub serial: u32,
    /// Its address.
    pub address: Ipv4Addr,
    /// In their order.
    pub inits: Vec<Arc<Container>>,
    /// Those that stay.
    pub containers: Vec<Arc<Container>>,
    /// How long it may take to end.
    pub grace: Duration,
    stopping: Arc<AtomicBool>,
    sandbox: Mutex<Option<Sandbox>>,
    life: Mutex<Option<JoinHandle<()>>>,
}

/// A container of a pod.
pub struct Container {
    /// As declared.
    pub declared: v1::Container,
    /// How it is started.
    pub launch: Launch,
    /// The pod's address.
    pub address: Ipv4Addr,
    state: Mutex<State>,
    restarts: AtomicU32,
}

#[derive(Default)]
struct State {
    pid: Option<u32>,
    started: bool,
    ready: bool,
}

impl Container {
    /// One that does not run yet.
    pub fn new(declared: v1::Container, launch: Launch, address: Ipv4Addr) -> Self {
        Self { declared, launch, address, state: Mutex::default(), restarts: AtomicU32::new(0) }
    }

    /// Its process 1 while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.state.lock().unwrap().pid
    }

    /// How often it was started again.
    pub fn restarts(&self) -> u32 {
        self.restarts.load(Ordering::Relaxed)
    }

    fn is_ready(&self) -> bool {
        self.state.lock().unwrap().ready
    }

    /// The number of a port that may have a name.
    pub fn port(&self, port: &IntOrString) -> u16 {
        match port {
            IntOrString::Int(number) => *number as u16,
            IntOrString::String(name) => self.named_port(name).unwrap_or_else(|| panic!("no port is called {name}")),
        }
    }

    /// The number of the port of this name.
    pub fn named_port(&self, name: &str) -> Option<u16> {
        let mut ports = self.declared.ports.iter().flatten();
        ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port as u16)
    }

    /// Runs it once, with its probes, and tells whether it succeeded.
    fn run(self: &Arc<Self>, pod: &Life) -> bool {
        let mut running = match self.launch.start() {
            Ok(running) => running,
            Err(error) => {
                self.launch.note(&format!("it cannot be started: {error}"));
                return false;
            }
        };
        *self.state.lock().unwrap() = State { pid: Some(running.pid), ..State::default() };
        let alive = Arc::new(AtomicBool::new(true));
        let probes = self.watch(pod, &alive);
        let status = loop {
            if let Some(status) = running.ended() {
                break status;
            }
            std::thread::sleep(LOOK);
        };
        alive.store(false, Ordering::Relaxed);
        *self.state.lock().unwrap() = State::default();
        self.launch.note(&format!("ended with {status}"));
        for probe in probes {
            probe.join().unwrap();
        }
        status.success()
    }

    /// The startup probe first; then the container is alive and ready as the others say.
    fn watch(self: &Arc<Self>, pod: &Life, alive: &Arc<AtomicBool>) -> Vec<JoinHandle<()>> {
        let (this, pod, alive) = (Arc::clone(self), pod.clone(), Arc::clone(alive));
        vec![std::thread::spawn(move || {
            let is_alive = || alive.load(Ordering::Relaxed);
            if let Some(startup) = &this.declared.startup_probe {
                match probe::until_success(startup, &this, &is_alive) {
                    probe::Verdict::Success => {}
                    probe::Verdict::Failure(why) => return this.end_because(&pod, "startup probe", &why),
                    probe::Verdict::Ended => return,
                }
            }
            this.state.lock().unwrap().started = true;
            let set_ready = |ready: bool| {
                if is_alive() {
                    this.state.lock().unwrap().ready = ready;
                }
            };
            std::thread::scope(|scope| {
                match &this.declared.readiness_probe {
                    None => set_ready(true),
                    Some(readiness) => drop(scope.spawn(|| probe::each_turn(readiness, &this, &is_alive, &set_ready))),
                }
                if let Some(liveness) = &this.declared.liveness_probe
                    && let probe::Verdict::Failure(why) = probe::until_failure(liveness, &this, &is_alive)
                {
                    this.end_because(&pod, "liveness probe", &why);
                }
            });
        })]
    }

    fn end_because(&self, pod: &Life, probe: &str, why: &str) {
        self.launch.note(&format!("the {probe} has failed: {why}"));
        if !pod.is_stopping() {
            self.end(pod.grace);
        }
    }

    /// preStop, then SIGTERM, then SIGKILL when the time is over.
    fn end(&self, grace: Duration) {
        let Some(pid) = self.pid() else { return };
        let deadline = Instant::now() + grace;
        if let Some(hook) = self.declared.lifecycle.as_ref().and_then(|lifecycle| lifecycle.pre_stop.as_ref()) {
            self.run_hook(pid, hook, grace);
        }
        kill(pid, "TERM");
        let mut again = Instant::now() + Duration::from_secs(1);
        while self.pid() == Some(pid) {
            // A shell that has just begun hears nothing yet; here that happens more often than on a node.
            if Instant::now() > again && is_shell(pid) {
                kill(pid, "TERM");
                again += Duration::from_secs(1);
            }
            if Instant::now() > deadline {
                self.launch.note(&format!("it has not ended within {grace:?}"));
                kill(pid, "KILL");
            }
            std::thread::sleep(LOOK);
        }
    }

    fn run_hook(&self, pid: u32, hook: &LifecycleHandler, grace: Duration) {
        if let Some(exec) = &hook.exec {
            match self.launch.exec(pid, exec.command.as_deref().unwrap_or_default(), grace) {
                Ok(output) if output.status.success() => {}
                outcome => self.launch.note(&format!("preStop: {outcome:?}")),
            }
        } else if let Some(sleep) = &hook.sleep {
            let until = Instant::now() + Duration::from_secs(sleep.seconds as u64).min(grace);
            while Instant::now() < until && self.pid() == Some(pid) {
                std::thread::sleep(LOOK);
            }
        }
    }
}

fn is_shell(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "bash")
}

/// What a pod's threads share.
#[derive(Clone)]
struct Life {
    stopping: Arc<AtomicBool>,
    grace: Duration,
}

impl Life {
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Again and again until it should be enough: one success for an init container, never for the others.
    fn keep_running(&self, container: &Arc<Container>, once: bool) {
        let mut backoff = FIRST_BACKOFF;
        while !self.is_stopping() {
            let begun = Instant::now();
            let succeeded = container.run(self);
            if (once && succeeded) || self.is_stopping() {
                return;
            }
            container.restarts.fetch_add(1, Ordering::Relaxed);
            if begun.elapsed() > Duration::from_secs(10) {
                backoff = FIRST_BACKOFF;
            }
            let until = Instant::now() + backoff;
            while Instant::now() < until && !self.is_stopping() {
                std::thread::sleep(LOOK);
            }
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }
}

impl Pod {
    /// Begins a pod's life.
    pub fn start(
        name: &str,
        labels: BTreeMap<String, String>,
        serial: u32,
        sandbox: Sandbox,
        [inits, containers]: [Vec<Arc<Container>>; 2],
        grace: Duration,
    ) -> Arc<Self> {
        let pod = Arc::new(Self {
            name: name.into(),
            labels,
            serial,
            address: sandbox.address,
            inits,
            containers,
            grace,
            stopping: Arc::default(),
            sandbox: Mutex::new(Some(sandbox)),
            life: Mutex::default(),
        });
        let life = Life { stopping: Arc::clone(&pod.stopping), grace };
        let (inits, containers) = (pod.inits.clone(), pod.containers.clone());
        *pod.life.lock().unwrap() = Some(std::thread::spawn(move || {
            let mut stay = Vec::new();
            for init in inits {
                // A sidecar: it starts in its turn, and stays.
                if init.declared.restart_policy.as_deref() == Some("Always") {
                    let (shared, sidecar) = (life.clone(), Arc::clone(&init));
                    stay.push(std::thread::spawn(move || shared.keep_running(&sidecar, false)));
                    while !life.is_stopping() && !init.state.lock().unwrap().started {
                        std::thread::sleep(LOOK);
                    }
                } else {
                    life.keep_running(&init, true);
                }
            }
            for container in containers {
                let life = life.clone();
                stay.push(std::thread::spawn(move || life.keep_running(&container, false)));
            }
            for thread in stay {
                thread.join().unwrap();
            }
        }));
        pod
    }

    /// Whether all its containers are.
    pub fn is_ready(&self) -> bool {
        !self.is_stopping() && self.containers.iter().all(|container| container.is_ready())
    }

    /// Whether it is ending.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// One of its containers.
    pub fn container(&self, name: &str) -> &Arc<Container> {
        let mut all = self.inits.iter().chain(&self.containers);
        all.find(|container| container.declared.name == name)
            .unwrap_or_else(|| panic!("{} has no container {name}", self.name))
    }

    /// Ends it as `kubectl delete pod` does, and waits for that.
    pub fn end(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        std::thread::scope(|scope| {
            for container in self.inits.iter().chain(&self.containers) {
                scope.spawn(|| container.end(self.grace));
            }
        });
        self.bury();
    }

    /// Ends it as a node does that loses its power.
    pub fn crash(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for container in self.inits.iter().chain(&self.containers) {
            kill(container.pid().unwrap_or_default(), "KILL");
        }
        self.bury();
    }

    fn bury(&self) {
        if let Some(life) = self.life.lock().unwrap().take() {
            // A container may have been between two starts when it was told to end.
            while !life.is_finished() {
                for container in self.inits.iter().chain(&self.containers) {
                    if let Some(pid) = container.pid() {
                        kill(pid, "KILL");
                    }
                }
                std::thread::sleep(LOOK);
            }
            life.join().unwrap();
        }
        drop(self.sandbox.lock().unwrap().take());
    }
}
