//! Selectors that select, and targets that exist: who is meant by a Service, a PodDisruptionBudget, …

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde::Deserialize;
use serde_json::Value;

use crate::document::{Complaint, Document, Rendering, list, text, walk};
use crate::pods::{Pods, plain_selector, pods, selects};

/// A label that each pod of a StatefulSet is given.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let pods = pods(rendering);
    let mut complaints = Vec::new();
    for document in &rendering.documents {
        complaints.extend(match document.kind() {
            "Deployment" | "StatefulSet" | "DaemonSet" => owner(document, &pods),
            "Service" => service(document, &pods),
            "PodDisruptionBudget" => budget(document, &pods),
            "NetworkPolicy" => policy(document, &pods),
            "HorizontalPodAutoscaler" => autoscaler(document, rendering, &pods),
            "ServiceMonitor" => monitor(document, rendering),
            _ => Vec::new(),
        });
        if document.kind() == "StatefulSet" {
            complaints.extend(governing_service(document, rendering, &pods));
        }
    }
    complaints.extend(spreading(&pods));
    complaints.extend(two_budgets(rendering, &pods));
    complaints
}

fn selector(value: &Value, pointer: &str) -> Option<LabelSelector> {
    value.pointer(pointer).and_then(|selector| LabelSelector::deserialize(selector).ok())
}

fn is_empty(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
}

fn selected<'p, 'a>(selector: &LabelSelector, pods: &'p [Pods<'a>]) -> Vec<&'p Pods<'a>> {
    pods.iter().filter(|pods| selects(selector, &pods.labels)).collect()
}

