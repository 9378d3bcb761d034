//! What `kubectl apply -k` would send, as typed objects.
//!
//! Knows kubectl and the kinds that run something. Must not know what runs.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;

/// The objects that pods are made of.
#[derive(Default)]
pub struct Manifests {
    /// By name.
    pub config_maps: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// By name.
    pub secrets: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// As they are.
    pub services: Vec<Service>,
    /// By name.
    pub stateful_sets: BTreeMap<String, StatefulSet>,
    /// By name.
    pub deployments: BTreeMap<String, Deployment>,
    /// Of the Deployments whose number is a `HorizontalPodAutoscaler`'s: how many it begins with.
    pub autoscaled: BTreeMap<String, i32>,
    /// Where all this lives; `default` if nothing says it.
    pub namespace: String,
}

/// Over the base, where no pod is invisible for long: a new cluster waits for 3 s in place of 40.
pub const LESS_GRACE: &str = r"patches:
  - target:
      kind: StatefulSet
      name: mysql
    # A merge would put the container that it changes before all others.
    patch: |
      - op: test
        path: /spec/template/spec/initContainers/1/env/1/name
        value: NEW_CLUSTER_GRACE
      - op: replace
        path: /spec/template/spec/initContainers/1/env/1/value
        value: '3'
";

/// Renders a folder with a kustomization of the test's own over it: `over` is what follows `resources:` in it, and
/// `files` are beside it.
pub fn adjusted(path: &str, over: &str, files: &[(&str, &str)]) -> Manifests {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let below = relative(folder.path(), &root().join(path));
    let head = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let text = format!("{head}resources:\n  - {}\n{over}", below.display());
    std::fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    read(&kustomize(folder.path()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// From one folder to another; kustomize takes no absolute paths.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (from, to) = (from.canonicalize().unwrap(), to.canonicalize().unwrap());
    let up = from.components().filter(|part| matches!(part, Component::Normal(_))).map(|_| Component::ParentDir);
    up.chain(to.components().filter(|part| matches!(part, Component::Normal(_)))).collect()
}

fn kustomize(folder: &Path) -> String {
    let output = Command::new("kubectl").arg("kustomize").arg(folder).output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl kustomize {}: {complaint}", folder.display());
    String::from_utf8(output.stdout).unwrap()
}

/// Reads a rendering.
pub fn read(text: &str) -> Manifests {
    let mut manifests = Manifests { namespace: "default".into(), ..Manifests::default() };
    for document in serde_norway::Deserializer::from_str(text) {
        let value = Value::deserialize(document).unwrap();
        let word =
            |path: [&str; 2]| value.get(path[0]).and_then(|inner| inner.get(path[1])?.as_str().map(str::to_owned));
        let name = word(["metadata", "name"]).unwrap_or_default();
        if let Some(namespace) = word(["metadata", "namespace"]) {
            manifests.namespace = namespace;
        }
        match value.get("kind").and_then(Value::as_str) {
            Some("ConfigMap") => drop(manifests.config_maps.insert(name, config(typed(value)))),
            Some("Secret") => drop(manifests.secrets.insert(name, secret(typed(value)))),
            Some("Service") => manifests.services.push(typed(value)),
            Some("StatefulSet") => drop(manifests.stateful_sets.insert(name, typed(value))),
            Some("Deployment") => drop(manifests.deployments.insert(name, typed(value))),
            Some("HorizontalPodAutoscaler") => {
                let spec = typed::<HorizontalPodAutoscaler>(value).spec.unwrap();
                manifests.autoscaled.insert(spec.scale_target_ref.name, spec.min_replicas.unwrap_or(1));
            }
            _ => {}
        }
    }
    manifests
}

fn typed<T: DeserializeOwned>(value: Value) -> T {
    serde_norway::from_value(value).unwrap()
}

fn config(map: ConfigMap) -> BTreeMap<String, Vec<u8>> {
    let text = map.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_bytes()));
    text.chain(map.binary_data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0))).collect()
}

fn secret(secret: Secret) -> BTreeMap<String, Vec<u8>> {
    let bytes = secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0));
    bytes
        .chain(secret.string_data.unwrap_or_default().into_iter().map(|(key, text)| (key, text.into_bytes())))
        .collect()
}
