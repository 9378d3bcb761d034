//! StatefulSets and Deployments: which pods are wanted, and in which order they come and go.
//!
//! Knows ordinals, templates and rolling updates. Must not know how a pod lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PodSpec, PodTemplateSpec};

use super::Pods;
use super::interruption;
use super::maker::Maker;
use super::pod::Pod;
use super::render::Manifests;
use super::volumes::Volumes;

/// For a pod to become ready in a rolling restart.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a pod ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As `kubectl delete pod` does it.
    Graceful,
    /// As a node that loses its power does it.
    Crash,
}

/// What becomes of a pod's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    /// The next pod of the name has them.
    Kept,
    /// They are gone.
    Lost,
}

impl Pods {
    /// Lets a container's next start stop before the command of this number of its script: `kill -9` then strikes
    /// there.
    pub fn arm(&self, pod: &str, container: &str, command: u32) {
        interruption::prepare(&self.interruption(pod, container), Some(command));
    }

    /// The same for the pod that takes this one's place.
    pub fn arm_successor(&self, pod: &str, container: &str, command: u32) {
        self.armed.lock().unwrap().insert((pod.into(), container.into()), command);
    }

    /// The line of its script at which a container has stopped, if it has come to the command that it was armed for.
    pub fn stopped_at(&self, pod: &str, container: &str) -> Option<String> {
        interruption::reached(&self.interruption(pod, container))
    }

    fn interruption(&self, pod: &str, container: &str) -> PathBuf {
        let serial = self.pod(pod).serial;
        self.node.seen_from_here(&self.node.inside("pods").join(format!("{pod}.{serial}/interruption/{container}")))
    }

    pub(super) fn start_workloads(&self) {
        let wanted = |replicas: Option<i32>| replicas.unwrap_or(1) as usize;
        let (sets, deployments) = {
            let manifests = self.manifests.lock().unwrap();
            let sets = manifests
                .stateful_sets
                .iter()
                .map(|(name, set)| (name.clone(), wanted(set.spec.as_ref().unwrap().replicas)));
            let deployments = manifests.deployments.iter().map(|(name, deployment)| {
                let autoscaled = || manifests.autoscaled.get(name).copied();
                (name.clone(), wanted(deployment.spec.as_ref().unwrap().replicas.or_else(autoscaled)))
            });
            (sets.collect::<Vec<_>>(), deployments.collect::<Vec<_>>())
        };
        for (name, count) in sets.into_iter().chain(deployments) {
            self.scale(&name, count);
        }
    }

    /// What `kubectl apply -k` does to how many pods are wanted: what the rendering says, and where it says nothing all stays as it is.
    pub fn apply(&self, rendered: &Manifests) {
        let sets = rendered.stateful_sets.iter().map(|(name, set)| (name, set.spec.as_ref().unwrap().replicas));
        let deployments = rendered.deployments.iter().map(|(name, it)| (name, it.spec.as_ref().unwrap().replicas));
        for (name, replicas) in sets.chain(deployments) {
            if let Some(replicas) = replicas {
                self.scale(name, replicas as usize);
            }
        }
    }

    /// Changes how many pods are wanted. A StatefulSet that starts one after the other waits for each.
    pub fn scale(&self, workload: &str, count: usize) {
        self.wanted.lock().unwrap().insert(workload.into(), count);
        if self.is_set(workload) {
            for ordinal in 0..count {
                let name = format!("{workload}-{ordinal}");
                if self.directory.pod(&name).is_none() {
                    self.begin(workload, &name);
                }
                if self.is_ordered(workload) {
                    self.wait_pod(&name);
                }
            }
            for name in self.names_of(workload).into_iter().rev() {
                let ordinal: usize = name.rsplit_once('-').unwrap().1.parse().unwrap();
                if ordinal >= count {
                    self.finish(&name, Ending::Graceful);
                }
            }
        } else {
            while self.names_of(workload).len() < count {
                self.begin(workload, &self.fresh_name(workload));
            }
            for name in self.names_of(workload).into_iter().skip(count) {
                self.finish(&name, Ending::Graceful);
            }
        }
    }

    /// Replaces every pod: of a StatefulSet from the last to the first, each when the one before is ready; of a Deployment
    /// each after its successor is ready.
    pub fn roll(&self, workload: &str) {
        for name in self.names_of(workload).into_iter().rev() {
            if self.is_set(workload) {
                self.finish(&name, Ending::Graceful);
                self.begin(workload, &name);
                self.wait_pod(&name);
            } else {
                let successor = self.fresh_name(workload);
                self.begin(workload, &successor);
                self.wait_pod(&successor);
                self.finish(&name, Ending::Graceful);
            }
        }
    }

    /// Ends a pod; another takes its place at once.
    pub fn delete(&self, pod: &str, ending: Ending, volume: Volume) {
        let workload = self.workload_of(pod);
        self.finish(pod, ending);
        if volume == Volume::Lost {
            self.lose_volumes(&workload, pod);
        }
        let name = if self.is_set(&workload) { pod.to_owned() } else { self.fresh_name(&workload) };
        self.begin(&workload, &name);
    }

    /// Takes the claims of a StatefulSet's pod away, which must not run.
    pub fn lose_volumes(&self, workload: &str, pod: &str) {
        for claim in self.claims(workload) {
            let folder = self.node.inside("claims").join(format!("{claim}-{pod}"));
            std::fs::remove_dir_all(self.node.seen_from_here(&folder)).unwrap();
        }
    }