/// An owner's selector selects its own pods, and nobody else's.
fn owner(document: &Document, pods: &[Pods<'_>]) -> Vec<Complaint> {
    const FIELD: &str = "spec.selector";
    let Some(selector) = selector(&document.value, "/spec/selector") else { return Vec::new() };
    if is_empty(&selector) {
        return vec![document.complaint(FIELD, "selects every pod")];
    }
    let selected = selected(&selector, pods);
    let is_own = |pods: &&&Pods<'_>| std::ptr::eq(pods.owner, document);
    let mut complaints = Vec::new();
    if !selected.iter().any(|pods| is_own(&pods)) {
        complaints.push(document.complaint(FIELD, "does not select the pods of its own template"));
    }
    for other in selected.iter().filter(|pods| !is_own(pods)) {
        let wrong = format!("also selects the pods of {}/{}", other.owner.kind(), other.owner.name());
        complaints.push(document.complaint(FIELD, wrong));
    }
    complaints
}

fn service(document: &Document, pods: &[Pods<'_>]) -> Vec<Complaint> {
    const FIELD: &str = "spec.selector";
    if text(&document.value, "/spec/type") == "ExternalName" {
        return Vec::new();
    }
    let Some(labels) = document.value.pointer("/spec/selector") else {
        return vec![document.complaint(FIELD, "is missing")];
    };
    let mut wanted = plain_selector(labels);
    let one_pod = wanted.match_labels.as_mut().and_then(|labels| labels.remove(POD_NAME));
    let mut owners = selected(&wanted, pods);
    owners.retain(|pods| one_pod.as_deref().is_none_or(|name| has_pod(pods.owner, name)));
    match owners.as_slice() {
        [] => vec![document.complaint(FIELD, "selects no pod")],
        [_] => Vec::new(),
        [one, two, ..] => {
            let wrong = format!("selects the pods of {} and of {}", one.owner.name(), two.owner.name());
            vec![document.complaint(FIELD, wrong)]
        }
    }
}

/// Whether it is a StatefulSet that has a pod of this name.
fn has_pod(owner: &Document, name: &str) -> bool {
    let ordinal = name.strip_prefix(owner.name()).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
    let replicas = owner.value.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    owner.kind() == "StatefulSet" && ordinal.is_some_and(|ordinal| ordinal < replicas)
}

fn budget(document: &Document, pods: &[Pods<'_>]) -> Vec<Complaint> {
    const FIELD: &str = "spec.selector";
    let Some(selector) = selector(&document.value, "/spec/selector") else {
        return vec![document.complaint(FIELD, "is missing")];
    };
    if is_empty(&selector) || selected(&selector, pods).len() != 1 {
        return vec![document.complaint(FIELD, "does not select the pods of one owner")];
    }
    Vec::new()
}

/// A pod under two budgets can never be evicted.
fn two_budgets(rendering: &Rendering, pods: &[Pods<'_>]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for pods in pods {
        let mut budgets = rendering.of_kind("PodDisruptionBudget").filter(|budget| {
            selector(&budget.value, "/spec/selector").is_some_and(|selector| selects(&selector, &pods.labels))
        });
        if let (Some(one), Some(two)) = (budgets.next(), budgets.next()) {
            let wrong = format!("selects pods that PodDisruptionBudget/{} has too", one.name());
            complaints.push(two.complaint("spec.selector", wrong));
        }
    }
    complaints
}

/// The pods that a policy is for exist, and so do those of ours that it lets in, and the ports.
fn policy(document: &Document, pods: &[Pods<'_>]) -> Vec<Complaint> {
    let selector_of = |value: &Value, pointer: &str| selector(value, pointer).unwrap_or_default();
    let guarded = selected(&selector_of(&document.value, "/spec/podSelector"), pods);
    if guarded.is_empty() {
        return vec![document.complaint("spec.podSelector", "selects no pod")];
    }
    let mut complaints = Vec::new();
    for (at, rule) in list(&document.value, "/spec/ingress").iter().enumerate() {
        for (port_at, port) in list(rule, "/ports").iter().enumerate() {
            let Some(port) = port.get("port") else { continue };
            for pods in guarded.iter().filter(|pods| !pods.has_port(port)) {
                let field = format!("spec.ingress[{at}].ports[{port_at}].port");
                complaints.push(document.complaint(field, no_such_port(port, pods)));
            }
        }
        for (peer_at, peer) in list(rule, "/from").iter().enumerate() {
            // Pods of other namespaces are not ours.
            let Some(selector) = selector(peer, "/podSelector") else { continue };
            let elsewhere = peer.get("namespaceSelector").is_some() || is_leave_to_enter(&selector);
            if !elsewhere && selected(&selector, pods).is_empty() {
                let field = format!("spec.ingress[{at}].from[{peer_at}].podSelector");
                complaints.push(document.complaint(field, "selects no pod"));
            }
        }
    }
    complaints
}

/// `mysql-direct: "true"`: whoever wears it may, and nobody has to.
fn is_leave_to_enter(selector: &LabelSelector) -> bool {
    selector.match_labels.as_ref().is_some_and(|labels| !labels.is_empty() && labels.values().all(|it| it == "true"))
}

/// As a complaint.
pub fn no_such_port(port: &Value, pods: &Pods<'_>) -> String {
    format!("{port} is no port of the pods of {}/{}", pods.owner.kind(), pods.owner.name())
}

fn autoscaler(document: &Document, rendering: &Rendering, pods: &[Pods<'_>]) -> Vec<Complaint> {
    const FIELD: &str = "spec.scaleTargetRef";
    let [kind, name, version] =
        ["kind", "name", "apiVersion"].map(|it| text(&document.value, &format!("/spec/scaleTargetRef/{it}")));
    let Some(target) = rendering.find(kind, name).filter(|target| target.api_version() == version) else {
        return vec![document.complaint(FIELD, format!("there is no {kind}/{name} of {version}"))];
    };
    let mut complaints = Vec::new();
    if target.value.pointer("/spec/replicas").is_some() {
        let wrong = format!("{kind}/{name} has spec.replicas, so each apply undoes the scaling");
        complaints.push(document.complaint(FIELD, wrong));
    }
    let containers = pods.iter().filter(|pods| std::ptr::eq(pods.owner, target)).flat_map(|pods| &pods.spec.containers);
    let containers: Vec<_> = containers.collect();
    for (at, metric) in list(&document.value, "/spec/metrics").iter().enumerate() {
        let resource = text(metric, "/resource/name");
        let has = |container: &&k8s_openapi::api::core::v1::Container| {
            let requests = container.resources.as_ref().and_then(|resources| resources.requests.as_ref());
            requests.is_some_and(|requests| requests.contains_key(resource))
        };
        if let Some(without) = containers.iter().find(|container| !has(container)) {
            let wrong = format!("container {} of {kind}/{name} requests no {resource}", without.name);
            complaints.push(document.complaint(format!("spec.metrics[{at}]"), wrong));
        }
    }
    complaints
}

fn monitor(document: &Document, rendering: &Rendering) -> Vec<Complaint> {
    let Some(wanted) = selector(&document.value, "/spec/selector") else { return Vec::new() };
    let labels = |service: &Document| {
        let labels = service.value.pointer("/metadata/labels").cloned().unwrap_or_default();
        plain_selector(&labels).match_labels.unwrap_or_default()
    };
    let services: Vec<&Document> =
        rendering.of_kind("Service").filter(|service| selects(&wanted, &labels(service))).collect();
    if services.is_empty() {
        return vec![document.complaint("spec.selector", "selects no Service")];
    }
    let mut complaints = Vec::new();
    for (at, endpoint) in list(&document.value, "/spec/endpoints").iter().enumerate() {
        let port = text(endpoint, "/port");
        let with = services
            .iter()
            .filter(|service| list(&service.value, "/spec/ports").iter().any(|known| text(known, "/name") == port));
        let field = format!("spec.endpoints[{at}].port");
        match with.count() {
            1 => {}
            0 => complaints.push(document.complaint(field, format!("no selected Service has a port named {port:?}"))),
            _ => complaints.push(document.complaint(field, format!("two selected Services have a port {port:?}"))),
        }
    }
    complaints
}

/// The Service that gives a StatefulSet's pods their names.
fn governing_service(document: &Document, rendering: &Rendering, pods: &[Pods<'_>]) -> Vec<Complaint> {
    const FIELD: &str = "spec.serviceName";
    let name = text(&document.value, "/spec/serviceName");
    let Some(service) = rendering.find("Service", name) else {
        return vec![document.complaint(FIELD, format!("there is no Service/{name}"))];
    };
    if text(&service.value, "/spec/clusterIP") != "None" {
        return vec![document.complaint(FIELD, format!("Service/{name} is not headless: its clusterIP is not None"))];
    }
    let selector = plain_selector(service.value.pointer("/spec/selector").unwrap_or(&Value::Null));
    let own = pods.iter().find(|pods| std::ptr::eq(pods.owner, document));
    if own.is_some_and(|pods| !selects(&selector, &pods.labels)) {
        return vec![document.complaint(FIELD, format!("Service/{name} does not select the pods"))];
    }
    Vec::new()
}

/// Affinities and spreads are about pods that exist.
fn spreading(pods: &[Pods<'_>]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for own in pods {
        let rules = [
            ("affinity", serde_json::to_value(&own.spec.affinity).unwrap()),
            ("topologySpreadConstraints", serde_json::to_value(&own.spec.topology_spread_constraints).unwrap()),
        ];
        for (field, rules) in rules {
            walk(&rules, field, &mut |path, value| {
                let Some(wanted) = path.ends_with("labelSelector").then(|| LabelSelector::deserialize(value)) else {
                    return;
                };
                if wanted.is_ok_and(|wanted| selected(&wanted, pods).is_empty()) {
                    complaints.push(own.complaint(path, "selects no pod"));
                }
            });
        }
    }
    complaints
}
