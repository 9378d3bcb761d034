//! What every pod must hold to: no root, no privileges, no more than it asked for, images that stay the same, secrets
//! that are secret.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Capabilities, Container, PodSecurityContext, SecurityContext};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::document::{Complaint, Document, Rendering};
use crate::mounted::entries;
use crate::pods::{Placed, Pods, pods};
use crate::proxy;

const ENFORCED: &str = "/metadata/labels/pod-security.kubernetes.io~1enforce";

/// All complaints about a rendering.
pub fn check(rendering: &Rendering) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for pods in pods(rendering) {
        if pods.spec.automount_service_account_token != Some(false) {
            complaints
                .push(pods.complaint("automountServiceAccountToken", "is not false, and nobody here asks Kubernetes"));
        }
        for placed in pods.containers() {
            let wrong =
                |(field, wrong): (&str, String)| pods.owner.complaint(format!("{}.{field}", placed.path), wrong);
            complaints.extend(privileges(&pods, &placed).into_iter().map(wrong));
            complaints.extend(resources(placed.container).into_iter().map(wrong));
            complaints.extend(image(placed.container).into_iter().map(wrong));
            complaints.extend(passwords(placed.container).into_iter().map(wrong));
        }
    }
    complaints.extend(rendering.of_kind("Secret").flat_map(secret));
    let is_open = |namespace: &&Document| namespace.value.pointer(ENFORCED).is_none_or(|level| level != "restricted");
    complaints.extend(rendering.of_kind("Namespace").filter(is_open).map(|namespace| {
        namespace.complaint("metadata.labels", "does not enforce the Pod Security level that its pods hold to")
    }));
    if rendering.folder == "deploy/base" {
        complaints.extend(rendering.documents.iter().filter(|it| has_namespace(it)).map(|document| {
            document.complaint("metadata.namespace", "has no place in the base: whoever uses it names one")
        }));
    }
    complaints
}

fn has_namespace(document: &Document) -> bool {
    document.kind() == "Namespace" || document.value.pointer("/metadata/namespace").is_some()
}

fn privileges(pods: &Pods<'_>, placed: &Placed<'_>) -> Vec<(&'static str, String)> {
    let of_pod = pods.spec.security_context.clone().unwrap_or_default();
    let of_container = placed.container.security_context.clone().unwrap_or_default();
    let PodSecurityContext {
        run_as_non_root: pod_non_root, run_as_user: pod_user, seccomp_profile: pod_seccomp, ..
    } = of_pod;
    let SecurityContext { run_as_non_root, run_as_user, seccomp_profile, capabilities, privileged, .. } = of_container;
    let mut wrong = Vec::new();
    let mut unless = |holds: bool, field, why: &str| {
        if !holds {
            wrong.push((field, why.to_owned()));
        }
    };
    unless(run_as_non_root.or(pod_non_root) == Some(true), "securityContext.runAsNonRoot", "is not true");
    unless(run_as_user.or(pod_user).is_some_and(|user| user > 0), "securityContext.runAsUser", "is root or not said");
    unless(seccomp_profile.or(pod_seccomp).is_some(), "securityContext.seccompProfile", "is missing");
    unless(privileged != Some(true), "securityContext.privileged", "is true");
    let may_rise = of_container.allow_privilege_escalation != Some(false);
    unless(!may_rise, "securityContext.allowPrivilegeEscalation", "is not false");
    let Capabilities { add, drop } = capabilities.unwrap_or_default();
    unless(drop.unwrap_or_default() == ["ALL"], "securityContext.capabilities.drop", "is not [ALL]");
    unless(add.unwrap_or_default().is_empty(), "securityContext.capabilities.add", "is not empty");
    if proxy::is_proxy(placed.container) {
        let read_only = of_container.read_only_root_filesystem == Some(true);
        unless(read_only, "securityContext.readOnlyRootFilesystem", "is not true");
    }
    unless(pods.spec.host_network.is_none(), "hostNetwork", "is given");
    unless(pods.spec.host_pid.is_none(), "hostPID", "is given");
    wrong
}

fn resources(container: &Container) -> Vec<(&'static str, String)> {
    let resources = container.resources.clone().unwrap_or_default();
    let (requests, limits) = (resources.requests.unwrap_or_default(), resources.limits.unwrap_or_default());
    let mut wrong = Vec::new();
    for name in ["cpu", "memory"] {
        if !requests.contains_key(name) {
            wrong.push(("resources.requests", format!("has no {name}")));
        }
    }
    if !limits.contains_key("memory") {
        wrong.push(("resources.limits", "has no memory".to_owned()));
    }
    wrong.extend(unreadable("resources.requests", &requests));
    wrong.extend(unreadable("resources.limits", &limits));
    for (name, limit) in &limits {
        if let (Some(Some(request)), Some(most)) = (requests.get(name).map(amount), amount(limit))
            && request > most
        {
            let request = &requests[name].0;
            wrong.push(("resources.requests", format!("asks for {request} {name}, and the limit is {}", limit.0)));
        }
    }
    wrong
}

fn unreadable(field: &'static str, amounts: &BTreeMap<String, Quantity>) -> Vec<(&'static str, String)> {
    let unreadable = amounts.iter().filter(|(_, quantity)| amount(quantity).is_none());
    unreadable.map(|(name, quantity)| (field, format!("{:?} is no amount of {name}", quantity.0))).collect()
}

/// `500m`, `1.5`, `2Gi`
fn amount(quantity: &Quantity) -> Option<f64> {
    const UNITS: [(&str, f64); 9] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("m", 0.001),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let unit = UNITS.iter().find_map(|(unit, factor)| Some((quantity.0.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((quantity.0.as_str(), 1.0));
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || c == '.');
    plain.then(|| number.parse::<f64>().ok()).flatten().map(|number| number * factor)
}

/// An image is pinned by a version with at least two numbers, or by its digest.
fn image(container: &Container) -> Vec<(&'static str, String)> {
    let image = container.image.clone().unwrap_or_default();
    let last = image.rsplit('/').next().unwrap_or_default();
    let tag = last.split_once('@').map_or(last, |(before, _)| before).split_once(':').map_or("", |(_, tag)| tag);
    let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
    let numbers = version.split('.').filter(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()));
    let pinned = last.contains("@sha256:") || version.contains('.') && numbers.count() >= 2;
    if pinned { Vec::new() } else { vec![("image", format!("{image:?} is not pinned to a version"))] }
}

/// A password comes from a Secret and is never empty.
fn passwords(container: &Container) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    for variable in container.env.iter().flatten() {
        let name = &variable.name;
        if name.contains("ALLOW_EMPTY") || name.contains("RANDOM_ROOT") {
            wrong.push(("env", format!("{name} lets root in without a password that anybody keeps")));
        }
        let is_file = name.ends_with("_FILE");
        if (name.contains("PASSWORD") || name.contains("SECRET")) && !is_file && variable.value.is_some() {
            wrong.push(("env", format!("{name} stands here and not in a Secret")));
        }
    }
    wrong
}

fn secret(document: &Document) -> Vec<Complaint> {
    let entries = entries(document);
    let empty = entries.iter().filter(|(_, value)| value.trim_ascii().is_empty());
    let mut complaints: Vec<Complaint> =
        empty.map(|(key, _)| document.complaint(format!("data[{key}]"), "is an empty password")).collect();
    if entries.is_empty() {
        complaints.push(document.complaint("data", "is empty"));
    }
    complaints
}