    /// Changes a key of a Secret, in every pod that has it mounted, as the kubelet does after a while.
    pub fn set_secret(&self, secret: &str, key: &str, value: &str) {
        let mut manifests = self.manifests.lock().unwrap();
        manifests.secrets.get_mut(secret).unwrap().insert(key.into(), value.into());
        for pod in self.directory.pods() {
            let template = template(&manifests, &Self::workload_of_known(&manifests, &pod.name));
            self.volumes(&manifests, &pod.name, pod.serial, template.spec.as_ref().unwrap())
                .make(template.spec.as_ref().unwrap(), &[]);
        }
    }

    /// The pods of a StatefulSet by their ordinals, or those of a Deployment by their age.
    pub fn names_of(&self, workload: &str) -> Vec<String> {
        let pods = self.directory.pods();
        let mut of_it: Vec<&Arc<Pod>> = pods.iter().filter(|pod| self.workload_of(&pod.name) == workload).collect();
        if self.is_set(workload) {
            of_it.sort_by_key(|pod| pod.name.rsplit_once('-').unwrap().1.parse::<usize>().unwrap());
        } else {
            of_it.sort_by_key(|pod| pod.serial);
        }
        of_it.iter().map(|pod| pod.name.clone()).collect()
    }

    fn wait_pod(&self, name: &str) {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !self.is_ready(name) {
            assert!(std::time::Instant::now() < deadline, "{name} is not ready within {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn fresh_name(&self, workload: &str) -> String {
        format!("{workload}-{}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    fn is_set(&self, workload: &str) -> bool {
        self.manifests.lock().unwrap().stateful_sets.contains_key(workload)
    }

    fn is_ordered(&self, workload: &str) -> bool {
        let manifests = self.manifests.lock().unwrap();
        let spec = manifests.stateful_sets[workload].spec.as_ref().unwrap();
        spec.pod_management_policy.as_deref() != Some("Parallel")
    }

    fn claims(&self, workload: &str) -> Vec<String> {
        claims(&self.manifests.lock().unwrap(), workload)
    }

    fn workload_of(&self, pod: &str) -> String {
        Self::workload_of_known(&self.manifests.lock().unwrap(), pod)
    }

    fn workload_of_known(manifests: &Manifests, pod: &str) -> String {
        let (workload, _) = pod.rsplit_once('-').unwrap();
        assert!(
            manifests.stateful_sets.contains_key(workload) || manifests.deployments.contains_key(workload),
            "{pod} belongs to nobody"
        );
        workload.to_owned()
    }

    fn finish(&self, name: &str, ending: Ending) {
        let pod = self.pod(name);
        match ending {
            Ending::Graceful => pod.end(),
            Ending::Crash => pod.crash(),
        }
        self.directory.remove(&pod);
        self.node.swallow(pod.address);
    }

    fn volumes<'a>(&'a self, manifests: &'a Manifests, pod: &'a str, serial: u32, spec: &PodSpec) -> Volumes<'a> {
        let group = spec.security_context.as_ref().and_then(|context| context.fs_group).map(|group| group as u32);
        Volumes {
            node: &self.node,
            manifests,
            pod,
            folder: self.node.inside("pods").join(format!("{pod}.{serial}")),
            group,
        }
    }

    fn begin(&self, workload: &str, name: &str) {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let manifests = self.manifests.lock().unwrap();
        let template = template(&manifests, workload);
        let spec = template.spec.as_ref().unwrap();
        let sandbox = self.node.sandbox(name);
        let volumes = self.volumes(&manifests, name, serial, spec);
        let maker = Maker {
            pods: self,
            manifests: &manifests,
            spec,
            name,
            address: sandbox.address,
            enter: sandbox.enter(),
            folder: volumes.folder.clone(),
            volumes: volumes.make(spec, &claims(&manifests, workload)),
        };
        maker.write_network_files();
        for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
            let folder = self.node.seen_from_here(&volumes.folder.join("interruption").join(&container.name));
            let command = self.armed.lock().unwrap().remove(&(name.to_owned(), container.name.clone()));
            interruption::prepare(&folder, command);
        }
        let inits = spec.init_containers.iter().flatten().map(|container| maker.container(container)).collect();
        let containers = spec.containers.iter().map(|container| maker.container(container)).collect();
        let mut labels = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
        if manifests.stateful_sets.contains_key(workload) {
            labels.insert("statefulset.kubernetes.io/pod-name".into(), name.into());
        }
        let grace = Duration::from_secs(spec.termination_grace_period_seconds.unwrap_or(30) as u64);
        let pod = Pod::start(name, labels, serial, sandbox, [inits, containers], grace);
        self.directory.add(&pod);
    }
}

fn template(manifests: &Manifests, workload: &str) -> PodTemplateSpec {
    let set = manifests.stateful_sets.get(workload).map(|set| set.spec.as_ref().unwrap().template.clone());
    set.unwrap_or_else(|| manifests.deployments[workload].spec.as_ref().unwrap().template.clone())
}

fn claims(manifests: &Manifests, workload: &str) -> Vec<String> {
    let Some(set) = manifests.stateful_sets.get(workload) else { return Vec::new() };
    let claims = set.spec.as_ref().unwrap().volume_claim_templates.iter().flatten();
    claims.map(|claim| claim.metadata.name.clone().unwrap()).collect()
}
