//! The pods that a rendering would make: one view on Deployments, StatefulSets, Jobs and the like.
//!
//! Knows where each kind keeps its pod template. Must not know what a pod should look like.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use crate::document::{Complaint, Document, Rendering, list, text};

/// Pods of one template.
pub struct Pods<'a> {
    /// Who makes them.
    pub owner: &'a Document,
    /// Where the pod's own fields are: `spec.template.spec`.
    pub path: &'static str,
    /// Of each pod.
    pub labels: BTreeMap<String, String>,
    /// What they run.
    pub spec: PodSpec,
}

/// One container of a pod with its place.
pub struct Placed<'a> {
    /// `spec.template.spec.containers[mysql]`
    pub path: String,
    /// Whether it runs before the others.
    pub init: bool,
    pub container: &'a Container,
}

/// All pods of a rendering whose template can be read; the others are complaints of the schema.
pub fn pods(rendering: &Rendering) -> Vec<Pods<'_>> {
    rendering.documents.iter().filter_map(pods_of).collect()
}

fn pods_of(owner: &Document) -> Option<Pods<'_>> {
    let (pointer, path) = match owner.kind() {
        "Deployment" | "StatefulSet" | "DaemonSet" | "Job" => ("/spec/template", "spec.template.spec"),
        "CronJob" => ("/spec/jobTemplate/spec/template", "spec.jobTemplate.spec.template.spec"),
        _ => return None,
    };
    let template = PodTemplateSpec::deserialize(owner.value.pointer(pointer)?).ok()?;
    let labels = template.metadata.and_then(|metadata| metadata.labels).unwrap_or_default();
    Some(Pods { owner, path, labels, spec: template.spec? })
}

impl Pods<'_> {
    /// Init containers and then the others.
    pub fn containers(&self) -> Vec<Placed<'_>> {
        let inits = self.spec.init_containers.iter().flatten().map(|container| (true, container));
        let all = inits.chain(self.spec.containers.iter().map(|container| (false, container)));
        let placed = all.map(|(init, container)| {
            let kind = if init { "initContainers" } else { "containers" };
            Placed { path: format!("{}.{kind}[{}]", self.path, container.name), init, container }
        });
        placed.collect()
    }

    /// Something is wrong with the pod itself.
    pub fn complaint(&self, field: &str, wrong: impl Into<String>) -> Complaint {
        self.owner.complaint(format!("{}.{field}", self.path), wrong)
    }

    /// Whether a container declares this port.
    pub fn has_port(&self, wanted: &Value) -> bool {
        let ports = self.spec.containers.iter().chain(self.spec.init_containers.iter().flatten());
        ports.flat_map(|container| container.ports.iter().flatten()).any(|port| match wanted {
            Value::String(name) => port.name.as_ref() == Some(name),
            Value::Number(number) => number.as_i64() == Some(i64::from(port.container_port)),
            _ => false,
        })
    }

    /// The names of claims that a StatefulSet makes for each of its pods.
    pub fn claims(&self) -> Vec<&str> {
        let templates = list(&self.owner.value, "/spec/volumeClaimTemplates");
        templates.iter().map(|claim| text(claim, "/metadata/name")).collect()
    }
}

/// Whether labels are what a selector asks for. An empty selector selects all.
pub fn selects(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let values = expression.values.as_deref().unwrap_or_default();
            let value = labels.get(&expression.key);
            match expression.operator.as_str() {
                "In" => value.is_some_and(|value| values.contains(value)),
                "NotIn" => value.is_none_or(|value| !values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// A selector that is written as a plain map of labels, as a Service does.
pub fn plain_selector(labels: &Value) -> LabelSelector {
    LabelSelector { match_labels: BTreeMap::deserialize(labels).ok(), match_expressions: None }
}
