//! Ports: of Services on the pods that they select, of probes on their container, and their names.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Lifecycle, LifecycleHandler, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use crate::document::{Complaint, Document, Rendering, list, text};
use crate::pods::{Pods, plain_selector, pods, selects};
use crate::selectors::no_such_port;

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let pods = pods(rendering);
    let mut complaints: Vec<Complaint> = rendering.of_kind("Service").flat_map(|it| service(it, &pods)).collect();
    for pods in &pods {
        complaints.extend(names(pods));
        for placed in pods.containers() {
            for (field, port) in asked(placed.container) {
                if !has_port(placed.container, &port) {
                    let wrong = format!("{} is no port of the container", shown(&port));
                    complaints.push(pods.owner.complaint(format!("{}.{field}", placed.path), wrong));
                }
            }
        }
    }
    complaints
}

fn service(document: &Document, pods: &[Pods<'_>]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let selector = plain_selector(document.value.pointer("/spec/selector").unwrap_or(&Value::Null));
    let ports = list(&document.value, "/spec/ports");
    let mut seen = BTreeSet::new();
    if ports.is_empty() {
        complaints.push(document.complaint("spec.ports", "is empty"));
    }
    for (at, port) in ports.iter().enumerate() {
        let name = text(port, "/name");
        if name.is_empty() || !seen.insert(name) {
            complaints.push(document.complaint(format!("spec.ports[{at}].name"), "is missing or there twice"));
        }
        let (field, target) = match port.get("targetPort") {
            Some(target) => ("targetPort", target),
            None => ("port", &port["port"]),
        };
        for pods in pods.iter().filter(|pods| selects(&selector, &pods.labels)) {
            if !pods.has_port(target) {
                complaints.push(document.complaint(format!("spec.ports[{at}].{field}"), no_such_port(target, pods)));
            }
        }
    }
    complaints
}

/// Names and numbers of ports are unique in a pod, and names short enough.
fn names(pods: &Pods<'_>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for placed in pods.containers().iter().filter(|placed| !placed.init) {
        for port in placed.container.ports.iter().flatten() {
            let field = format!("{}.ports[{}]", placed.path, port.container_port);
            let name = port.name.clone().unwrap_or_default();
            if name.is_empty() || name.len() > 15 {
                complaints.push(pods.owner.complaint(&field, format!("{name:?} is no name of 1 to 15 letters")));
            }
            if !seen.insert(name) || !seen.insert(port.container_port.to_string()) {
                complaints.push(pods.owner.complaint(&field, "its name or number is there twice"));
            }
        }
    }
    complaints
}

/// Where a container is asked something: the field and the port.
fn asked(container: &Container) -> Vec<(String, IntOrString)> {
    let Container { startup_probe, liveness_probe, readiness_probe, lifecycle, .. } = container;
    let probes =
        [("startupProbe", startup_probe), ("livenessProbe", liveness_probe), ("readinessProbe", readiness_probe)];
    let mut asked = Vec::new();
    for (field, probe) in probes {
        let Some(Probe { http_get, tcp_socket, grpc, .. }) = probe else { continue };
        asked.extend(http_get.iter().map(|http| (format!("{field}.httpGet.port"), http.port.clone())));
        asked.extend(tcp_socket.iter().map(|tcp| (format!("{field}.tcpSocket.port"), tcp.port.clone())));
        asked.extend(grpc.iter().map(|grpc| (format!("{field}.grpc.port"), IntOrString::Int(grpc.port))));
    }
    let Some(Lifecycle { post_start, pre_stop, .. }) = lifecycle else { return asked };
    for (field, handler) in [("lifecycle.postStart", post_start), ("lifecycle.preStop", pre_stop)] {
        let Some(LifecycleHandler { http_get, tcp_socket, .. }) = handler else { continue };
        asked.extend(http_get.iter().map(|http| (format!("{field}.httpGet.port"), http.port.clone())));
        asked.extend(tcp_socket.iter().map(|tcp| (format!("{field}.tcpSocket.port"), tcp.port.clone())));
    }
    asked
}

fn has_port(container: &Container, wanted: &IntOrString) -> bool {
    container.ports.iter().flatten().any(|port| match wanted {
        IntOrString::Int(number) => port.container_port == *number,
        IntOrString::String(name) => port.name.as_ref() == Some(name),
    })
}

fn shown(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => format!("{name:?}"),
    }
}
